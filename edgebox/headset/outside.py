"""What a headset outside the vehicle asks, handed on by the hub over the bus.

The hub decides nothing: every request has the bearer with it, and the same door is asked as for
those on the access point. Who may reach it: the hub, over the bridge of the box's broker. A hub
that was taken over gains no picture by it; what it may ask is limited, for media's sake.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from edgebox.bus import Bus
from edgebox.headset.door import Door, Lease
from edgebox.headset.events import Events, Page
from edgebox.headset.whip import Request, Response
from edgebox.host.allowance import Allowance
from edgebox.messages.base import Fault
from edgebox.messages.headset import (
    OUTSIDE_EVENTS,
    OUTSIDE_WHIP,
    OutsideEvents,
    OutsidePoll,
    OutsideRequest,
    OutsideResponse,
)
from edgebox.messages.session import TurnCredentials

OFFERS_PER_S, OFFERS_BURST = 1.0, 12.0
"""Of all devices outside together, of each kind: each makes media open a connection."""
POLL_S = 4.0
"""So long a question waits for something new."""
FORGOTTEN_S = 15.0
"""A page that did not ask for so long has gone."""


class Answer(Protocol):
    """Of WHIP and WHEP (front.Front.handle)."""

    def __call__(
        self, request: Request, turn: TurnCredentials | None = None
    ) -> Awaitable[Response]: ...


@dataclass(slots=True)
class _Open:
    """A page of a device outside, and when it asked last."""

    page: Page
    asked_at: float


class Outside:
    """Use `listen` first; call `forget` now and then."""

    def __init__(
        self,
        bus: Bus,
        door: Door,
        answer: Answer,
        events: Events,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._bus = bus
        self._door = door
        self._answer = answer
        self._events = events
        self._clock = clock
        self._offers = Allowance(OFFERS_PER_S, OFFERS_BURST)
        self._open: dict[str, _Open] = {}

    async def listen(self) -> None:
        """Answer what comes through the hub."""
        await self._bus.serve(OUTSIDE_WHIP, self._whip)
        await self._bus.serve(OUTSIDE_EVENTS, self._poll)

    def forget(self) -> None:
        """Close pages that have gone."""
        for name, one in list(self._open.items()):
            if self._clock() - one.asked_at > FORGOTTEN_S:
                self._close(name)

    async def _whip(
        self, question: OutsideRequest, keys: dict[str, str]
    ) -> OutsideResponse | Fault:
        if question.method == "POST":
            if question.turn is None:
                return Fault(reason="invalid", text="an offer from outside needs a relay")
            if not self._offers.take(question.endpoint, self._clock()):
                return OutsideResponse(status=429, retry_after_s=2)
        request = Request(
            method=question.method,
            session=question.session,
            content_type=question.content_type,
            authorization=f"Bearer {question.bearer}",
            if_match=question.if_match,
            body=question.body.encode(),
            endpoint=question.endpoint,
        )
        response = await self._answer(request, question.turn)
        return OutsideResponse(
            status=response.status,
            session=response.session,
            retry_after_s=int(response.headers.get("Retry-After", "0")),
            body=response.body,
        )

    async def _poll(self, question: OutsidePoll, keys: dict[str, str]) -> OutsideEvents:
        """The bearer opens the page, as on the access point; it ends with the lease."""
        found = self._open.get(question.page)
        if found is None:
            lease = self._door.check(question.bearer, self._clock())
            if not isinstance(lease, Lease):
                return OutsideEvents(status=401, over=True)
            made = self._events.open(lease.device)
            if made is None:
                return OutsideEvents(status=503, over=True)
            found = self._open[question.page] = _Open(made, self._clock())
        found.asked_at = self._clock()
        lines = await found.page.next_lines(POLL_S)
        if lines is None:
            self._close(question.page)
            return OutsideEvents(status=200, over=True)
        return OutsideEvents(status=200, lines=lines.decode())

    def _close(self, name: str) -> None:
        found = self._open.pop(name, None)
        if found is not None:
            self._events.close(found.page)
