"""The requests below /pair/: bytes in, status and bytes out. The same for the access point's
listener and for what the hub hands on from a device outside the vehicle.

Who may reach it: every device on the vehicle's Wi-Fi, and through the hub anybody who knows an
enrolled device's id. Everything is hostile until it has proved itself: 8 KiB at most, so many
requests a second from one address, and so many a second from all who are not in the registry, so
that a flood of strangers leaves room for the vehicle's own devices. Nothing is remembered of who
has not proved itself.
"""

import logging
import time
from typing import Protocol

import msgspec

from edgebox.errors import RemoteProtocolError
from edgebox.host.allowance import Allowance
from edgebox.messages.base import Fault
from edgebox.messages.pairing import Enrol, Enrolled
from edgebox.pairing import wire
from edgebox.pairing.gate import Gate
from edgebox.pairing.wire import Beat, Beaten, End, Hello, Paired, Prove, Refused, Waiting

logger = logging.getLogger(__name__)

STEPS = ("hello", "prove", "heartbeat", "end", "enrol")
PER_S, BURST = 4.0, 24.0
"""Of one address: a device needs two requests to pair and one every 3 s."""
OUTSIDE_PER_S, OUTSIDE_BURST = 10.0, 60.0
"""Of the hub, for all devices outside; it has limits of its own for each of them."""
STRANGERS_PER_S, STRANGERS_BURST = 10.0, 40.0
"""Of all that are not enrolled together: a challenge costs a signature."""
ENROLMENTS_PER_S, ENROLMENTS_BURST = 0.1, 5.0
LOGGED_PER_S = 1 / 60
OUTSIDE = "outside"

Reply = tuple[int, bytes]


class Desk(Protocol):
    """What the requests need done (pairing.PairedDoor)."""

    gate: Gate

    async def admit(
        self, prove: Prove, *, outside: bool, address: str
    ) -> Paired | Waiting | Refused:
        """Judge and, if so, give a lease."""

    async def beat(self, beat: Beat) -> Beaten | Refused:
        """A heartbeat."""

    def leave(self, end: End) -> None:
        """The device ends its lease."""

    async def enrol(self, enrol: Enrol) -> Enrolled | Fault:
        """Ask the fleet."""


class EnrolledHere(msgspec.Struct, frozen=True, tag_field="state", tag="enrolled"):
    """Answer to an enrolment: whose boxes the device may believe, DER."""

    name: str
    authority: str


class NotEnrolled(msgspec.Struct, frozen=True, tag_field="state", tag="refused"):
    """`ticket`: unknown, used or too old. `offline`: the hub cannot be reached."""

    reason: str


class PairApi:
    """Limits, decoding, answers."""

    def __init__(self, desk: Desk, authority: str):
        """`authority`: certificate of the fleet's, DER in base64url."""
        self._desk = desk
        self._authority = authority
        self._addresses = Allowance(PER_S, BURST)
        self._outside = Allowance(OUTSIDE_PER_S, OUTSIDE_BURST)
        self._strangers = Allowance(STRANGERS_PER_S, STRANGERS_BURST)
        self._enrolments = Allowance(ENROLMENTS_PER_S, ENROLMENTS_BURST)
        self._logged = Allowance(LOGGED_PER_S, 1.0)

    async def answer(self, step: str, body: bytes, address: str) -> Reply:
        """`address`: of the sender, or OUTSIDE."""
        now = time.monotonic()
        limit = self._outside if address == OUTSIDE else self._addresses
        if not limit.take(address, now):
            return 429, b""
        try:
            return await self._answer(step, body, address, now)
        except RemoteProtocolError:
            return 400, b""

    async def _answer(self, step: str, body: bytes, address: str, now: float) -> Reply:
        match step:
            case "hello":
                return self._hello(wire.decode(Hello, body), now)
            case "prove":
                return await self._prove(wire.decode(Prove, body), address, now)
            case "heartbeat":
                beaten = await self._desk.beat(wire.decode(Beat, body))
                return (401 if isinstance(beaten, Refused) else 200), _json(beaten)
            case "end":
                self._desk.leave(wire.decode(End, body))
                return 204, b""
            case "enrol":
                return await self._enrol(wire.decode(Enrol, body), now)
        return 404, b""

    def _hello(self, hello: Hello, now: float) -> Reply:
        if not self._desk.gate.knows(hello.device) and not self._strangers.take("", now):
            return 429, b""
        return 200, _json(self._desk.gate.hello(hello, now, time.time()))

    async def _prove(self, prove: Prove, address: str, now: float) -> Reply:
        outside = address == OUTSIDE
        answer = await self._desk.admit(prove, outside=outside, address=address)
        if isinstance(answer, Refused):
            self._log(prove.device, answer.reason, now)
            return 403, _json(answer)
        return 200, _json(answer)

    async def _enrol(self, enrol: Enrol, now: float) -> Reply:
        if not self._enrolments.take("", now):
            return 429, b""
        answer = await self._desk.enrol(enrol)
        if isinstance(answer, Enrolled):
            return 200, _json(EnrolledHere(answer.name, self._authority))
        refused = answer.reason in {"refused", "not-found", "invalid"}
        return (403 if refused else 503), _json(NotEnrolled("ticket" if refused else "offline"))

    def _log(self, device: str, reason: str, now: float) -> None:
        """Not each time: a refused device asks again and again."""
        if self._logged.take(f"{device} {reason}", now):
            logger.warning("device %s refused: %s", device, reason)


def _json(answer: msgspec.Struct) -> bytes:
    return msgspec.json.encode(answer)
