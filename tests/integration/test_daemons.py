"""Box broker, hub broker and TURN server as configured, with the real programs."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aioice
import aiomqtt
import pytest

from edgebox.bus import Bus
from edgebox.host import daemons
from edgebox.host.daemons import TlsFiles
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite
from edgebox.messages.services import BOX_INFO, HUB_STATUS, BoxInfo, HubStatus
from edgebox.messages.session import (
    MEDIA_SESSION,
    START_VIDEO,
    WATCH,
    MediaSession,
    StartVideo,
    TurnCredentials,
    WatchAnswer,
    WatchOffer,
)
from edgebox.sim import links as links_module
from edgebox.sim import pki
from edgebox.sim.lane import LaneSettings
from edgebox.sim.ports import free_port
from edgebox.sim.tcp_relay import TcpRelay

BACK_S = 5.0
"""Everything has to be back within this after a kill."""

CONNECT = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x02b2"
"""MQTT 5, 3.1: clean start, keep alive 5 s, client id b2."""


class Program:
    """A system program of one test."""

    def __init__(self, command: Sequence[str], log: Path, *listens: str):
        self._command = command
        self._log = log
        self._listens = listens
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        for address in self._listens:
            await daemons.until_listening(address)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Fleet:
    """A hub's broker, two boxes' and their certificates. `gate`: where boxes reach the hub."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.hub_listen = f"127.0.0.1:{free_port()}"
        self.help_listen = f"127.0.0.1:{free_port()}"
        self.hub_socket = f"{directory}/hub.sock"
        self.hub = Program(
            daemons.write_hub_broker(
                directory / "hub",
                socket=Path(self.hub_socket),
                listen=self.hub_listen,
                help_listen=self.help_listen,
                tls=pki.hub_credentials(directory / "pki", ("127.0.0.1",)),
            ),
            directory / "hub.log",
            self.hub_socket,
            self.hub_listen,
        )
        self.boxes = {name: self._box(name) for name in ("b1", "b2")}

    def socket_of(self, box: str) -> str:
        return f"{self.directory}/{box}.sock"

    def credentials(self, box: str) -> TlsFiles:
        return pki.box_credentials(self.directory / "pki", box)

    def stop(self) -> None:
        for program in (self.hub, *self.boxes.values()):
            program.kill()

    def _box(self, name: str) -> Program:
        command = daemons.write_box_broker(
            self.directory / name,
            box=name,
            socket=Path(self.socket_of(name)),
            ways=(self.hub_listen,),
            tls=self.credentials(name),
        )
        return Program(command, self.directory / f"{name}.log", self.socket_of(name))


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """Hub and box b1 running; b2 is there to be started."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        one = Fleet(Path(name))
        try:
            await one.hub.start()
            await one.boxes["b1"].start()
            yield one
        finally:
            one.stop()


async def eventually(check: Callable[[], bool], timeout_s: float = 10.0) -> float:
    """Wait until it is so; how long that took, in s."""
    started_at = time.monotonic()
    async with asyncio.timeout(timeout_s):
        while not check():
            await asyncio.sleep(0.01)
    return time.monotonic() - started_at


async def bridge_states(bus: Bus) -> list[bool]:
    """Every state the bridge has had, as `bus` hears of it."""
    states: list[bool] = []

    async def keep(*message: object) -> None:
        states.append(bool(message[0]))

    await bus.watch_bridge(keep)
    return states


async def sessions(bus: Bus) -> list[MediaSession]:
    """Every MediaSession `bus` hears of."""
    seen: list[MediaSession] = []

    async def keep(session: MediaSession, keys: dict[str, str]) -> None:
        seen.append(session)

    await bus.subscribe(MEDIA_SESSION, keep)
    return seen


def session(name: str) -> MediaSession:
    return MediaSession(
        id=name, state="idle", since_utc=0, instance="i", cameras=(), sent=(), watchers=()
    )


async def test_requests_pass_the_bridge_both_ways(fleet: Fleet) -> None:
    async with (
        Bus(fleet.socket_of("b1"), "box", box="b1") as box,
        Bus(fleet.hub_socket, "hub") as hub,
    ):

        async def watch(offer: WatchOffer, keys: dict[str, str]) -> WatchAnswer:
            return WatchAnswer(sdp=offer.sdp.upper(), streams=())

        async def invite(question: CreateInvite, keys: dict[str, str]) -> Invite:
            return Invite(url=f"https://{keys['box']}", role=question.role, expires_utc=1)

        up = await bridge_states(box)
        await box.serve(WATCH, watch)
        await hub.serve(CREATE_INVITE, invite)
        await eventually(lambda: up[-1:] == [True])
        turn = TurnCredentials(username="u", password="p")
        sdp = "x" * 60_000
        offer = WatchOffer(session="s", peer="p", name="n", role="doctor", sdp=sdp, turn=turn)
        answer = await hub.request(WATCH, offer, box="b1")
        assert answer == WatchAnswer(sdp=sdp.upper(), streams=())
        question = CreateInvite(session="s", role="pilot")
        invited = await box.request(CREATE_INVITE, question)
        assert invited == Invite(url="https://b1", role="pilot", expires_utc=1)


async def test_local_topics_stay_in_the_box(fleet: Fleet) -> None:
    heard: list[str] = []

    async def listen() -> None:
        async with aiomqtt.Client(
            fleet.hub_socket, port=1, transport="unix", protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.subscribe("box/#")
            async for message in client.messages:
                heard.append(str(message.topic))  # noqa: PERF401 - it never ends

    listening = asyncio.create_task(listen())
    async with Bus(fleet.socket_of("b1"), "box", box="b1") as box:
        up = await bridge_states(box)
        await eventually(lambda: up[-1:] == [True])
        await box.request(START_VIDEO, StartVideo(), timeout_s=0.1)
        await box.publish(BOX_INFO, BoxInfo(vehicle="Ambulanse 1"))
        await eventually(lambda: "box/b1/up/info" in heard)
        assert set(heard) == {"box/b1/up/info"}
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


async def test_both_brokers_know_whether_the_bridge_is_up(fleet: Fleet) -> None:
    async with (
        Bus(fleet.socket_of("b1"), "panel", box="b1") as panel,
        Bus(fleet.hub_socket, "hub") as hub,
    ):
        on_box, on_hub = await bridge_states(panel), await bridge_states(hub)
        await eventually(lambda: on_box[-1:] == on_hub[-1:] == [True])
        fleet.boxes["b1"].kill()
        await eventually(lambda: not on_hub[-1])  # the last will
        await fleet.boxes["b1"].start()
        assert await eventually(lambda: on_hub[-1]) < BACK_S
        fleet.hub.kill()
        await eventually(lambda: not on_box[-1])
        await fleet.hub.start()
        assert await eventually(lambda: on_box[-1] and on_hub[-1]) < BACK_S


async def test_retained_states_are_back_after_either_broker_was_killed(fleet: Fleet) -> None:
    async with (
        Bus(fleet.socket_of("b1"), "media", box="b1") as media,
        Bus(fleet.socket_of("b1"), "panel", box="b1") as panel,
        Bus(fleet.hub_socket, "hub") as hub,
    ):
        greeted: list[str] = []

        async def greet(status: HubStatus, keys: dict[str, str]) -> None:
            greeted.append(status.instance)

        await panel.subscribe(HUB_STATUS, greet)
        seen = await sessions(hub)
        for bus in (media, hub):
            await bus.connected.wait()
        await media.publish(MEDIA_SESSION, session("s1"))
        await hub.publish(HUB_STATUS, HubStatus(instance="h1", since_utc=0), box="b1")
        await eventually(lambda: bool(seen and greeted))
        for program in (fleet.hub, fleet.boxes["b1"]):
            seen.clear()
            greeted.clear()
            program.kill()
            await program.start()
            took_s = await eventually(lambda: bool(seen and greeted))
            assert took_s < BACK_S
            assert seen[0].id == "s1"
            assert greeted[0] == "h1"
            # And they are retained there, for whoever comes later.
            async with Bus(fleet.hub_socket, "later") as later:
                late = await sessions(later)
                await eventually(lambda found=late: bool(found))  # type: ignore[misc]


async def test_what_happens_while_the_hub_is_away_arrives_later(fleet: Fleet) -> None:
    async with Bus(fleet.socket_of("b1"), "media", box="b1") as media:
        up = await bridge_states(media)
        await eventually(lambda: up[-1:] == [True])
        fleet.hub.kill()
        await eventually(lambda: not up[-1])
        await media.publish(MEDIA_SESSION, session("s2"))
        await fleet.hub.start()
        async with Bus(fleet.hub_socket, "hub") as hub:
            seen = await sessions(hub)
            assert await eventually(lambda: bool(seen)) < BACK_S
            assert seen[0].id == "s2"


def tls_client(fleet: Fleet, box: str, name: str) -> aiomqtt.Client:
    """A box that speaks to the hub's broker directly, not through a bridge."""
    host, _, port = fleet.hub_listen.rpartition(":")
    return aiomqtt.Client(
        host,
        int(port),
        identifier=name,
        tls_context=_tls_context(fleet, fleet.credentials(box)),
        protocol=aiomqtt.ProtocolVersion.V5,
    )


async def test_client_without_a_certificate_of_the_fleet_is_refused(fleet: Fleet) -> None:
    foreign = pki.box_credentials(fleet.directory / "foreign", "b2")
    assert _is_admitted(fleet, fleet.credentials("b2"))
    assert not _is_admitted(fleet, None)
    assert not _is_admitted(fleet, foreign)


def _is_admitted(fleet: Fleet, credentials: TlsFiles | None) -> bool:
    """Whether the hub's broker answers a CONNECT with a CONNACK (MQTT 5, 3.2)."""
    try:
        with _tls(fleet, credentials) as one:
            one.sendall(CONNECT)
            return one.recv(1) == b"\x20"
    except (ssl.SSLError, ConnectionError):
        return False


async def test_box_cannot_write_or_read_what_is_not_its_own(fleet: Fleet) -> None:
    async with Bus(fleet.hub_socket, "hub") as hub:
        heard: list[str] = []

        async def keep(info: BoxInfo, keys: dict[str, str]) -> None:
            heard.append(keys["box"])

        await hub.subscribe(BOX_INFO, keep)
        await hub.connected.wait()
        info = b'{"type":"BoxInfo","vehicle":"x"}'
        async with tls_client(fleet, "b2", "b2") as box:
            for topic in ("box/#", "#", "box/b1/down/#", "box/+/down/#", "$SYS/#", "box/b2/up/#"):
                with contextlib.suppress(aiomqtt.MqttError):
                    await box.subscribe(topic)
            await box.subscribe("box/b2/down/#")
            for topic in ("box/b1/up/info", "box/b1/down/hub", "box/b2/down/hub", "x", "$SYS/x"):
                with contextlib.suppress(aiomqtt.MqttError):
                    await box.publish(topic, info, qos=1, retain=True)
            await box.publish("box/b2/up/info", info, qos=1)
            status = HubStatus(instance="h", since_utc=0)
            await hub.publish(HUB_STATUS, status, box="b1")
            await hub.publish(HUB_STATUS, status, box="b2")
            async with asyncio.timeout(5):
                message = await anext(aiter(box.messages))
            assert str(message.topic) == "box/b2/down/hub"
            assert b'"instance":"h"' in bytes(message.payload)
            await eventually(lambda: bool(heard))
            assert heard == ["b2"]


async def test_box_cannot_take_the_place_of_another(fleet: Fleet) -> None:
    async with Bus(fleet.socket_of("b1"), "panel", box="b1") as panel:
        up = await bridge_states(panel)
        await eventually(lambda: up[-1:] == [True])
        async with tls_client(fleet, "b2", "b1") as box:
            # It says it is b1, the broker calls it by its certificate.
            await box.publish("box/b2/up/info", b"x", qos=1)
            await asyncio.sleep(0.3)
        assert up[-1] is True
        assert up.count(True) == 1


@pytest.mark.parametrize("harm", ["tcp", "tls", "large", "handshake"])
async def test_garbage_on_the_open_port_does_no_harm(fleet: Fleet, harm: str) -> None:
    async with Bus(fleet.socket_of("b1"), "panel", box="b1") as panel:
        up = await bridge_states(panel)
        await eventually(lambda: up[-1:] == [True])
        HARMS[harm](fleet)
        assert fleet.hub.is_running
        async with Bus(fleet.hub_socket, "hub") as hub:
            heard: list[BoxInfo] = []

            async def keep(info: BoxInfo, keys: dict[str, str]) -> None:
                heard.append(info)

            await hub.subscribe(BOX_INFO, keep)
            await panel.publish(BOX_INFO, BoxInfo(vehicle="still here"))
            await eventually(lambda: bool(heard))
        assert up.count(True) == 1
        assert up[-1] is True


def _connect(fleet: Fleet) -> socket.socket:
    host, _, port = fleet.hub_listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=3)


def _tls_context(fleet: Fleet, credentials: TlsFiles | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(fleet.credentials("b1").ca))
    if credentials is not None:
        context.load_cert_chain(credentials.certificate, credentials.private_key)
    return context


def _tls(fleet: Fleet, credentials: TlsFiles | None) -> ssl.SSLSocket:
    return _tls_context(fleet, credentials).wrap_socket(
        _connect(fleet), server_hostname="127.0.0.1"
    )


def _raw_bytes(fleet: Fleet) -> None:
    for junk in (b"\0", b"\x10\xff\xff\xff\x7f", os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n"):
        with _connect(fleet) as one, contextlib.suppress(OSError):
            one.sendall(junk)
            one.shutdown(socket.SHUT_WR)
            one.recv(100)


def _junk_in_tls(fleet: Fleet) -> None:
    for junk in (
        os.urandom(4096),
        b"\x10\xff\xff\xff\xff\xff",
        CONNECT + os.urandom(500),
        CONNECT * 2,
    ):
        with _tls(fleet, fleet.credentials("b2")) as one, contextlib.suppress(OSError):
            one.sendall(junk)
            one.recv(100)


def _too_large(fleet: Fleet) -> None:
    with _tls(fleet, fleet.credentials("b2")) as one, contextlib.suppress(OSError):
        one.sendall(CONNECT)
        one.recv(100)
        one.sendall(b"\x30\xff\xff\xff\x7f\x00\x0dbox/b2/up/inf")  # says it has 256 MiB
        for _ in range(100):
            one.sendall(bytes(65_536))


def _many_half_open(fleet: Fleet) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(_connect(fleet)).sendall(b"\x16\x03\x01\x02\x00")


HARMS: dict[str, Callable[[Fleet], None]] = {
    "tcp": _raw_bytes,
    "tls": _junk_in_tls,
    "large": _too_large,
    "handshake": _many_half_open,
}


async def test_message_too_large_stops_at_the_box_and_not_the_bridge(fleet: Fleet) -> None:
    async with (
        Bus(fleet.socket_of("b1"), "panel", box="b1") as panel,
        Bus(fleet.hub_socket, "hub") as hub,
    ):
        up = await bridge_states(panel)
        seen = await sessions(hub)
        await eventually(lambda: up[-1:] == [True])
        await hub.connected.wait()
        async with aiomqtt.Client(
            fleet.socket_of("b1"), port=1, transport="unix", protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            for size in (daemons.PAYLOAD_MAX + 1, 3 * daemons.PAYLOAD_MAX):
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish("box/b1/up/session", bytes(size), qos=0, retain=True)
        await panel.publish(MEDIA_SESSION, session("s3"))
        await eventually(lambda: bool(seen))
        assert hub.undecodable == 0
        assert up.count(True) == 1


async def test_bridge_goes_on_after_all_links_were_cut(fleet: Fleet) -> None:
    links = f"127.0.0.1:{free_port()}"
    over_links = f"127.0.0.1:{free_port()}"
    address = fleet.socket_of("b3")
    box = Program(
        daemons.write_box_broker(
            fleet.directory / "b3",
            box="b3",
            socket=Path(address),
            ways=(over_links,),
            tls=fleet.credentials("b3"),
        ),
        fleet.directory / "b3.log",
        address,
    )
    cut = links_module.Path(LaneSettings(cut=True), LaneSettings(cut=True))
    async with (
        links_module.SimLink(links, "127.0.0.1:9", links_module.Path()) as link,
        TcpRelay(over_links, fleet.hub_listen, [link]),
    ):
        await box.start()
        async with Bus(address, "media", box="b3") as media, Bus(fleet.hub_socket, "hub") as hub:
            up = await bridge_states(media)
            seen = await sessions(hub)
            await eventually(lambda: up[-1:] == [True])
            link.change(cut)
            await media.publish(MEDIA_SESSION, session("in-tunnel"))
            await asyncio.sleep(1)
            assert not seen
            link.change(links_module.Path())
            assert await eventually(lambda: bool(seen)) < BACK_S
            assert seen[0].id == "in-tunnel"
        box.kill()


# TURN -------------------------------------------------------------------------------------------

SECRET = b"lab-secret-of-this-test"


@pytest.fixture
async def turn() -> AsyncIterator[str]:
    """A running TURN server with the written configuration; its address."""
    with tempfile.TemporaryDirectory(prefix="edgebox ") as name:  # a space: paths are quoted
        address = f"127.0.0.1:{free_port()}"
        command = daemons.write_turn_server(
            Path(name) / "coturn",
            listen=address,
            relay_ip="127.0.0.1",
            realm="edgebox",
            secret=SECRET,
            lab=True,
        )
        program = Program(command, Path(name) / "log", address)
        try:
            await program.start()
            yield address
            assert {path.name for path in Path(name).rglob("*")} <= {
                "log", "coturn", "turnserver.conf", "turnserver.pid", "turnserver.db"
            }  # fmt: skip
        finally:
            program.kill()


def credentials(expires_utc: float, secret: bytes = SECRET) -> tuple[str, str]:
    """draft-uberti-behave-turn-rest-00, 2.2."""
    user = f"{int(expires_utc)}:test"
    digest = hmac.new(secret, user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()


class Sink(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.append(data)


async def allocate(
    address: str, user: str, password: str, transport: str = "udp"
) -> tuple[aioice.turn.TurnTransport, Sink]:
    host, _, port = address.rpartition(":")
    relayed, sink = await aioice.turn.create_turn_endpoint(
        Sink, (host, int(port)), username=user, password=password, transport=transport
    )
    return relayed, sink


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_turn_relays_between_two_allocations(turn: str, transport: str) -> None:
    user, password = credentials(time.time() + 60)
    first, _ = await allocate(turn, user, password, transport)
    second, sink = await allocate(turn, user, password, transport)
    try:
        theirs = second.get_extra_info("sockname")
        mine = first.get_extra_info("sockname")
        assert theirs[0] == mine[0] == "127.0.0.1"
        for _ in range(100):
            second.sendto(b"permit", mine)
            first.sendto(b"hello", theirs)
            if b"hello" in sink.received:
                break
            await asyncio.sleep(0.05)
        assert b"hello" in sink.received
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    ("expires_in_s", "secret"), [(-10, SECRET), (60, b"another-secret-altogether")]
)
async def test_turn_refuses_expired_and_wrong_credentials(
    turn: str, expires_in_s: float, secret: bytes
) -> None:
    user, password = credentials(time.time() + expires_in_s, secret)
    with pytest.raises(aioice.stun.TransactionFailed, match="401"):
        await allocate(turn, user, password)


async def test_garbage_on_the_turn_port_does_no_harm(turn: str) -> None:
    host, _, port = turn.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as junk:
        for size in (0, 1, 19, 20, 500, 1500, 9000):
            junk.sendto(os.urandom(size), (host, int(port)))
    with socket.create_connection((host, int(port))) as stream:
        stream.sendall(os.urandom(10_000))
    user, password = credentials(time.time() + 60)
    relayed, _ = await allocate(turn, user, password)
    relayed.close()
