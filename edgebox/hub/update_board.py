"""The hub's part in updates: hears what boxes run, offers them what is theirs, keeps the figures.

The broker makes sure that what comes on a box's topic comes from that box. An offer is retained, so
a vehicle that was off has it when it is back; its address is signed for that box (update_serve.py)
and made anew at half of its time.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.errors import ConfigError
from edgebox.hub.limit import Limiter
from edgebox.hub.links import printable
from edgebox.hub.update_files import Published, listed
from edgebox.hub.update_rollout import (
    Group,
    Report,
    Rollout,
    figures,
    group,
    is_for,
    must_stop,
    offered,
)
from edgebox.hub.update_serve import URL_S, Signer
from edgebox.hub.update_store import UpdateStore
from edgebox.messages.base import Fault
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.messages.update import (
    UPDATE_OFFER,
    UPDATE_STATUS,
    Release,
    UpdateOffer,
    UpdateStatus,
)

logger = logging.getLogger(__name__)

TICK_S = 2.0
LOOK_EVERY_S = 10.0
FORGET_EVERY_S = 3600.0
DAY_S = 86_400.0
BOXES_MAX = 10_000
REPORT_RATE_HZ = 0.1
REPORT_BURST = 30.0
"""Of one box: each is a row that all share."""


@dataclass
class Vehicle:
    """One box."""

    name: str = ""
    status: UpdateStatus | None = None
    sent: str | None = None
    """Release and turn of the last offer, or nothing offered; None: nothing was said."""
    sent_at: float = field(default=float("-inf"))


class UpdateBoard:
    """All releases and boxes."""

    def __init__(
        self, bus: Bus, store: UpdateStore, directory: Path, signer: Signer, audit_keep_days: int
    ):
        self._bus = bus
        self._store = store
        self._directory = directory
        self._signer = signer
        self._keep_s = audit_keep_days * DAY_S
        self._limits = Limiter(REPORT_RATE_HZ, REPORT_BURST)
        self._changing = asyncio.Lock()
        self._reports: dict[str, dict[str, Report]] = {}
        self._pending: set[tuple[str, str]] = set()
        self.published: list[Published] = []
        self.rollouts: dict[str, Rollout] = {}
        self.vehicles: dict[str, Vehicle] = {}

    async def start(self) -> None:
        """Take up what is kept, and listen to the boxes. Raises DeviceError or ConfigError."""
        await self._store.call(self._store.set_up)
        kept = await self._store.call(self._store.load)
        if isinstance(kept, Fault):
            raise ConfigError(kept.text)
        self.rollouts, self._reports = kept
        await self._look()
        await self._bus.subscribe(BOX_INFO, self._take_info)
        await self._bus.subscribe(UPDATE_STATUS, self._take_status)

    async def run(self) -> None:
        """Find what is published, renew offers, keep what could not be kept. Never returns."""
        looked_at = forgot_at = float("-inf")
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            if now - looked_at >= LOOK_EVERY_S:
                looked_at = now
                await self._look()
                for box in list(self.vehicles):
                    await self._offer(box, now)
            await self._keep_pending()
            if now - forgot_at >= FORGET_EVERY_S:
                forgot_at = now
                await self._store.call(self._store.forget, time.time() - self._keep_s)

    async def _look(self) -> None:
        self.published = await asyncio.to_thread(listed, self._directory)

    # The boxes

    async def _take_info(self, info: BoxInfo, keys: dict[str, str]) -> None:
        if (vehicle := self._vehicle(keys["box"])) is not None:
            vehicle.name = printable(info.vehicle)[:40].strip()

    async def _take_status(self, status: UpdateStatus, keys: dict[str, str]) -> None:
        box = keys["box"]
        vehicle = self._vehicle(box)
        if vehicle is None:
            return
        vehicle.status = status
        self._note_report(box, status)
        await self._offer(box, time.monotonic())

    def _vehicle(self, box: str) -> Vehicle | None:
        if box not in self.vehicles and len(self.vehicles) >= BOXES_MAX:
            return None
        return self.vehicles.setdefault(box, Vehicle())

    def _note_report(self, box: str, status: UpdateStatus) -> None:
        """What it says of a release we know; also of the one it runs."""
        known = {one.sha256: one for one in self.published}
        for one in known.values():
            runs = one.version == status.version and one.compatible == status.compatible
            if runs and status.state != "trying":
                self._set_report(one.sha256, box, Report(state="good", at_utc=time.time()))
            elif one.sha256 == status.sha256 and status.state != "current":
                said = Report(
                    state=status.state, reason=status.reason, turn=status.turn, at_utc=time.time()
                )
                self._set_report(one.sha256, box, said)

    def _set_report(self, sha256: str, box: str, report: Report) -> None:
        reports = self._reports.setdefault(sha256, {})
        before = reports.get(box)
        if before is not None and replace(before, at_utc=report.at_utc) == report:
            return
        reports[box] = report
        self._pending.add((sha256, box))

    async def _keep_pending(self) -> None:
        """Reports go to the database, and a release that does harm stops."""
        now, touched = time.monotonic(), set()
        for sha256, box in list(self._pending):
            if not self._limits.take(box, now):
                continue
            report = self._reports[sha256][box]
            kept = await self._store.call(self._store.keep_report, sha256, box, report)
            if isinstance(kept, Fault):
                logger.error("updates: %s", kept.text)
                return
            self._pending.discard((sha256, box))
            touched.add(sha256)
        for sha256 in touched:
            await self._stop_if_harmful(sha256)

    async def _stop_if_harmful(self, sha256: str) -> None:
        rollout = self.rollouts.get(sha256)
        if rollout is None or rollout.stopped or not must_stop(self.figures(sha256)):
            return
        logger.error("updates: release %s is stopped: boxes fell back", self._version(sha256))
        await self._change(replace(rollout, stopped="boxes"), "", "stopped")

    # What is offered

    async def _offer(self, box: str, now: float) -> None:
        vehicle = self.vehicles[box]
        if vehicle.status is None or not vehicle.status.compatible:
            return
        one = offered(box, vehicle.status, self.published, self.rollouts)
        turn = self.rollouts[one.sha256].turn if one is not None else 0
        mark = f"{one.sha256} {turn}" if one is not None else ""
        if mark == vehicle.sent and (not mark or now - vehicle.sent_at < URL_S / 2):
            return
        vehicle.sent, vehicle.sent_at = mark, now
        release = None
        if one is not None:
            release = Release(
                sha256=one.sha256,
                version=one.version,
                size_bytes=one.size_bytes,
                url=self._signer.url(box, one.sha256, time.time()),
                turn=turn,
            )
        await self._bus.publish(UPDATE_OFFER, UpdateOffer(release=release), box=box)

    # What staff see and do

    def figures(self, sha256: str) -> dict[Group, int]:
        """How many boxes stand where."""
        rollout = self.rollouts.get(sha256) or Rollout(sha256=sha256)
        return figures(rollout, self._boxes_for(sha256), self._reports.get(sha256, {}))

    def _boxes_for(self, sha256: str) -> list[str]:
        """Those that have said that they take such images, and those that reported on it once."""
        compatible = next((o.compatible for o in self.published if o.sha256 == sha256), "")
        fit = {
            box
            for box, one in self.vehicles.items()
            if one.status is not None and one.status.compatible == compatible
        }
        return sorted(fit | set(self._reports.get(sha256, {})))

    def standing(self, sha256: str) -> list[tuple[str, Group, Report | None]]:
        """Box by box: those it is for, and those that said something of it."""
        rollout = self.rollouts.get(sha256) or Rollout(sha256=sha256)
        reports = self._reports.get(sha256, {})
        return [
            (box, group(reports.get(box), rollout), reports.get(box))
            for box in self._boxes_for(sha256)
            if box in reports or (is_for(rollout, box) and not rollout.stopped)
        ]

    async def set_stage(self, who: str, sha256: str, share: int, first: tuple[str, ...]) -> bool:
        """Who has it: these boxes, and this share of the fleet. False: no such release."""
        rollout = self._rollout(sha256)
        if rollout is None:
            return False
        known = tuple(sorted(box for box in set(first) if box in self.vehicles))
        after = replace(rollout, share=share, first=known)
        return await self._change(after, who, f"stage {share} {len(known)}")

    async def stop(self, who: str, sha256: str) -> bool:
        """Nobody is offered it any more."""
        rollout = self._rollout(sha256)
        if rollout is None:
            return False
        return await self._change(replace(rollout, stopped="staff"), who, "stopped")

    async def go_on(self, who: str, sha256: str) -> bool:
        """Offer it again; boxes that gave it up try once more."""
        rollout = self._rollout(sha256)
        if rollout is None:
            return False
        after = replace(rollout, stopped="", turn=rollout.turn + 1)
        return await self._change(after, who, "go-on")

    async def latest(self) -> list[tuple[float, str, str, str]]:
        """When, who (empty: by itself), version, what (`stage SHARE NAMED`, `stopped` or `go-on`);
        newest first."""
        found = await self._store.call(self._store.latest, 30)
        return [] if isinstance(found, Fault) else found

    def _rollout(self, sha256: str) -> Rollout | None:
        if not any(one.sha256 == sha256 for one in self.published):
            return None
        return self.rollouts.get(sha256) or Rollout(sha256=sha256)

    async def _change(self, after: Rollout, who: str, what: str) -> bool:
        """On the disk before a box hears of it."""
        after = replace(after, changed_utc=time.time())
        async with self._changing:
            version = self._version(after.sha256)
            kept = await self._store.call(self._store.keep_rollout, after, who, version, what)
            if isinstance(kept, Fault):
                logger.error("updates: %s", kept.text)
                return False
            self.rollouts[after.sha256] = after
        for box in list(self.vehicles):
            await self._offer(box, time.monotonic())
        return True

    def _version(self, sha256: str) -> str:
        return next((one.version for one in self.published if one.sha256 == sha256), sha256[:12])
