"""The support service: self-test, link history, and the technician's session the crew grants.

A process of its own, so that it works while others do not. It has no listener: the crew and the
command line reach it through the box's broker, the technician through what the box dials itself.
"""

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from edgebox.config import Config
from edgebox.host.service import Service
from edgebox.messages.base import Fault
from edgebox.messages.selftest import (
    HEALTH,
    RUN_SELF_TEST,
    SELF_TEST,
    Reason,
    RunSelfTest,
    SelfTest,
    SelfTestBegun,
)
from edgebox.support.actions import Actions
from edgebox.support.bundle import make_bundle
from edgebox.support.heard import Heard
from edgebox.support.helpdesk import HelpDesk
from edgebox.support.history import History, LinkMinute
from edgebox.support.listening import Listening
from edgebox.support.selftest import BusyError, SelfTester
from edgebox.support.surroundings import Surroundings
from edgebox.support.ways import SecondWay, Ways

SAY_EVERY_S = 20.0
"""A third of the unit's WatchdogSec."""
LINKS_EVERY_S = 60.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"
BOOT_SETTLE_S = 90.0
"""After a boot the test waits for the bond this long: modems take their time to register."""
BOOT_LOOK_EVERY_S = 1.0
BOOT_CALM_S = 5.0
"""Links come up one after the other."""


async def run(config: Config) -> None:
    """Until cancelled."""
    service = Service("support", config)
    history = History(Path(config.directory) / config.support.store)
    support = Support(service, history)
    try:
        async with service:
            await support.listen()
            await service.set_state("running")
            await service.run(*support.work())
    finally:
        history.close()


class Support:
    """What the service is made of; the technician's session is handed this."""

    def __init__(self, service: Service, history: History):
        self.service = service
        self.config = service.config
        self.bus = service.bus
        self.heard = Heard()
        self.history = history
        self.here = Surroundings(service.config, service.bus, self.heard)
        self.tester = SelfTester(self.here, self._tell)
        self._listening = Listening(service.bus, self.heard)
        self._boot = self.here.read(BOOT_ID) or ""
        self._asked: asyncio.Queue[tuple[SelfTest, tuple[str, ...]]] = asyncio.Queue(maxsize=1)
        actions = Actions(
            self.config,
            self.bus,
            self.heard,
            self.here,
            history,
            ask_test=lambda checks: self.ask("technician", checks),
            last_test=lambda: self.tester.last,
            make_bundle=lambda: make_bundle(self.here, self.history),
        )
        ways = Ways(self.bus)
        self._second = SecondWay(ways, self.bus, self.config, self.heard)
        self.helpdesk = HelpDesk(
            ways, self.config, actions, is_idle=lambda: self.heard.sending == "idle"
        )

    async def listen(self) -> None:
        """What others say and ask; and what the last test found, from before a restart."""
        await self._listening.start()
        await self.bus.serve(RUN_SELF_TEST, self._begin)
        await self.helpdesk.listen()
        if tests := self.history.tests(limit=1):
            self.tester.last = tests[0]
            await self._tell(tests[0])

    def work(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """All that goes on until the service ends."""
        return (
            self._listening.run(),
            self.service.keep_saying(SAY_EVERY_S),
            self._keep_links(),
            self._test_after_boot(),
            self._run_what_is_asked(),
            self.helpdesk.run(),
            self._second.run(lambda: self.helpdesk.is_needed),
        )

    def ask(self, reason: Reason, checks: tuple[str, ...] = ()) -> SelfTest | Fault:
        """Begin a test; SELF_TEST and `tester.last` say how far it has come."""
        try:
            test = self.tester.begin(reason, checks)
            self._asked.put_nowait((test, checks))
        except (BusyError, asyncio.QueueFull):
            return Fault(reason="busy", text="a self-test runs already")
        except KeyError as error:
            return Fault(reason="not-found", text=f"no such check: {error.args[0]}"[:200])
        return test

    async def _begin(self, question: RunSelfTest, keys: dict[str, str]) -> SelfTestBegun | Fault:
        answer = self.ask(question.reason, question.checks)
        return answer if isinstance(answer, Fault) else SelfTestBegun(id=answer.id)

    async def _run_what_is_asked(self) -> None:
        while True:
            test, checks = await self._asked.get()
            await self.tester.run(test, checks)

    async def _tell(self, test: SelfTest) -> None:
        await self.bus.publish(SELF_TEST, test)
        if test.state == "done":
            wrong = tuple(one for one in test.findings if one.grade != "good")
            await self.bus.publish(HEALTH, replace(test, findings=wrong))
            self.history.keep_test(test, self._boot)

    async def _test_after_boot(self) -> None:
        """Once a boot, when the bond is up or has had its time."""
        if self.history.tested_boot(self._boot):
            return
        settled_at = time.monotonic() + BOOT_SETTLE_S
        while time.monotonic() < settled_at:
            bond = self.heard.bond(time.time())
            if bond is not None and bond.state == "up" and self.heard.session is not None:
                await asyncio.sleep(BOOT_CALM_S)
                break
            await asyncio.sleep(BOOT_LOOK_EVERY_S)
        self.ask("boot")

    async def _keep_links(self) -> None:
        """How each link is, once a minute."""
        while True:
            await asyncio.sleep(LINKS_EVERY_S)
            self.history.keep_links(link_minutes(self.heard, time.time()))


def link_minutes(heard: Heard, now_utc: float) -> list[LinkMinute]:
    """A row for each link; none while the bond says nothing."""
    bond = heard.bond(now_utc)
    modems = heard.modems.modems if heard.modems is not None else ()
    signals = {modem.interface: modem.signal for modem in modems}
    return [
        LinkMinute(
            at_utc=now_utc,
            name=link.name,
            state=link.state,
            rtt_ms=link.rtt_ms,
            loss=link.loss,
            sent_bps=link.sent_bps,
            received_bps=link.received_bps,
            capacity_bps=link.capacity_bps,
            signal=signals.get(link.name),
        )
        for link in (bond.links if bond is not None else ())
    ]
