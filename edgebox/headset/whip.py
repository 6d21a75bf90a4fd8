"""WHIP (RFC 9725) as a server answers it: requests in, responses out (no I/O, told the time).

`receive` answers at once, or gives an Ask: media's answer to it goes to `answered`. What is to be
done besides (candidates for media, connections to end) comes out of `next_order`.

| request               | answer                                                                   |
|-----------------------|--------------------------------------------------------------------------|
| OPTIONS               | 200, Accept-Post or Accept-Patch, no bearer needed                       |
| GET, HEAD             | 204, nothing in it; reserved by the RFC                                  |
| POST to the endpoint  | 201, Location; media's answer: recvonly, with all candidates             |
|                       | 415 another type, 413 too long, 400 malformed, 422 what is not served    |
|                       | 503 and Retry-After: too many sessions, or media is not there            |
| PATCH to the session  | 204 for candidates (RFC 8840); 422 for an ICE restart; 412 any If-Match  |
|                       | but "*": there are no entity tags here; 415, 413, 400 as above           |
| DELETE the session    | 200, whatever If-Match says                                              |
| anything else         | 405 and Allow                                                            |
| without a good bearer | 401 (unknown, expired), 403 (revoked, belongs elsewhere)                 |
| another's, or ended   | 404: a session's URL alone is worth nothing                              |

Trickle is supported and ICE restart is not, so no ETag is given (4.3.1.1) and none can be missing
(428). A device that moves makes a new session: its camera stays the same, and its old session ends
with the answer to the new one. Nothing is ever redirected. A session ends by DELETE, with its
lease, or when media says so: consent expired, or media was restarted.

What a device hears is asked for in the same way at another endpoint (whep.py).
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.headset import sdp
from edgebox.headset.door import Door, Lease, Refusal

ENDPOINT = "/whip"
OFFER_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
BODY_MAX = 32_768
"""Bytes. Chromium's offer of a picture and a sound has about 6,000."""
SESSIONS_MAX = 4
ASKING_MAX = 4
"""Offers that media is thinking about."""
CANDIDATES_MAX = 64
"""Of one session."""
BUSY_S, RESTARTING_S = 10, 1
BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{8,2048}=*)", re.IGNORECASE)
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
}
INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
MediaTrouble = Literal["malformed", "unacceptable", "busy", "away"]


@dataclass(frozen=True, slots=True)
class Request:
    """`session`: what stands in the path behind the endpoint; empty for the endpoint itself."""

    method: str
    session: str = ""
    content_type: str = ""
    authorization: str = ""
    if_match: str = ""
    body: bytes = b""
    endpoint: str = ENDPOINT


@dataclass(frozen=True, slots=True)
class Response:
    """`session`: of a session that was made; its URL stands in Location as well."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Media shall answer this offer; then call `answered`."""

    session: str
    lease: Lease
    sdp: str
    ufrag: str


@dataclass(frozen=True, slots=True)
class Trickle:
    """Media shall use these candidates, `candidate:...` lines."""

    session: str
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Media shall end this connection."""

    session: str


@dataclass(slots=True)
class Session:
    """One publication that stands, or is about to."""

    lease: Lease
    ufrag: str
    answered: bool = False
    candidates: int = 0


class Whip:
    """All sessions of one vehicle at one endpoint."""

    def __init__(
        self,
        door: Door,
        new_token: Callable[[], str],
        endpoint: str = ENDPOINT,
        read_offer: Callable[[bytes], tuple[str, str]] = sdp.read_offer,
    ):
        """`new_token`: at least 128 random bits each time, fit for a URL."""
        self._door = door
        self._new_token = new_token
        self._endpoint = endpoint
        self._read_offer = read_offer
        self._sessions: dict[str, Session] = {}
        self._orders: deque[Trickle | Cut] = deque()

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Those that media has answered."""
        return {token: one for token, one in self._sessions.items() if one.answered}

    def receive(self, request: Request, now: float) -> Response | Ask:
        """Answer, or ask media."""
        if (response := without_bearer(request)) is not None:
            return response
        match request.method:
            case "POST":
                return self._post(request, now)
            case "PATCH":
                return self._patch(request, now)
        return self._delete(request, now)

    def answered(self, ask: Ask, answer: str | None, trouble: MediaTrouble = "away") -> Response:
        """Media's SDP, or none and why."""
        session = self._sessions.get(ask.session)
        if answer is None:
            self._sessions.pop(ask.session, None)
            return _trouble(trouble)
        if session is None:
            # The lease ended, or the device asked again, while media was thinking.
            self._orders.append(Cut(ask.session))
            return refusal(409, "ended meanwhile")
        for token, other in list(self._sessions.items()):
            if other is not session and other.lease.device == session.lease.device:
                self._end(token)
        session.answered = True
        headers = CORS | {"Location": f"{self._endpoint}/{ask.session}", "Content-Type": OFFER_TYPE}
        return Response(201, headers, answer, ask.session)

    def ended(self, session: str) -> None:
        """Media has no such connection any more."""
        self._sessions.pop(session, None)

    def all_ended(self) -> None:
        """Media was restarted."""
        self._sessions.clear()

    def lease_ended(self, lease: Lease) -> None:
        """What comes from this device is cut."""
        for token, session in list(self._sessions.items()):
            if session.lease.device == lease.device:
                self._end(token)

    def next_order(self) -> Trickle | Cut | None:
        """What media is to be told; None when that is all."""
        return self._orders.popleft() if self._orders else None

    def _post(self, request: Request, now: float) -> Response | Ask:
        lease = self._lease(request, now)
        if isinstance(lease, Response):
            return lease
        if (wrong := wrong_body(request, OFFER_TYPE)) is not None:
            return wrong
        try:
            text, ufrag = self._read_offer(request.body)
        except sdp.UnacceptableError as error:
            return refusal(422, str(error))
        except RemoteProtocolError as error:
            return refusal(400, str(error))
        others = [one for one in self._sessions.values() if one.lease.device != lease.device]
        asking = [one for one in self._sessions.values() if not one.answered]
        if len(others) >= SESSIONS_MAX or len(asking) >= ASKING_MAX:
            return _trouble("busy")
        token = self._new_token()
        self._sessions[token] = Session(lease, ufrag)
        return Ask(token, lease, text, ufrag)

    def _patch(self, request: Request, now: float) -> Response:
        session = self._own(request, now)
        if isinstance(session, Response):
            return session
        if (wrong := wrong_body(request, FRAGMENT_TYPE)) is not None:
            return wrong
        if request.if_match not in {"", "*"}:
            return refusal(412, "there are no entity tags here")
        try:
            fragment = sdp.read_fragment(request.body)
        except RemoteProtocolError as error:
            return refusal(400, str(error))
        if request.if_match == "*" or fragment.ufrag not in {"", session.ufrag}:
            return refusal(422, "ICE restart is not served: make a new session")
        room = CANDIDATES_MAX - session.candidates
        session.candidates += len(fragment.candidates)
        if taken := fragment.candidates[: max(0, room)]:
            self._orders.append(Trickle(request.session, taken))
        return Response(204, CORS)

    def _delete(self, request: Request, now: float) -> Response:
        session = self._own(request, now)
        if isinstance(session, Response):
            return session
        self._end(request.session)
        return Response(200, CORS)

    def _own(self, request: Request, now: float) -> Session | Response:
        """The session, if it is the bearer's."""
        lease = self._lease(request, now)
        if isinstance(lease, Response):
            return lease
        session = self._sessions.get(request.session)
        if session is None or not session.answered or session.lease.device != lease.device:
            return refusal(404, "no such session")
        return session

    def _lease(self, request: Request, now: float) -> Lease | Response:
        bearer = bearer_of(request.authorization)
        if not bearer:
            return refusal(401, "a bearer is needed", {"WWW-Authenticate": "Bearer"})
        lease = self._door.check(bearer, now)
        match lease:
            case Refusal(reason="unknown" | "expired"):
                return refusal(401, lease.reason, INVALID)
            case Refusal():
                return refusal(403, lease.reason)
            case _:
                return lease

    def _end(self, token: str) -> None:
        if self._sessions.pop(token, None) is not None:
            self._orders.append(Cut(token))


def bearer_of(authorization: str) -> str:
    """From a header of RFC 6750, 2.1; empty if it has none."""
    found = BEARER.fullmatch(authorization.strip())
    return found[1] if found else ""


def without_bearer(request: Request) -> Response | None:
    """What anybody is answered; None for what needs a bearer."""
    match request.method, request.session:
        case "OPTIONS", session:
            accept = "Accept-Patch" if session else "Accept-Post"
            kind = FRAGMENT_TYPE if session else OFFER_TYPE
            return Response(200, CORS | PREFLIGHT | {accept: kind})
        case "GET" | "HEAD", _:
            return Response(204, CORS)
        case "POST", "":
            return None
        case "PATCH" | "DELETE", session if session:
            return None
    allowed = "PATCH, DELETE" if request.session else "POST"
    return Response(405, CORS | {"Allow": f"{allowed}, GET, HEAD, OPTIONS"})


def wrong_body(request: Request, kind: str) -> Response | None:
    """Why a body is not read; None: it is."""
    if request.content_type.partition(";")[0].strip().lower() != kind:
        return refusal(415, f"send {kind}")
    if len(request.body) > BODY_MAX:
        return refusal(413, f"more than {BODY_MAX} bytes")
    return None


def _trouble(trouble: MediaTrouble) -> Response:
    match trouble:
        case "malformed":
            return refusal(400, "not an offer that can be answered")
        case "unacceptable":
            return refusal(422, "no format that is known here")
        case "busy":
            return refusal(503, "too many at once", {"Retry-After": str(BUSY_S)})
        case "away":
            return refusal(503, "video is restarting", {"Retry-After": str(RESTARTING_S)})


def refusal(status: int, why: str, more: Mapping[str, str] = {}) -> Response:
    """One clear answer."""
    headers = CORS | {"Content-Type": "text/plain"} | dict(more)
    return Response(status, headers, f"{why}\n")
