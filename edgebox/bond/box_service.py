"""The box's end of the bond as a service.

It publishes BondStatus ten times a second and at once when the target falls. The broker may be
away, or never there: forwarding does not depend on it.

The watchdog on the box is fed when something was acknowledged since the last look: then sockets,
seal, schedule and the far end have worked. An idle bond, or one without a living link, has
nothing to acknowledge and is not hung for that. Then a datagram is sent through two fresh cores
in memory, and the session's timer must not be overdue: a loop that stands still, or a core that
no longer works, does not feed the watchdog, silence of the links does.
"""

import asyncio
import gc
import logging
import secrets

from edgebox.bond import box_metrics, selfcheck
from edgebox.bond.box import BoxEnd
from edgebox.bond.status import Reporter
from edgebox.config import Config
from edgebox.host import metrics
from edgebox.host.service import Service
from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BOND_STATUS
from edgebox.messages.link_test import (
    STOP_TRYING,
    TRY_LINK,
    LinkTestResult,
    StopTrying,
    TryLink,
)

logger = logging.getLogger(__name__)

PUBLISH_S = 0.1
PUBLISH_LEAST_S = 0.01
"""A target in free fall is told at most this often."""
CHECK_S = 2.0
"""Nothing acknowledged for so long: the self-check speaks for us."""
OVERDUE_S = 1.0


async def run(config: Config) -> None:
    """Forward until cancelled. Raises ConfigError."""
    urgent = asyncio.Event()
    box = BoxEnd(config, on_urgent=urgent.set)
    box.open()
    reporter = Reporter(box)
    async with Service("bond", config) as service:
        # What lives now lives for good: the collector need not look at it again.
        gc.freeze()
        logger.info("box's end is ready")
        await _serve_tests(service, box)
        await service.set_state("running")
        figures = metrics.serving(
            config.bond.metrics_listen, lambda: box_metrics.collect(box, reporter)
        )
        async with figures:
            await service.run(box.run(), _report(service, box, reporter, urgent))


async def _serve_tests(service: Service, box: BoxEnd) -> None:
    async def test(question: TryLink, keys: dict[str, str]) -> LinkTestResult | Fault:
        return await box.tests.run(question)

    async def stop(question: StopTrying, keys: dict[str, str]) -> Done:
        return box.tests.stop(question)

    await service.bus.serve(TRY_LINK, test)
    await service.bus.serve(STOP_TRYING, stop)


async def _report(service: Service, box: BoxEnd, reporter: Reporter, urgent: asyncio.Event) -> None:
    progress = _Progress(box)
    loop = asyncio.get_running_loop()
    while True:
        urgent.clear()
        now = loop.time()
        await service.bus.publish(BOND_STATUS, reporter.status(now))
        if progress.made(now):
            service.progress()
        try:
            async with asyncio.timeout(PUBLISH_S):
                await urgent.wait()
        except TimeoutError:
            continue
        await asyncio.sleep(max(0.0, now + PUBLISH_LEAST_S - loop.time()))


class _Progress:
    """Whether the bond works; the module's text says how that is decided."""

    def __init__(self, box: BoxEnd):
        self._box = box
        self._acknowledged = 0
        self._at = 0.0

    def made(self, now: float) -> bool:
        """True when something was acknowledged or the self-check passed."""
        connection = self._box.connection
        count = connection.acknowledged if connection else 0
        if count != self._acknowledged:
            self._acknowledged, self._at = count, now
            return True
        if now - self._at < CHECK_S:
            return False
        self._at = now
        healthy = self._box.overdue_s() < OVERDUE_S
        return healthy and selfcheck.datagram_passes(secrets.token_bytes(32), now)
