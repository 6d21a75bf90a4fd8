"""What a technician whom the crew let in can have the box do. Each deed is one method.

Nothing here gives pictures, sound, values of a patient or a position: there is no deed for them,
and no code below could fetch them. Nothing takes words that a shell or another program interprets.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import get_args

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.messages.base import Done, Fault
from edgebox.messages.link_test import (
    RESULT_S,
    STOP_TRYING,
    TRY_LINK,
    LinkTestResult,
    RunLinkTest,
    StopTrying,
    TryLink,
)
from edgebox.messages.selftest import SelfTest
from edgebox.messages.services import ServiceName, ServiceStatus
from edgebox.messages.support import (
    RESTART_SERVICE,
    BundlePart,
    EffectiveConfiguration,
    JournalPart,
    LinkHistory,
    LinkRow,
    Look,
    Outlook,
    ReadBundle,
    ReadConfiguration,
    ReadHistory,
    ReadJournal,
    Restart,
    RestartService,
    Result,
    RunCheck,
)
from edgebox.support import journal
from edgebox.support.effective import effective
from edgebox.support.heard import Heard
from edgebox.support.history import History, LinkMinute
from edgebox.support.known import redactor_for
from edgebox.support.surroundings import Surroundings

ROWS_MAX = 1200
"""Of link history in one answer, about 170 bytes each."""
PART_BYTES = 96 * 1024
"""Of the bundle in one answer; base64 makes a third more of it."""
RESTART_S = 20.0
ANSWER_S = 2.0
"""The broker's and the bond's own round may add so much to a test."""
LOOK_EVERY_S = 0.1
RESTARTABLE: frozenset[ServiceName] = frozenset(get_args(ServiceName)) - {"support"}
"""Not the session's own: that ends with it."""
KEEPS_VIDEO: frozenset[ServiceName] = frozenset({"media", "bond"})
"""Restarting them interrupts a video for seconds."""

ActionDeed = (
    Look | ReadHistory | ReadJournal | ReadConfiguration | RunCheck | Restart | ReadBundle
    | RunLinkTest
)  # fmt: skip
AskTest = Callable[[tuple[str, ...]], SelfTest | Fault]
MakeBundle = Callable[[], Awaitable[bytes]]


class Actions:
    """The box's side of the desk."""

    def __init__(
        self,
        config: Config,
        bus: Bus,
        heard: Heard,
        here: Surroundings,
        history: History,
        *,
        ask_test: AskTest,
        last_test: Callable[[], SelfTest | None],
        make_bundle: MakeBundle,
    ):
        self._config = config
        self._bus = bus
        self._heard = heard
        self._here = here
        self._history = history
        self._ask_test = ask_test
        self._last_test = last_test
        self._make_bundle = make_bundle
        self._bundle = b""
        self._over = asyncio.Event()

    async def carry_out(self, deed: ActionDeed) -> Result | Fault:
        """Do it."""
        match deed:
            case Look():
                return self.look()
            case ReadHistory():
                return self.history(deed)
            case ReadJournal():
                return await self.journal(deed)
            case ReadConfiguration():
                return self.configuration()
            case RunCheck():
                return self.check(deed)
            case Restart():
                return await self.restart(deed)
            case ReadBundle():
                return await self.bundle(deed)
            case RunLinkTest():
                return await self.link_test(deed)

    def forget(self) -> None:
        """A session is over: what was made for it goes, what runs for it ends."""
        self._bundle = b""
        self._over.set()
        self._over = asyncio.Event()

    def look(self) -> Outlook:
        """How the box is now, and what says nothing."""
        now_utc = time.time()
        bond, session = self._heard.bond(now_utc), self._heard.session
        return Outlook(
            at_utc=now_utc,
            services=tuple(self._heard.services.values()),
            missing=tuple(self._missing(now_utc)),
            bond=bond.state if bond is not None else "unknown",
            bond_problem=bond.problem if bond is not None else "",
            links=bond.links if bond is not None else (),
            bridge=self._heard.bridge,
            live=self._heard.sending == "live",
            cameras=session.cameras if session is not None else (),
            test=self._last_test(),
        )

    def _missing(self, now_utc: float) -> list[str]:
        """Parts that say nothing; what depends on them is not known, and not made up."""
        if not self._heard.broker:
            return [
                "broker: the box's own is away, so no service is heard",
                "crew: without it they do not see that you are here, and cannot end it",
            ]
        services = self._heard.services
        names = [
            name
            for name in ("bond", "media", "vitals", "panel", "vehicle")
            if name not in services or services[name].state == "stopped"
        ]
        missing = [f"{name}: the service is not running" for name in names]
        if "bond" not in names and self._heard.bond(now_utc) is None:
            missing.append("bond: it runs but has said nothing for seconds, so links are not known")
        if self._heard.bridge is False:
            missing.append("bridge: the box's broker says it has no connection to the hub")
        if "panel" in names:
            missing.append("crew: without the panel they do not see that you are here")
        if self._last_test() is None:
            missing.append("self-test: none was run yet")
        return missing

    def history(self, deed: ReadHistory) -> LinkHistory:
        """Of the last hours; of too many minutes each n-th of each link."""
        minutes = self._history.links(time.time() - 3600.0 * deed.hours)
        return LinkHistory(rows=tuple(_row(minute) for minute in _thinned(minutes, ROWS_MAX)))

    async def journal(self, deed: ReadJournal) -> JournalPart:
        """What was logged."""
        logs = self._config.support.logs
        directory = Path(self._config.directory) / logs if logs else None
        redact = redactor_for(self._config, self._heard).log
        return await journal.read(self._here, directory, deed, redact)

    def configuration(self) -> EffectiveConfiguration:
        """What is configured."""
        return EffectiveConfiguration(text=effective(self._config))

    def check(self, deed: RunCheck) -> Done | Fault:
        """Begin; the outlook says how far it has come."""
        answer = self._ask_test((deed.check,) if deed.check else ())
        return answer if isinstance(answer, Fault) else Done()

    async def restart(self, deed: Restart) -> Done | Fault:
        """Ask the service to end and wait until another instance of it serves."""
        before = self._heard.services.get(deed.service)
        refusal = self._why_not(deed.service, before)
        if refusal is not None or before is None:
            return refusal or Fault(reason="not-found")
        question = RestartService(instance=before.instance)
        if not await self._bus.publish(RESTART_SERVICE, question, service=deed.service):
            return Fault(reason="unreachable", text="the box's broker is away")
        late_at = time.monotonic() + RESTART_S
        while not self._serves_anew(deed.service, before.instance):
            if time.monotonic() > late_at:
                text = f"{deed.service} was not back in {RESTART_S:g} s"
                return Fault(reason="timeout", text=text)
            await asyncio.sleep(LOOK_EVERY_S)
        return Done()

    def _why_not(self, service: ServiceName, now: ServiceStatus | None) -> Fault | None:
        if service not in RESTARTABLE:
            return Fault(reason="refused", text="this session lives in it")
        if service in KEEPS_VIDEO and self._heard.sending != "idle":
            return Fault(reason="refused", text="video is being sent, or may be: ask the crew")
        if now is None or now.state == "stopped":
            text = "it is not running; it is started again all the time, its log says why it ends"
            return Fault(reason="not-found", text=text)
        return None

    def _serves_anew(self, service: ServiceName, before: str) -> bool:
        now = self._heard.services.get(service)
        serves = now is not None and now.state in {"running", "degraded"}
        return serves and now is not None and now.instance != before

    async def link_test(self, deed: RunLinkTest) -> LinkTestResult | Fault:
        """By the bond, which takes nothing from what it carries; no speed while video is on."""
        if self._heard.bond(time.time()) is None:
            return Fault(reason="unreachable", text="the bond says nothing")
        question = TryLink(link=deed.link, speed=self._heard.sending != "live")
        test = self._bus.request(TRY_LINK, question, timeout_s=RESULT_S + ANSWER_S)
        asked, over = asyncio.create_task(test), asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((asked, over), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                await self._bus.request(STOP_TRYING, StopTrying())
            return await asked
        finally:
            asked.cancel()
            over.cancel()

    async def bundle(self, deed: ReadBundle) -> BundlePart | Fault:
        """A part; the first makes the bundle anew."""
        if deed.offset == 0:
            self._bundle = await self._make_bundle()
        if deed.offset > len(self._bundle):
            return Fault(reason="invalid", text="the bundle ends before that")
        part = self._bundle[deed.offset : deed.offset + PART_BYTES]
        return BundlePart(
            size=len(self._bundle), data=part, name=f"{self._config.box.id}-support.tar.gz"
        )


def _row(minute: LinkMinute) -> LinkRow:
    return LinkRow(
        at_utc=minute.at_utc,
        name=minute.name,
        state=minute.state,
        rtt_ms=minute.rtt_ms,
        loss=minute.loss,
        capacity_bps=minute.capacity_bps,
        sent_bps=minute.sent_bps,
        signal=minute.signal,
    )


def _thinned(minutes: Sequence[LinkMinute], most: int) -> list[LinkMinute]:
    """Each n-th of each link, so that no link falls between the gaps of another's."""
    every = math.ceil(len(minutes) / most) or 1
    counts: dict[str, int] = {}
    kept = []
    for minute in minutes:
        counts[minute.name] = counts.get(minute.name, -1) + 1
        if counts[minute.name] % every == 0:
            kept.append(minute)
    return kept[-most:]
