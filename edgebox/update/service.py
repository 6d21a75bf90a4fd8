"""The update service: looks, has plan.py decide, and does the one thing that is to be done.

A process of its own without a listener. It fetches from the hub by HTTPS (download.py), reads the
box's own bus, and asks RAUC, whose service alone may write to the system that does not run. To have
the box restarted it puts down a file; edgebox-update-restart.path does the rest.
"""

import asyncio
import contextlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from edgebox.config import Config
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.host import gpsd
from edgebox.host.rauc import Rauc
from edgebox.host.service import Service
from edgebox.messages.base import Message, Topic
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.headset import HEADSET_STATUS
from edgebox.messages.pairing import PAIRING_STATUS
from edgebox.messages.selftest import RUN_SELF_TEST, SELF_TEST, RunSelfTest, SelfTest
from edgebox.messages.services import SERVICE_STATUS
from edgebox.messages.session import MEDIA_SESSION
from edgebox.messages.support import SUPPORT_SESSION
from edgebox.messages.update import (
    UPDATE_OFFER,
    UPDATE_STATUS,
    Release,
    UpdateOffer,
    UpdateStatus,
)
from edgebox.update import plan
from edgebox.update.crew import CrewWatch
from edgebox.update.health import Health
from edgebox.update.links import Choice, choose
from edgebox.update.memory import Memory, load, save
from edgebox.update.plan import Deed, Situation, Step
from edgebox.update.version import running
from edgebox.update.work import Outcome, Work

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SAY_EVERY_S = 20.0
"""A third of the unit's WatchdogSec."""
STATUS_EVERY_S = 30.0
"""RAUC's word on what runs."""
HUB_AGAIN_S = 60.0
AGAIN_S = 120.0
"""What could not be done is tried again."""
MOVES_MPS = 1.5
FIX_FRESH_S = 10.0
SPARE_BYTES = 256 * 1024 * 1024
"""Left for what the others keep: values of monitors, journals."""
PERCENT_STEP = 5
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
UPTIME = Path("/proc/uptime")
RESTART = Path("/run/edgebox-update/restart")
USE: tuple[Topic[Any], ...] = (
    MEDIA_SESSION,
    SUPPORT_SESSION,
    HEADSET_STATUS,
    PAIRING_STATUS,
    SERVICE_STATUS,
)
"""Who says whether the box is in use."""


async def run(config: Config) -> None:
    """Until cancelled. Raises DeviceError when nothing can be written."""
    service = Service("update", config)
    updates = Updates(service, Rauc(), running(), RESTART)
    async with service:
        await updates.listen()
        await service.set_state("running")
        await service.run(
            updates.run(), updates.follow_position(), service.keep_saying(SAY_EVERY_S)
        )


class Updates:
    """Between bus, hub, RAUC and the plan."""

    def __init__(self, service: Service, rauc: Rauc, system: tuple[str, str], restart: Path):
        """`system`: version of what runs, and which images fit. `restart`: the file that asks."""
        self._bus = service.bus
        self._config = service.config
        self._rauc = rauc
        self._version, self._compatible = system
        self._restart = restart
        self._place = Path(self._config.directory) / self._config.update.directory
        self._work = Work(rauc, self._place)
        self._memory = load(self._place / "memory.json")
        self._boot_id = BOOT_ID.read_text().strip()
        self._booted_at = time.monotonic() - float(UPTIME.read_text().split()[0])
        self._crew = CrewWatch(time.monotonic())
        self._health = Health()
        self._offer: Release | None = None
        self._offer_known = False
        self._moved_at = self._status_at = float("-inf")
        self._confirmed: bool | None = None
        self._again_at: dict[Deed, float] = {}
        self._said: UpdateStatus | None = None

    async def listen(self) -> None:
        """To all that counts."""
        for topic in USE:
            await self._bus.subscribe(topic, self._receive_use)
        await self._bus.subscribe(SELF_TEST, self._receive_test)
        await self._bus.subscribe(BOND_STATUS, self._receive_bond)
        await self._bus.subscribe(UPDATE_OFFER, self._receive_offer)

    async def run(self) -> None:
        """Until cancelled."""
        self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        connected = False
        try:
            while True:
                now = time.monotonic()
                if connected != self._bus.connected.is_set():
                    connected = not connected
                    (self._crew.connect if connected else self._crew.disconnect)(now)
                await self._ask_status(now)
                await self.step(now)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._work.stop()

    async def follow_position(self) -> None:
        """Only whether the vehicle moves; where it is goes nowhere."""
        if not self._config.gpsd.address:
            return
        async with contextlib.aclosing(gpsd.fixes(self._config.gpsd.address)) as fixes:
            async for fix in fixes:
                if fix is not None and (fix.speed_mps or 0.0) > MOVES_MPS:
                    self._moved_at = time.monotonic()

    # What is heard

    async def _receive_use(self, said: Message, keys: dict[str, str]) -> None:
        self._crew.receive(said, time.monotonic())

    async def _receive_test(self, test: SelfTest, keys: dict[str, str]) -> None:
        self._health.receive_test(test)

    async def _receive_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self._health.receive_bond(status, time.monotonic())

    async def _receive_offer(self, offer: UpdateOffer, keys: dict[str, str]) -> None:
        self._offer_known = True
        if offer.release != self._offer:
            self._offer = offer.release
            self._again_at.pop("download", None)

    async def _ask_status(self, now: float) -> None:
        if not self._compatible or now - self._status_at < STATUS_EVERY_S:
            return
        self._status_at = now
        try:
            status = await self._rauc.status()
        except RemoteProtocolError as error:
            logger.warning("%s", error)
            status = None
        self._confirmed = None if status is None else status.confirmed

    # What is done

    async def step(self, now: float) -> None:
        """Look, and do one thing."""
        if (outcome := self._work.outcome()) is not None:
            await self._take(outcome, now)
        if self._work.kind in {"check", "install"}:
            await self._say_percent()
            return
        choice = self._choose(now)
        step = plan.plan(self._memory, self._situation(choice, now))
        if self._work.kind == "download" and step.do != "download":
            await self._work.stop()
        await self._remember(step.memory)
        await self._say(step)
        if step.do and self._work.kind is None and now >= self._again_at.get(step.do, 0.0):
            self._again_at[step.do] = now + AGAIN_S
            await self._do(step, choice)

    async def _do(self, step: Step, choice: Choice) -> None:
        match step.do, step.release:
            case "download", Release() as release:
                self._work.begin_download(release, choice.link)
            case "check", Release() as release:
                self._work.begin_check(release, self._version, self._compatible)
            case "install", Release() as release:
                self._work.begin_install(release)
            case "test", _:
                await self._test()
            case "confirm", _:
                await self._confirm()
            case "give-up", _:
                if await self._mark("bad"):
                    self._ask_restart()
            case "withdraw", _:
                await self._mark("active")
            case "restart", _:
                self._ask_restart()

    async def _take(self, outcome: Outcome, now: float) -> None:
        """What came of a deed."""
        release = outcome.release
        if outcome.done:
            self._again_at.pop(outcome.kind, None)
        match outcome.kind:
            case "download" if not outcome.done:
                self._again_at["download"] = now + HUB_AGAIN_S
            case "check" if outcome.done:
                await self._remember(plan.checked(self._memory, release, outcome.refused))
            case "install":
                self._status_at = float("-inf")
                await self._remember(plan.installed(self._memory, done=outcome.done))

    def _choose(self, now: float) -> Choice:
        bond = self._health.bond(now)
        release = self._offer
        return choose(
            self._config.bond.link,
            bond.links if bond is not None else (),
            metered=self._config.update.metered,
            missing_bytes=0 if release is None else release.size_bytes - self._work.have(release),
        )

    def _situation(self, choice: Choice, now: float) -> Situation:
        release, now_utc, since_boot_s = self._offer, time.time(), now - self._booted_at
        have = 0 if release is None else self._work.have(release)
        missing = 0 if release is None else release.size_bytes - have
        return Situation(
            version=self._version,
            compatible=self._compatible,
            boot_id=self._boot_id,
            since_boot_s=since_boot_s,
            confirmed=self._confirmed,
            offer=release,
            offer_known=self._offer_known,
            crew=self._crew.look(now),
            free_s=self._crew.free_s(now),
            moving=now - self._moved_at < FIX_FRESH_S,
            bond_up_s=self._health.bond_up_s(now),
            link=choice.why,
            hub_silent=self._work.kind is None and now < self._again_at.get("download", 0.0),
            room=missing <= 0 or shutil.disk_usage(self._place).free - SPARE_BYTES > missing,
            have_bytes=have,
            faults=self._health.faults(now_utc, since_boot_s),
            test_age_s=self._health.test_age_s(now_utc),
        )

    async def _remember(self, memory: Memory) -> None:
        """On the disk before anything of it is done."""
        if memory != self._memory:
            await asyncio.to_thread(save, self._place / "memory.json", memory)
            self._memory = memory

    async def _test(self, *checks: str) -> None:
        await self._bus.request(RUN_SELF_TEST, RunSelfTest(reason="command", checks=checks))

    async def _confirm(self) -> None:
        """What runs is what is started from now on."""
        if await self._mark("good"):
            logger.info("version %s is confirmed", self._version)
            self._confirmed = True
            await self._test("update")

    async def _mark(self, state: str) -> bool:
        self._status_at = float("-inf")
        try:
            await self._rauc.mark(state)
        except DeviceError as error:
            logger.warning("%s", error)
            return False
        return True

    def _ask_restart(self) -> None:
        logger.warning("the box restarts: %s", self._version)
        self._restart.touch()

    # What is said

    async def _say(self, step: Step) -> None:
        release = step.release
        said = UpdateStatus(
            version=self._version[:70],
            compatible=self._compatible,
            state=step.state,
            reason=step.reason,
            sha256=release.sha256 if release is not None else "",
            next_version=release.version if release is not None else "",
            turn=release.turn if release is not None else 0,
            percent=self._percent() if step.state == "downloading" else 0,
            since_utc=0.0,
        )
        last = self._said
        since_utc = last.since_utc if last is not None and _same(last, said) else time.time()
        await self._publish(replace(said, since_utc=since_utc))

    async def _say_percent(self) -> None:
        if self._said is not None and self._work.kind == "install":
            await self._publish(replace(self._said, percent=self._percent()))

    def _percent(self) -> int:
        return min(100, self._work.percent) // PERCENT_STEP * PERCENT_STEP

    async def _publish(self, said: UpdateStatus) -> None:
        if said != self._said:
            self._said = said
            await self._bus.publish(UPDATE_STATUS, said)


def _same(one: UpdateStatus, other: UpdateStatus) -> bool:
    """But for how far it has come."""
    return (one.state, one.reason, one.sha256) == (other.state, other.reason, other.sha256)
