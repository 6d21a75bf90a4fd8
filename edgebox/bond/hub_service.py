"""The hub's end of the bond as a service: needs no bus."""

import gc
import logging

from edgebox.bond import hub_metrics
from edgebox.bond.far_end import FarEnd
from edgebox.config import Config
from edgebox.host import metrics, notify

logger = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Serve until cancelled. Raises ConfigError."""
    hub = FarEnd(config)
    async with metrics.serving(config.bond.metrics_listen, lambda: hub_metrics.collect(hub)):
        await hub.run(ready=_ready)


def _ready() -> None:
    # What lives now lives for good: the collector need not look at it again.
    gc.freeze()
    notify.ready("bond, hub's end")
    logger.info("hub's end is ready")
