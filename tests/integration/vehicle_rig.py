"""Real parts around the vehicle service: a D-Bus with ModemManager's objects, and gpsd.

The objects are python-dbusmock's (Debian's python3-dbusmock, in a process of its own), so that what
the box reads was written by another D-Bus implementation.
"""

import asyncio
import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from edgebox.host.modem_objects import MESSAGING, MODEM, MODEM_3GPP
from edgebox.sim.ports import free_port

NAME = "org.freedesktop.ModemManager1"
ROOT = "/org/freedesktop/ModemManager1"
MOCK = "org.freedesktop.DBus.Mock"
SMS = "org.freedesktop.ModemManager1.Sms"
NMEA_START_UTC = 1_772_366_400


class PrivateBus:
    """A dbus-daemon of its own."""

    def __init__(self, directory: Path):
        self.address = f"unix:path={directory / 'dbus'}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Until it listens."""
        command = ("dbus-daemon", "--session", "--nofork", "--print-address")
        daemon = self._spawn(*command, f"--address={self.address}", stdout=subprocess.PIPE)
        assert daemon.stdout is not None
        # The socket's file is there before anybody listens; the address is said afterwards.
        assert daemon.stdout.readline().startswith(self.address.encode())

    def start_modem_manager(self) -> subprocess.Popen[bytes]:
        """A ModemManager without modems."""
        return self._spawn(
            "/usr/bin/python3", "-m", "dbusmock", "--session", "-m", NAME, ROOT, NAME
        )

    def stop(self) -> None:
        """All of it."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def _spawn(self, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        environment = {"DBUS_SESSION_BUS_ADDRESS": self.address, "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(
            command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL
        )
        self._processes.append(process)
        return process


@contextlib.contextmanager
def private_bus() -> Iterator[PrivateBus]:
    """Running, without ModemManager."""
    with tempfile.TemporaryDirectory(prefix="bus-") as directory:
        bus = PrivateBus(Path(directory))
        try:
            bus.start()
            yield bus
        finally:
            bus.stop()


class Mock:
    """Changes ModemManager's objects from outside."""

    def __init__(self, bus: MessageBus):
        self._bus = bus

    async def until_there(self) -> None:
        """ModemManager has its name."""
        async with asyncio.timeout(10):
            while await self._has_no_owner():
                await asyncio.sleep(0.02)

    async def plug(self, number: int, interface: str, **change: Variant) -> str:
        """A modem comes; gives its path."""
        path = f"{ROOT}/Modem/{number}"
        modem = {
            "State": Variant("i", 11),
            "StateFailedReason": Variant("u", 0),
            "UnlockRequired": Variant("u", 1),
            "Ports": Variant("a(su)", [["cdc-wdm0", 6], [interface, 2]]),
            "AccessTechnologies": Variant("u", 1 << 14),
            "SignalQuality": Variant("(ub)", [63, True]),
        } | change
        network = {
            "OperatorName": Variant("s", "Telenor"),
            "RegistrationState": Variant("u", 1),
        }
        create = f'ret = dbus.ObjectPath("{ROOT}/SMS/0")'
        methods = [["Create", "a{sv}", "o", create], ["Delete", "o", "", ""]]
        # What makes it a modem comes last: nobody who asks meanwhile sees half of one.
        await self._mock(ROOT, "AddObject", "ssa{sv}a(ssss)", path, MESSAGING, {}, methods)
        await self._mock(path, "AddProperties", "sa{sv}", MODEM_3GPP, network)
        await self._mock(path, "AddProperties", "sa{sv}", MODEM, modem)
        interfaces = {MODEM: modem, MODEM_3GPP: network, MESSAGING: {}}
        await self._emit("InterfacesAdded", "oa{sa{sv}}", path, interfaces)
        return path

    async def unplug(self, path: str) -> None:
        """A modem goes."""
        await self._mock(ROOT, "RemoveObject", "s", path)
        await self._emit("InterfacesRemoved", "oas", path, [MODEM, MODEM_3GPP, MESSAGING])

    async def change(self, path: str, interface: str, **changed: Variant) -> None:
        """PropertiesChanged."""
        await self._mock(path, "UpdateProperties", "sa{sv}", interface, changed)

    async def forge(self, path: str, interface: str, **changed: Variant) -> None:
        """The same signal from a process that is not ModemManager."""
        await self._bus.send(
            Message(
                message_type=MessageType.SIGNAL,
                path=path,
                interface="org.freedesktop.DBus.Properties",
                member="PropertiesChanged",
                signature="sa{sv}as",
                body=[interface, changed, []],
            )
        )

    async def allow_sms(self, code: str = "") -> None:
        """The one message there can be; `code` runs when it is sent."""
        methods = [["Send", "", "", code]]
        await self._mock(ROOT, "AddObject", "ssa{sv}a(ssss)", f"{ROOT}/SMS/0", SMS, {}, methods)

    async def calls(self, path: str) -> list[tuple[str, Any]]:
        """Methods that were called on an object, with their arguments."""
        (calls,) = await self._mock(path, "GetCalls", "")
        return [(name, [one.value for one in arguments]) for _, name, arguments in calls]

    async def _emit(self, name: str, signature: str, *arguments: Any) -> None:
        boxed = [
            Variant(kind, one)
            for kind, one in zip(_split(signature), arguments, strict=True)
        ]  # fmt: skip
        manager = "org.freedesktop.DBus.ObjectManager"
        await self._mock(ROOT, "EmitSignal", "sssav", manager, name, signature, boxed)

    async def _mock(self, path: str, member: str, signature: str, *body: Any) -> list[Any]:
        answer = await self._bus.call(
            Message(
                destination=NAME,
                path=path,
                interface=MOCK,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        assert answer.message_type is not MessageType.ERROR, answer.body
        return list(answer.body)

    async def _has_no_owner(self) -> bool:
        dbus = "org.freedesktop.DBus"
        answer = await self._bus.call(
            Message(
                destination=dbus,
                path="/org/freedesktop/DBus",
                interface=dbus,
                member="NameHasOwner",
                signature="s",
                body=[NAME],
            )
        )
        return not answer.body[0]


def _split(signature: str) -> tuple[str, str]:
    """Both signals begin with an object path."""
    return signature[:1], signature[1:]


@contextlib.asynccontextmanager
async def mocking(bus: PrivateBus) -> AsyncIterator[Mock]:
    """A connection for the test."""
    connection = MessageBus(bus_address=bus.address)
    await connection.connect()
    try:
        yield Mock(connection)
    finally:
        connection.disconnect()
        await connection.wait_for_disconnect()  # type: ignore[no-untyped-call]


class Receiver:
    """A real gpsd, and the NMEA of a receiver that drives south at 16 m/s."""

    def __init__(self) -> None:
        self.port, self._feed_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.has_fix = True
        self._seconds = 0
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._feeding
        self._socket.close()
        self.kill()

    def start(self) -> None:
        """gpsd(8): -N in the foreground, -n reads at once, -S its port."""
        self._process = subprocess.Popen(
            ["/usr/sbin/gpsd", "-N", "-n", "-S", str(self.port), f"udp://127.0.0.1:{self._feed_port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def _feed(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self._seconds += 1
            clock = time.strftime("%H%M%S", time.gmtime(NMEA_START_UTC + self._seconds))
            lines = self._fix(clock) if self.has_fix else self._none(clock)
            self._socket.sendto(
                b"".join(_nmea(line) for line in lines), ("127.0.0.1", self._feed_port)
            )

    def _fix(self, clock: str) -> tuple[str, ...]:
        return (
            f"GPRMC,{clock}.00,A,6023.4140,N,00519.6735,E,31.5,183.4,010326,,,A",
            f"GPGGA,{clock}.00,6023.4140,N,00519.6735,E,1,09,1.1,61.0,M,47.0,M,,",
            "GPGSA,A,3,01,02,03,04,05,06,07,08,09,,,,2.0,1.1,1.7",
        )

    def _none(self, clock: str) -> tuple[str, ...]:
        return (
            f"GPRMC,{clock}.00,V,,,,,,,010326,,,N",
            f"GPGGA,{clock}.00,,,,,0,00,99.9,,,,,,",
            "GPGSA,A,1,,,,,,,,,,,,,99.9,99.9,99.9",
        )


def _nmea(body: str) -> bytes:
    """One sentence with its checksum."""
    checksum = 0
    for letter in body:
        checksum ^= ord(letter)
    return f"${body}*{checksum:02X}\r\n".encode()
