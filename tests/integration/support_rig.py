"""The box's help desk on a real broker: crew and hub are buses of the test."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.bond import Bond
from edgebox.config.box import Box
from edgebox.config.media import Camera, Media
from edgebox.config.support import Support
from edgebox.config.vehicle import Sms
from edgebox.messages.base import Done, Fault
from edgebox.messages.selftest import SelfTest
from edgebox.messages.services import ServiceStatus
from edgebox.messages.support import (
    ASK_HELP,
    DESK_INFO,
    OPEN_SUPPORT,
    SUPPORT_AUDIT,
    SUPPORT_CHAT,
    SUPPORT_ORDER,
    SUPPORT_SESSION,
    AskHelp,
    AuditHead,
    ChatLine,
    Deed,
    DeskInfo,
    HelpLink,
    OpenSupport,
    Order,
    Report,
    SupportSession,
)
from edgebox.messages.support_way import DIRECT
from edgebox.support.actions import Actions
from edgebox.support.audit import Entry, verify
from edgebox.support.heard import Heard
from edgebox.support.helpdesk import HelpDesk
from edgebox.support.history import History
from edgebox.support.listening import Listening
from edgebox.support.surroundings import Surroundings
from edgebox.support.ways import SecondWay, Ways
from tests.conftest import Broker

BOX = "b1"
KARI, OLA = "AA", "BB"


@dataclass
class Rig:
    """What a test holds."""

    crew: Bus
    hub: Bus
    heard: Heard
    history: History
    audit: Path
    session: SupportSession = field(default_factory=lambda: SupportSession(state="off"))
    heads: list[AuditHead] = field(default_factory=list)
    chat: list[ChatLine] = field(default_factory=list)
    tests_asked: list[tuple[str, ...]] = field(default_factory=list)
    running: asyncio.Task[None] | None = None
    direct: Bus | None = None
    """The hub's, for what the box says by its second way."""
    is_direct: bool = False

    @property
    def desk(self) -> Bus:
        """The way there now."""
        return self.direct if self.direct is not None and self.is_direct else self.hub

    async def stop(self) -> None:
        """The service ends."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)

    async def order(self, deed: Deed, *, serial: str = KARI, session: str = "") -> Any:
        """What the hub sends for a technician; the result or the Fault."""
        order = Order(session=session or self.session.id, serial=serial, deed=deed)
        answer = await self.desk.request(SUPPORT_ORDER, order, timeout_s=5)
        return answer.result if isinstance(answer, Report) else answer

    async def ask(self) -> HelpLink:
        link = await self.crew.request(ASK_HELP, AskHelp())
        assert isinstance(link, HelpLink), link
        return link

    async def open(self, token: str, *, serial: str = KARI) -> Done | Fault:
        question = OpenSupport(technician="Kari", serial=serial, token=token)
        return await self.desk.request(OPEN_SUPPORT, question)

    async def grant(self) -> None:
        """Crew asks, Kari opens the link."""
        link = await self.ask()
        assert await self.open(link.url.partition("#")[2]) == Done()
        await self.until(state="active")

    async def until(self, **wanted: Any) -> None:
        """Until the session said on the bus is so."""
        async with asyncio.timeout(5):
            while any(getattr(self.session, key) != value for key, value in wanted.items()):
                await asyncio.sleep(0.01)

    def written(self) -> list[Entry]:
        return list(verify(self.audit))

    async def take_session(self, message: SupportSession, keys: dict[str, str]) -> None:
        self.session = message

    async def take_head(self, message: AuditHead, keys: dict[str, str]) -> None:
        self.heads.append(message)

    async def take_chat(self, message: ChatLine, keys: dict[str, str]) -> None:
        self.chat.append(message)


@dataclass(frozen=True)
class Far:
    """A hub's broker of its own. `bond`: certificates and links; `direct`: as in the settings."""

    bus: str
    direct: str
    bond: Bond


@contextlib.asynccontextmanager
async def rig(
    broker: Broker, directory: Path, terminal: str = "", phone: str = "", far: Far | None = None
) -> AsyncIterator[Rig]:
    """A box whose crew and hub are in the test's hands. `terminal`: its `support.shell`.

    `far`: the hub is at a broker of its own, to which the box has a bridge and a second way.
    """
    secret = Camera(id="c", name="C", kind="rtsp", source="rtsp://user:hunter2@10.0.0.5/1")
    support = Support(
        audit="audit.jsonl",
        recordings="recordings",
        shell=terminal,
        phone=phone,
        direct=far.direct if far else "",
    )
    config = Config(
        box=Box(id=BOX),
        media=Media(camera=(secret,)),
        support=support,
        bond=far.bond if far else Bond(),
        sms=Sms(by="gateway", gateway_url="https://sms.test/"),
        directory=str(directory),
    )
    heard = Heard()
    heard.broker = True
    history = History(directory / "history.db")
    async with (
        Bus(broker.address, "support", box=BOX) as bus,
        Bus(broker.address, "panel", box=BOX) as crew,
        Bus(far.bus if far else broker.address, "hub", box=BOX) as hub,
        Bus(far.bus if far else broker.address, "hub", box=f"{DIRECT}{BOX}") as direct,
    ):
        one = Rig(crew, hub, heard, history, directory / "audit.jsonl", direct=direct)

        def ask_test(checks: tuple[str, ...]) -> SelfTest | Fault:
            one.tests_asked.append(checks)
            return SelfTest(id="t", state="running", reason="technician", started_utc=time.time())

        async def make_bundle() -> bytes:
            return b"bundle" * 50_000

        actions = Actions(
            config,
            bus,
            heard,
            Surroundings(config, bus, heard),
            history,
            ask_test=ask_test,
            last_test=lambda: None,
            make_bundle=make_bundle,
        )
        ways = Ways(bus)
        helpdesk = HelpDesk(ways, config, actions, is_idle=lambda: heard.sending == "idle")
        await hub.publish(DESK_INFO, DeskInfo(url="https://desk.test"))
        await crew.subscribe(SUPPORT_SESSION, one.take_session)
        await crew.subscribe(SUPPORT_CHAT, one.take_chat)
        for away in (hub, direct):
            await away.subscribe(SUPPORT_AUDIT, one.take_head)
        await helpdesk.listen()
        await bus.connected.wait()
        work = [helpdesk.run()]
        if far:
            listening = Listening(bus, heard)
            await listening.start()
            second = SecondWay(ways, bus, config, heard)
            work += [listening.run(), second.run(lambda: helpdesk.is_needed)]
        one.running = asyncio.create_task(_all(work))
        while far is None and not helpdesk._desk:  # without it the crew's link is empty
            await asyncio.sleep(0.01)
        try:
            yield one
        finally:
            await one.stop()
            history.close()


async def _all(work: list[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(one)


def running(name: Any, instance: str = "i1") -> ServiceStatus:
    """A service that serves."""
    return ServiceStatus(service=name, instance=instance, state="running", since_utc=time.time())
