"""Technical help while the box's broker, or its bridge, is down: real brokers, TLS."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiomqtt
import msgspec
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgebox.bus import Bus
from edgebox.config import parse_address
from edgebox.config.bond import Bond, Link
from edgebox.host import daemons
from edgebox.host.daemons import TlsFiles
from edgebox.hub.desk_sift import Sift
from edgebox.messages.base import Done, Fault
from edgebox.messages.services import ASK_HUB, BOX_INFO, AskHub, HubStatus
from edgebox.messages.support import (
    CREW_SAYS,
    END_SUPPORT,
    SUPPORT_CHAT,
    SUPPORT_SESSION,
    ChatLine,
    CrewSays,
    EndSupport,
    Look,
    Order,
    Outlook,
    RunCheck,
    Say,
)
from edgebox.messages.support_way import SUPPORT_WAY, SupportWay
from edgebox.sim import pki
from edgebox.sim.ports import free_port
from edgebox.support import far_broker, way_plan, ways
from tests.conftest import Broker
from tests.integration.support_rig import BOX, KARI, Far, Rig, rig
from tests.integration.test_daemons import Program, eventually


class Gate:
    """Where the bridge reaches the hub; shut, nothing passes and nobody is let in."""

    def __init__(self, target: str):
        self.address = f"127.0.0.1:{free_port()}"
        self._target = parse_address(target)
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        host, port = parse_address(self.address)
        self._server = await asyncio.start_server(self._accept, host, port)

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        finally:
            writer.transport.abort()
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@dataclass
class World:
    """Two brokers, the gate between them, and the box's help desk."""

    box: Rig
    gate: Gate
    broker: Program
    hub_bus: str
    help_listen: str
    tls: Callable[[str], TlsFiles]
    way: SupportWay = field(default_factory=lambda: SupportWay(state="closed"))
    lines: list[ChatLine] = field(default_factory=list)
    raw_lines: int = 0
    sift: Sift = field(default_factory=Sift)

    async def listen(self) -> None:
        """As the hub's desk does."""

        async def take_way(way: SupportWay, keys: dict[str, str]) -> None:
            self.way = way
            self.box.is_direct = way.state == "open"

        async def take_line(line: ChatLine, keys: dict[str, str]) -> None:
            self.raw_lines += 1
            if self.sift.is_first(line):
                self.lines.append(line)

        async def answer(question: AskHub, keys: dict[str, str]) -> HubStatus:
            return HubStatus(instance="h", since_utc=0.0)

        assert self.box.direct is not None
        await self.box.direct.subscribe(SUPPORT_WAY, take_way)
        for bus in (self.box.hub, self.box.direct):
            await bus.subscribe(SUPPORT_CHAT, take_line)
        await self.box.hub.serve(ASK_HUB, answer)


@contextlib.asynccontextmanager
async def world(directory: Path) -> AsyncIterator[World]:
    hub_listen, help_listen = (f"127.0.0.1:{free_port()}" for _ in range(2))
    hub_bus, box_bus = f"{directory}/hub.sock", f"{directory}/box.sock"

    def tls(box: str) -> TlsFiles:
        return pki.box_credentials(directory / "pki", box)

    hub = Program(
        daemons.write_hub_broker(
            directory / "hub",
            socket=Path(hub_bus),
            listen=hub_listen,
            help_listen=help_listen,
            tls=pki.hub_credentials(directory / "pki", ("127.0.0.1",)),
        ),
        directory / "hub.log",
        hub_bus,
        hub_listen,
        help_listen,
    )
    gate = Gate(hub_listen)
    command = daemons.write_box_broker(
        directory / "box",
        box=BOX,
        socket=Path(box_bus),
        ways=(gate.address,),
        tls=tls(BOX),
    )
    broker = Program(command, directory / "box.log", box_bus)
    files = tls(BOX)
    bond = Bond(
        ca=str(files.ca),
        certificate=str(files.certificate),
        private_key=str(files.private_key),
        link=(
            Link(name="dead", label="Telenor", source="198.51.100.7"),
            Link(name="lte-2", label="Telia", source="127.0.1.2"),
        ),
    )
    try:
        await hub.start()
        await gate.open()
        await broker.start()
        address = Broker.__new__(Broker)
        address.address = box_bus
        far = Far(bus=hub_bus, direct=help_listen, bond=bond)
        async with rig(address, directory, far=far) as box:
            one = World(box, gate, broker, hub_bus, help_listen, tls)
            await one.listen()
            await eventually(lambda: box.heard.bridge is True)
            yield one
    finally:
        await gate.shut()
        broker.kill()
        hub.kill()


@pytest.fixture
async def here(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(way_plan, "BAD_S", 0.2)
    monkeypatch.setattr(way_plan, "STEADY_S", 1.0)
    monkeypatch.setattr(ways, "AGAIN_S", 0.2)
    monkeypatch.setattr(ways, "ASK_EVERY_S", 0.3)
    monkeypatch.setattr(ways, "LINGER_S", 1.0)
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        async with world(Path(name)) as one:
            yield one


async def test_a_session_goes_on_without_the_bridge_and_back_over_it(here: World) -> None:
    box = here.box
    await box.grant()
    session = box.session.id
    assert box.session.way in {"", "bridge"}
    assert await box.order(Say(text="one")) == Done()
    await here.gate.shut()
    await eventually(lambda: here.way.state == "open", 20)
    assert here.way.over == "Telia", "the link without an address is passed over"
    assert isinstance(await box.order(Look()), Outlook)
    assert await box.order(Say(text="two")) == Done()
    assert await box.crew.request(CREW_SAYS, CrewSays(text="three")) == Done()
    await eventually(lambda: box.session.way == "direct")
    await here.gate.open()
    await eventually(lambda: here.way.state == "closed", 20)
    assert isinstance(await box.order(Look()), Outlook)
    assert await box.order(Say(text="four")) == Done()
    await eventually(lambda: len(here.lines) == 4)
    assert [line.text for line in here.lines] == ["one", "two", "three", "four"]
    await eventually(lambda: here.raw_lines > len(here.lines))
    assert [line.text for line in box.chat] == ["one", "two", "three", "four"]
    assert (box.session.id, box.session.state) == (session, "active"), "no new tap"
    # The box's trail is anchored once, entry by entry.
    last, sift = box.written()[-1].hash, Sift()
    await eventually(lambda: any(head.hash == last for head in box.heads))
    first = [head.entries for head in box.heads if sift.is_first(head)]
    assert sorted(first) == list(range(1, len(box.written()) + 1))


async def test_help_is_asked_for_opened_and_ended_without_the_bridge(here: World) -> None:
    box = here.box
    heard: list[str] = []

    async def take(session: Any, keys: dict[str, str]) -> None:
        heard.append(session.ended)

    assert box.direct is not None
    await box.direct.subscribe(SUPPORT_SESSION, take)
    await here.gate.shut()
    link = await box.ask()
    await eventually(lambda: here.way.state == "open", 20)
    assert await box.open(link.url.partition("#")[2]) == Done()
    await box.until(state="active")
    assert await box.order(RunCheck(check="disk")) == Done()
    assert box.tests_asked == [("disk",)]
    was = box.session.id
    assert await box.crew.request(END_SUPPORT, EndSupport()) == Done()
    await eventually(lambda: heard[-1:] == ["crew"])
    refused = await box.order(Look(), session=was)
    assert refused == Fault(reason="refused", text="no-session")
    await eventually(lambda: here.way.state == "closed", 20)


async def test_an_order_that_is_handed_out_twice_is_done_once(here: World) -> None:
    """A broker that was not told that it arrived hands it out again (MQTT 5, 4.4)."""
    box = here.box
    await box.grant()
    order = Order(session=box.session.id, serial=KARI, deed=RunCheck(check="disk"))
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = b"12345678"
    async with aiomqtt.Client(
        here.hub_bus, port=1, transport="unix", protocol=aiomqtt.ProtocolVersion.V5
    ) as hub:
        for _ in range(3):
            payload = msgspec.json.encode(order)
            topic = f"box/{BOX}/down/support/order"
            await hub.publish(topic, payload, qos=1, properties=properties)
    assert await box.order(RunCheck(check="clock")) == Done()
    assert box.tests_asked == [("disk",), ("clock",)]


async def test_the_box_broker_dies_and_the_session_does_not(here: World) -> None:
    box = here.box
    await box.grant()
    session = box.session.id
    here.broker.kill()
    await eventually(lambda: here.way.state == "open", 20)
    outlook = await box.order(Look(), session=session)
    assert isinstance(outlook, Outlook)
    assert any(one.startswith("broker: ") for one in outlook.missing)
    await here.broker.start()
    await eventually(lambda: here.way.state == "closed", 20)
    assert isinstance(await box.order(Look()), Outlook)
    assert await box.crew.request(END_SUPPORT, EndSupport()) == Done()


async def client(here: World, name: str, tls: TlsFiles) -> aiomqtt.Client:
    host, port = parse_address(here.help_listen)
    return aiomqtt.Client(
        host,
        port,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_params=aiomqtt.TLSParameters(
            ca_certs=str(tls.ca), certfile=str(tls.certificate), keyfile=str(tls.private_key)
        ),
    )


async def test_the_second_way_carries_a_boxs_own_help_and_nothing_else(here: World) -> None:
    heard: list[str] = []

    async def take(message: Any, keys: dict[str, str]) -> None:
        heard.append(keys["box"])

    async with Bus(here.hub_bus, "all") as hub:
        await hub.subscribe(SUPPORT_CHAT, take)
        await hub.subscribe(BOX_INFO, take)
        line = '{"type":"ChatLine","session":"s","by":"crew","text":"x","at_utc":0}'
        info = '{"type":"BoxInfo","vehicle":"x"}'
        for name in (BOX, f"CN={BOX}", "b2", "other"):
            async with await client(here, name, here.tls("b2")) as other:
                for box in (BOX, f"CN={BOX}", "b2"):
                    await other.publish(f"box/{box}/up/support/chat", line, qos=1)
                for box in (BOX, f"CN={BOX}", "b2", "CN=b2"):
                    await other.publish(f"box/{box}/up/info", info, qos=1)
                await other.publish("box/CN=b2/up/support/chat", line, qos=1)
        await eventually(lambda: len(heard) == 4)
        assert set(heard) == {"CN=b2"}
    assert here.box.heard.bridge is True, "whatever it calls itself, no bridge is put out"


@pytest.mark.long
@pytest.mark.parametrize("shows_utc", [0.0, 2_000_000_000.0])
async def test_a_clock_that_is_wrong_by_years_is_said_and_keeps_nobody_out(
    here: World, monkeypatch: pytest.MonkeyPatch, shows_utc: float
) -> None:
    """OpenSSL's own clock is the machine's here: unit tests have certificates of other years."""
    box = here.box
    monkeypatch.setattr(far_broker, "time", SimpleNamespace(time=lambda: shows_utc))
    await here.gate.shut()
    link = await box.ask()
    await eventually(lambda: here.way.state == "open", 20)
    assert here.way.clock == "wrong"
    assert await box.open(link.url.partition("#")[2]) == Done()
    await box.until(state="active", way="direct")
    assert isinstance(await box.order(Look()), Outlook)
