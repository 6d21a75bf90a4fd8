"""`edgebox run authority`: answers fresh boxes and renewals on the hub's broker.

It listens nowhere; who reaches the broker's Unix socket or a box's own `up` topics may ask, and a
voucher's secret or a valid certificate decides. The register is a small local file: reading and
writing it in the event loop is meant.
"""

import asyncio
import logging
import time

from edgebox.authority.desk import Desk
from edgebox.authority.keys import open_desk
from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import DeviceError
from edgebox.host import notify
from edgebox.messages.base import Fault
from edgebox.messages.identity import (
    ENROL,
    RENEW,
    Enrol,
    Enrolled,
    RenewCertificate,
    Renewed,
)

logger = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Until cancelled. Raises ConfigError or DeviceError."""
    desk = open_desk(config)
    async with Bus(config.hub.bus, "authority") as bus:
        clerk = _Clerk(desk)
        await bus.serve(ENROL, clerk.enrol)
        await bus.serve(RENEW, clerk.renew)
        notify.ready("answers boxes")
        try:
            await asyncio.shield(bus.failed)
        finally:
            notify.stopping()


class _Clerk:
    """Between the bus and the desk. A register that fails is the operator's to mend: it is said
    in the log, the box is told to come again."""

    def __init__(self, desk: Desk):
        self._desk = desk

    async def enrol(self, asked: Enrol, keys: dict[str, str]) -> Enrolled | Fault:
        try:
            return self._desk.enrol(keys["box"], asked, time.time())
        except DeviceError as error:
            return _failed(error)

    async def renew(self, asked: RenewCertificate, keys: dict[str, str]) -> Renewed | Fault:
        try:
            return self._desk.renew(keys["box"], asked, time.time())
        except DeviceError as error:
            return _failed(error)


def _failed(error: DeviceError) -> Fault:
    logger.error("%s", error)
    return Fault(reason="failed", text="the authority cannot use its register")
