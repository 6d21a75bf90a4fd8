"""What is written into the box's trail, and told to the hub, which anchors it in its own."""

import logging
import time
from pathlib import Path

from edgebox.messages.support import SUPPORT_AUDIT, AuditHead
from edgebox.support.audit import AuditError, Trail, open_trail
from edgebox.support.session import Technician
from edgebox.support.ways import Ways

logger = logging.getLogger(__name__)


class Notes:
    """Of one box."""

    def __init__(self, bus: Ways, box: str, path: Path):
        self._bus = bus
        self._box = box
        self._path = path
        self._trail: Trail | None = None

    async def write(self, what: str, session: str, who: Technician | None, detail: str) -> bool:
        """False if it could not be written."""
        who = who or Technician("", "")
        try:
            # A disk that is full now may be put right: it is tried anew each time.
            self._trail = self._trail or open_trail(self._path, time.time())
            entry = self._trail.append(
                what,
                time.time(),
                box=self._box,
                session=session,
                who=who.name,
                serial=who.serial,
                detail=detail,
            )
        except AuditError as error:
            logger.error("audit: %s", error)
            return False
        head = AuditHead(
            entries=entry.n, hash=entry.hash, what=what, technician=who.name, serial=who.serial
        )
        await self._bus.publish(SUPPORT_AUDIT, head)
        return True
