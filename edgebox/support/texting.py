"""The crew's link as a text message to the technicians on duty, by what the vehicle sends with.

Their number is in no log, and the link in no trail.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from edgebox.config import Config
from edgebox.messages.base import Fault
from edgebox.messages.vehicle import SEND_INVITE, SendInvite
from edgebox.support.ways import Ways

SEND_S = 30.0

Write = Callable[[str], Awaitable[bool]]


class Texting:
    """Of the newest link."""

    def __init__(
        self, bus: Ways, config: Config, write: Write, changed: Callable[[], Awaitable[None]]
    ):
        """`write`: what came of it, into the trail."""
        self.state: Literal["", "sending", "sent", "failed"] = ""
        self._bus = bus
        self._phone = config.support.phone if config.sms.by != "none" else ""
        self._write = write
        self._changed = changed
        self._sending: asyncio.Task[None] | None = None

    def begin(self, url: str) -> None:
        """Send `url`, if there is one and somebody to send it to; an older one is forgotten."""
        self.stop()
        if url and self._phone:
            self.state = "sending"
            self._sending = asyncio.create_task(self._send(url))

    def stop(self) -> None:
        """What came of it is of no interest any more."""
        self.state = ""
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self, url: str) -> None:
        question = SendInvite(url=url, phone=self._phone, purpose="help")
        answer = await self._bus.request(SEND_INVITE, question, timeout_s=SEND_S)
        failed = isinstance(answer, Fault)
        self.state = "failed" if failed else "sent"
        await self._write("link-not-texted" if failed else "link-texted")
        await self._changed()
