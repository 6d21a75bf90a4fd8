"""What the links of a box have carried and may be used for: counts, their file, the decisions.

Counted are the bond's own packets with IP and UDP headers, both ways, and a generous guess for
each key exchange. Other programs on the same SIM are not: leave them room in the cap.

Without a file to trust, links with a cap stay closed and all others work: a damaged memory card
must not keep the bond from starting.
"""

import asyncio
import logging
from pathlib import Path

from edgebox.bond import usage
from edgebox.bond.allowance import Allowance, Standing
from edgebox.bond.connection import Connection
from edgebox.bond.path import PathState, Use
from edgebox.config import Config, resolve_file
from edgebox.config.bond import Link
from edgebox.errors import DeviceError

logger = logging.getLogger(__name__)

SAVE_S = 0.5
"""How often it is asked whether the file must be written."""
SAVE_AGAIN_S = 10.0
"""After a failure."""
EXCHANGE_BYTES = 12_000
"""One key exchange with certificates of both sides, headers included, as seen: 5 to 8 kB."""
DEMAND_S = 2.0
"""What is sent is averaged over this."""
MEGABYTE = 1_000_000


class Spending:
    """Of all links of one box."""

    def __init__(self, config: Config):
        """Raises ConfigError."""
        self._links = config.bond.link
        self._path = resolve_file(config, config.bond.usage_file)
        self._is_trusted = True
        try:
            stored = usage.load(self._path)
        except usage.UsageError as error:
            stored = {}
            self._is_trusted = False
            logger.warning("%s; links with a monthly cap stay closed", error)
        self._usage = usage.Usage(self._links, stored, usage.today_utc())
        self._allowance = Allowance(config.bond.enough_bps)
        self._problem = ""
        self._demand_bps = 0.0
        self._demand_at = 0.0
        self._demand_bytes = 0
        self.uses = [Use.ORDINARY] * len(self._links)
        self.decide(None, 0.0)

    def open(self) -> None:
        """Put the first block into the file."""
        self._save(exact=False)

    async def run(self) -> None:
        """Keep the file ahead of what is carried, until cancelled."""
        while True:
            await asyncio.sleep(SAVE_S)
            self._usage.turn(usage.today_utc())
            if self._usage.is_due:
                await self._save_ahead()
                if self._problem:
                    await asyncio.sleep(SAVE_AGAIN_S)

    def close(self) -> None:
        """An ordinary end: the file says what was carried, without a block in advance."""
        self._save(exact=True)

    def count(self, link: Link, size: int) -> None:
        """Bytes were carried."""
        self._usage.add(link.name, size)

    def used_bytes(self, link: Link) -> int:
        """This month."""
        return self._usage.used_bytes(link.name)

    def decide(self, connection: Connection | None, now: float) -> bool:
        """Look anew at what each link may be used for; True if something changed."""
        standings = [
            self._standing(number, link, connection) for number, link in enumerate(self._links)
        ]
        demand_bps = self._demand(connection, now)
        before, self.uses = self.uses, self._allowance.decide(standings, demand_bps, now)
        for link, was, use in zip(self._links, before, self.uses, strict=True):
            if was is not use and Use.CLOSED in {was, use}:
                logger.info("link %s: %s", link.name, _said(use))
        return before != self.uses

    def _demand(self, connection: Connection | None, now: float) -> float:
        """Bits per second sent over all links, smoothed."""
        total = sum(path.bytes_sent for path in connection.paths.values()) if connection else 0
        elapsed_s = now - self._demand_at
        if total < self._demand_bytes or elapsed_s > 10 * DEMAND_S:
            self._demand_bps = 0.0  # a new session counts from 0
        elif elapsed_s > 0:
            rate_bps = (total - self._demand_bytes) * 8 / elapsed_s
            self._demand_bps += (rate_bps - self._demand_bps) * min(1.0, elapsed_s / DEMAND_S)
        self._demand_at, self._demand_bytes = now, total
        return self._demand_bps

    def _standing(self, number: int, link: Link, connection: Connection | None) -> Standing:
        path = connection.paths.get(number) if connection else None
        # Without a session nothing is known against a link.
        alive = connection is None
        if path is not None:
            # A short silence is the scheduler's: it takes a reserve for as long.
            alive = path.state is PathState.UP
        limit_bps = None
        if path is not None and not path.estimate.starting:
            limit_bps = path.rate_bps
        return Standing(
            link.priority,
            link.price_per_gb,
            self._charged_bytes(link),
            link.monthly_cap_mb * MEGABYTE,
            alive,
            limit_bps,
        )

    def _charged_bytes(self, link: Link) -> int:
        """Under a cap, what the file does not cover must not be carried: that closes the link."""
        used = self._usage.used_bytes(link.name)
        covered = self._is_trusted and used <= self._usage.covered_bytes(link.name)
        cap = link.monthly_cap_mb * MEGABYTE
        return used if covered or not cap else max(used, cap)

    async def _save_ahead(self) -> None:
        if not self._is_trusted:
            return
        counts = self._usage.to_store()
        # A memory card may take a second for this.
        problem = await asyncio.to_thread(_try_to_save, self._path, counts)
        self._on_saved(counts, problem)

    def _save(self, *, exact: bool) -> None:
        if self._is_trusted:
            counts = self._usage.to_store(exact=exact)
            self._on_saved(counts, _try_to_save(self._path, counts))

    def _on_saved(self, counts: dict[str, usage.Count], problem: str) -> None:
        if not problem:
            self._usage.stored(counts)
        elif problem != self._problem:
            logger.warning("%s: volumes are not kept: %s", self._path, problem)
        self._problem = problem


def _try_to_save(path: Path, counts: dict[str, usage.Count]) -> str:
    """What went wrong, if anything."""
    try:
        usage.save(path, counts)
    except DeviceError as error:
        return str(error)
    return ""


def _said(use: Use) -> str:
    return "closed, its monthly cap is used up" if use is Use.CLOSED else "open again"
