"""Modems over a real D-Bus, position from a real gpsd, text messages by modem and by HTTP."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from dbus_fast import Variant

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.vehicle import Gpsd, Modems, Sms
from edgebox.host import gpsd, modemmanager
from edgebox.host.modem_objects import MODEM, MODEM_3GPP
from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, Admitted, MediaSession
from edgebox.messages.vehicle import MODEMS, POSITION, SEND_INVITE, Modem, Position, SendInvite
from edgebox.messages.vehicle import Modems as ModemsMessage
from edgebox.sim.ports import free_port
from edgebox.vehicle import service
from tests.conftest import Broker
from tests.integration.vehicle_rig import (
    NMEA_START_UTC,
    ROOT,
    PrivateBus,
    Receiver,
    mocking,
    private_bus,
)

BOX = "b1"
URL = "https://hub.example.org/j/secret"


class Listener:
    """What the box's other services hear."""

    def __init__(self, bus: Bus):
        self.bus = bus
        self.modems: tuple[Modem, ...] | None = None
        self.positions: list[Position] = []
        self.is_serving = False
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        await self.bus.subscribe(MODEMS, self._modems)
        await self.bus.subscribe(POSITION, self._position)
        await self.bus.subscribe(SERVICE_STATUS, self._service)

    async def until(self, holds: Callable[["Listener"], bool], timeout_s: float = 10) -> None:
        async with asyncio.timeout(timeout_s):
            while not holds(self):
                self._changed.clear()
                await self._changed.wait()

    async def say_session(self, *roles: Role, live: bool = True) -> None:
        """As media does."""
        status = ServiceStatus(service="media", instance="m", state="running", since_utc=0)
        await self.bus.publish(SERVICE_STATUS, status, service="media")
        session = MediaSession(
            id="s",
            state="live" if live else "idle",
            since_utc=time.time(),
            instance="m",
            cameras=(),
            sent=(),
            admitted=tuple(Admitted(participant=one, role=one, name="") for one in roles),
        )
        await self.bus.publish(MEDIA_SESSION, session)

    async def send(self, phone: str = "+4791234567") -> Done | Fault:
        return await self.bus.request(SEND_INVITE, SendInvite(url=URL, phone=phone), timeout_s=20)

    async def _service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        self.is_serving |= status.service == "vehicle" and status.state == "running"
        self._changed.set()

    async def _modems(self, message: ModemsMessage, keys: dict[str, str]) -> None:
        self.modems = message.modems
        self._changed.set()

    async def _position(self, message: Position, keys: dict[str, str]) -> None:
        self.positions.append(message)
        self._changed.set()


@contextlib.asynccontextmanager
async def vehicle(
    broker: Broker, *, modems: str = "off", gps: str = "", sms: Sms | None = None, home: str = ""
) -> AsyncIterator[Listener]:
    """The service, running."""
    config = Config(
        box=Box(id=BOX),
        bus=BusConfig(address=broker.address),
        modems=Modems(bus=modems),
        gpsd=Gpsd(address=gps),
        sms=sms or Sms(),
        directory=home,
    )
    running = asyncio.create_task(service.run(config))
    try:
        async with Bus(broker.address, "test", box=BOX) as bus:
            listener = Listener(bus)
            await bus.connected.wait()
            await listener.listen()
            await listener.until(lambda one: one.is_serving)
            yield listener
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
def dbus(monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateBus]:
    """Without a ModemManager."""
    monkeypatch.setattr(modemmanager, "RECONNECT_S", 0.1)
    with private_bus() as bus:
        yield bus


# Modems


async def test_modems_come_change_and_go(broker: Broker, dbus: PrivateBus) -> None:
    async with vehicle(broker, modems=dbus.address) as here, mocking(dbus) as mock:
        await here.until(lambda one: one.modems == ())
        manager = dbus.start_modem_manager()
        await mock.until_there()
        first = await mock.plug(0, "wwan0")
        await here.until(lambda one: len(one.modems or ()) == 1)
        assert here.modems == (
            Modem(
                interface="wwan0",
                state="connected",
                operator="Telenor",
                generation="4G",
                signal=63,
            ),
        )
        second = await mock.plug(1, "wwan1", State=Variant("i", 2), UnlockRequired=Variant("u", 2))
        await here.until(lambda one: [m.state for m in one.modems or ()] == ["connected", "locked"])
        await mock.change(first, MODEM, AccessTechnologies=Variant("u", 1 << 15))
        await mock.change(first, MODEM_3GPP, OperatorName=Variant("s", "Telia"))
        await here.until(
            lambda one: (
                [(m.generation, m.operator) for m in one.modems or ()][:1] == [("5G", "Telia")]
            )
        )
        await mock.change(second, MODEM, State=Variant("i", 8))
        await mock.unplug(first)
        await here.until(
            lambda one: (
                [(m.interface, m.state) for m in one.modems or ()] == [("wwan1", "registered")]
            )
        )
        manager.kill()
        await here.until(lambda one: one.modems == ())
        dbus.start_modem_manager()
        await mock.until_there()
        await mock.plug(5, "wwan0")
        await here.until(lambda one: len(one.modems or ()) == 1)


async def test_modems_that_were_there_first_are_found(broker: Broker, dbus: PrivateBus) -> None:
    async with mocking(dbus) as mock:
        dbus.start_modem_manager()
        await mock.until_there()
        await mock.plug(0, "wwan0")
        async with vehicle(broker, modems=dbus.address) as here:
            await here.until(lambda one: len(one.modems or ()) == 1)


async def test_modems_are_asked_for_again_when_nothing_was_answered_in_time(
    broker: Broker, dbus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgebox.host.modemmanager.CALL_S", 0.3)
    monkeypatch.setattr("edgebox.host.modemmanager.RELOAD_S", 0.1)
    async with mocking(dbus) as mock:
        process = dbus.start_modem_manager()
        await mock.until_there()
        await mock.plug(0, "wwan0")
        process.send_signal(signal.SIGSTOP)
        async with vehicle(broker, modems=dbus.address) as here:
            await here.until(lambda one: one.modems == ())
            process.send_signal(signal.SIGCONT)
            await here.until(lambda one: len(one.modems or ()) == 1)


async def test_signals_of_somebody_else_are_not_believed(broker: Broker, dbus: PrivateBus) -> None:
    async with vehicle(broker, modems=dbus.address) as here, mocking(dbus) as mock:
        dbus.start_modem_manager()
        await mock.until_there()
        path = await mock.plug(0, "wwan0")
        await here.until(lambda one: len(one.modems or ()) == 1)
        async with mocking(dbus) as other:
            await other.forge(path, MODEM, State=Variant("i", 2))
        await mock.change(path, MODEM_3GPP, OperatorName=Variant("s", "Telia"))
        await here.until(lambda one: [m.operator for m in one.modems or ()] == ["Telia"])
        assert [m.state for m in here.modems or ()] == ["connected"]


async def test_no_dbus_means_no_modems_and_harms_nothing(broker: Broker) -> None:
    async with vehicle(broker, modems="unix:path=/nowhere/bus") as here:
        await here.until(lambda one: one.modems == ())
        answer = await here.send()
        assert isinstance(answer, Fault)
        assert answer.reason == "refused"


# Text messages


async def test_message_goes_by_modem_and_is_not_left_there(
    broker: Broker, dbus: PrivateBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sms = Sms(by="modem", text="Video: {url}")
    async with (
        vehicle(broker, modems=dbus.address, sms=sms) as here,
        mocking(dbus) as mock,
    ):
        answer = await here.send()
        assert isinstance(answer, Fault)
        assert answer.reason == "failed"
        dbus.start_modem_manager()
        await mock.until_there()
        path = await mock.plug(0, "wwan0")
        await mock.allow_sms()
        await here.until(lambda one: len(one.modems or ()) == 1)
        assert await here.send("91234567") == Done()
        create, delete = await mock.calls(path)
        assert create[0] == "Create"
        assert {k: v.value if isinstance(v, Variant) else v for k, v in create[1][0].items()} == {
            "number": "+4791234567",
            "text": f"Video: {URL}",
        }
        assert delete == ("Delete", [f"{ROOT}/SMS/0"])
        assert [name for name, _ in await mock.calls(f"{ROOT}/SMS/0")] == ["Send"]
    assert "91234567" not in caplog.text


async def test_message_the_network_refuses_is_a_fault_and_taken_back(
    broker: Broker, dbus: PrivateBus
) -> None:
    async with (
        vehicle(broker, modems=dbus.address, sms=Sms(by="modem")) as here,
        mocking(dbus) as mock,
    ):
        dbus.start_modem_manager()
        await mock.until_there()
        path = await mock.plug(0, "wwan0")
        await mock.allow_sms(
            'raise dbus.exceptions.DBusException("no", name="org.example.Error.Refused")'
        )
        await here.until(lambda one: len(one.modems or ()) == 1)
        answer = await here.send()
        assert answer == Fault(reason="failed", text="Send: org.example.Error.Refused")
        assert [name for name, _ in await mock.calls(path)] == ["Create", "Delete"]


@pytest.mark.parametrize(("status", "done"), [(200, True), (202, True), (302, False), (403, False)])
async def test_message_goes_by_the_gateway(
    broker: Broker, tmp_path: Path, status: int, done: bool
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    seen: list[tuple[str | None, object]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), await request.json()))
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/send", take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    sms = Sms(
        by="gateway", text="Video: {url}", gateway_url=f"http://127.0.0.1:{port}/send",
        gateway_secret="token",
    )  # fmt: skip
    try:
        async with vehicle(broker, sms=sms, home=str(tmp_path)) as here:
            answer = await here.send()
    finally:
        await runner.cleanup()
    body = {"to": "+4791234567", "from": "Ambulanse", "text": f"Video: {URL}"}
    assert seen == [("Bearer s3cret", body)]
    assert isinstance(answer, Done) == done
    if isinstance(answer, Fault):
        assert answer == Fault(reason="failed", text=f"the gateway answered {status}")


async def test_absent_gateway_and_absent_secret_are_faults(broker: Broker, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    sms = Sms(by="gateway", gateway_url=url, gateway_secret="token")
    async with vehicle(broker, sms=sms, home=str(tmp_path)) as here:
        answer = await here.send()
        assert isinstance(answer, Fault)
        assert "token" in answer.text
        (tmp_path / "token").write_text("s3cret")
        answer = await here.send()
        assert isinstance(answer, Fault)
        assert answer.reason == "failed"
        assert "s3cret" not in answer.text


# Position


async def test_position_leaves_only_while_somebody_may_know_it(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpsd, "RETRY_S", 0.1)
    async with Receiver() as receiver, vehicle(broker, gps=receiver.address) as here:
        await here.say_session("doctor", "observer")
        await asyncio.sleep(1.0)  # 20 fixes
        assert here.positions == []
        await here.say_session("doctor", "pilot")
        await here.until(lambda one: len(one.positions) >= 3)
        place = here.positions[-1]
        assert (place.latitude_deg, place.longitude_deg) == pytest.approx((60.39023, 5.32789))
        assert place.speed_mps == pytest.approx(16.2, abs=0.1)
        assert place.track_deg == pytest.approx(183.4)
        assert 0 < place.at_utc - NMEA_START_UTC < 3600, "source time"
        assert abs(place.received_utc - time.time()) < 5

        receiver.has_fix = False
        await here.until(lambda one: one.positions[-1].latitude_deg is None)
        receiver.has_fix = True
        await here.until(lambda one: one.positions[-1].latitude_deg is not None)

        await here.say_session("pilot", live=False)
        await asyncio.sleep(0.3)
        count = len(here.positions)
        await asyncio.sleep(0.5)
        assert len(here.positions) == count


async def test_gpsd_may_die_and_come_back(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpsd, "RETRY_S", 0.1)
    async with Receiver() as receiver, vehicle(broker, gps=receiver.address) as here:
        await here.say_session("pilot")
        await here.until(lambda one: bool(one.positions))
        receiver.kill()
        await here.until(lambda one: one.positions[-1].latitude_deg is None)
        receiver.start()
        await here.until(lambda one: one.positions[-1].latitude_deg is not None)
