"""Between the cores of WHIP and WHEP and media: questions over the bus, and what ends a session.

What a headset on the access point asks comes from web.py, what one outside the vehicle asks from
outside.py. Both meet the same cores and the same door.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

import msgspec

from edgebox.bus import Bus
from edgebox.headset import whep
from edgebox.headset.door import Door, Lease
from edgebox.headset.whip import Ask, MediaTrouble, Request, Response, Trickle, Whip
from edgebox.messages.base import Fault
from edgebox.messages.headset import (
    HEADSET_CANDIDATE,
    HEADSET_CLOSE,
    HEADSET_ENDED,
    HEADSET_LISTEN,
    HEADSET_OFFER,
    Headset,
    HeadsetCandidate,
    HeadsetClose,
    HeadsetEnded,
    HeadsetListen,
    HeadsetOffer,
    HeadsetVoices,
)
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import TurnCredentials

logger = logging.getLogger(__name__)

MEDIA_S = 5.0
"""Media answers in 50 ms, from outside in two round trips of the bond."""
TROUBLES: dict[str, MediaTrouble] = {
    "invalid": "malformed",
    "refused": "unacceptable",
    "busy": "busy",
}


class Front:
    """Use `listen` first. `changed` is called when `headsets` says something new."""

    def __init__(self, bus: Bus, door: Door, changed: Callable[[], None]):
        self._bus = bus
        self._door = door
        self._changed = changed
        self._whip = Whip(door, _new_token)
        self._whep = whep.whep(door, _new_token)
        self._cores = (self._whip, self._whep)
        self._live: dict[str, Headset] = {}
        self._media = ""
        self._telling: set[asyncio.Task[None]] = set()
        self.on_session: Callable[[str, bool], None] = lambda device, begun: None
        """A WHIP session of this device began, or ended."""
        door.on_end(self._lease_ended)

    async def listen(self) -> None:
        """Follow media."""
        await self._bus.subscribe(HEADSET_ENDED, self._ended)
        await self._bus.subscribe(SERVICE_STATUS, self._service)

    @property
    def headsets(self) -> tuple[Headset, ...]:
        """Those whose session stands, the longest there first."""
        return tuple(self._live.values())

    def camera_of(self, device: str) -> str:
        """Its camera's id while its session stands, else empty."""
        return next((one.camera for one in self._live.values() if one.device == device), "")

    async def handle(self, request: Request, turn: TurnCredentials | None = None) -> Response:
        """Answer one request. `turn`: it came through the hub, and media goes through the relay."""
        is_whep = request.endpoint == whep.ENDPOINT
        core = self._whep if is_whep else self._whip
        result = core.receive(request, time.monotonic())
        if isinstance(result, Ask):
            result = await (self._ask_to_hear if is_whep else self._ask)(result, turn)
        await self._carry_out()
        if result.status >= 400:
            what = f"{request.method} {request.endpoint}"
            logger.info("%s refused: %d %s", what, result.status, result.body.strip())
        return result

    async def _ask_to_hear(self, ask: Ask, turn: TurnCredentials | None) -> Response:
        question = HeadsetListen(peer=ask.session, device=ask.lease.device, sdp=ask.sdp, turn=turn)
        answer = await self._bus.request(HEADSET_LISTEN, question, timeout_s=MEDIA_S)
        if isinstance(answer, HeadsetVoices):
            return self._whep.answered(ask, answer.sdp)
        logger.info("media did not answer a headset: %s %s", answer.reason, answer.text)
        return self._whep.answered(ask, None, TROUBLES.get(answer.reason, "away"))

    async def _ask(self, ask: Ask, turn: TurnCredentials | None) -> Response:
        lease = ask.lease
        question = HeadsetOffer(
            peer=ask.session, device=lease.device, name=lease.name, sdp=ask.sdp, turn=turn
        )
        answer = await self._bus.request(HEADSET_OFFER, question, timeout_s=MEDIA_S)
        if isinstance(answer, Fault):
            logger.info("media did not answer a headset: %s %s", answer.reason, answer.text)
            return self._whip.answered(ask, None, TROUBLES.get(answer.reason, "away"))
        response = self._whip.answered(ask, answer.sdp)
        if response.status == 201:
            self._live[ask.session] = Headset(
                device=lease.device,
                name=lease.name,
                digits=lease.digits,
                since_utc=time.time(),
                camera=answer.camera,
                outside=turn is not None,
            )
        self._sweep()
        if response.status == 201:
            self.on_session(lease.device, True)
        return response

    async def _ended(self, message: HeadsetEnded, keys: dict[str, str]) -> None:
        for core in self._cores:
            core.ended(message.peer)
        self._sweep()

    async def _service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        """A media process that was restarted has no connection any more."""
        if status.service != "media":
            return
        gone = status.state == "stopped" or self._media not in {"", status.instance}
        self._media = status.instance
        if gone:
            for core in self._cores:
                core.all_ended()
            self._sweep()

    def _lease_ended(self, lease: Lease) -> None:
        for core in self._cores:
            core.lease_ended(lease)
        self._sweep()
        task = asyncio.get_running_loop().create_task(self._carry_out())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _carry_out(self) -> None:
        """Tell media what came out of it."""
        while (order := self._whip.next_order() or self._whep.next_order()) is not None:
            if isinstance(order, Trickle):
                for candidate in order.candidates:
                    message = HeadsetCandidate(peer=order.session, candidate=candidate[:1000])
                    await self._bus.publish(HEADSET_CANDIDATE, message)
            else:
                await self._bus.publish(HEADSET_CLOSE, HeadsetClose(peer=order.session))
        self._sweep()

    def _sweep(self) -> None:
        """What is shown follows the sessions that stand."""
        standing = self._whip.sessions
        gone = [one for token, one in self._live.items() if token not in standing]
        kept = {token: one for token, one in self._live.items() if token in standing}
        # A device's name or digits may have changed with a new lease.
        self._live = {
            token: msgspec.structs.replace(
                one, name=standing[token].lease.name, digits=standing[token].lease.digits
            )
            for token, one in kept.items()
        }
        for one in gone:
            if not self.camera_of(one.device):
                self.on_session(one.device, False)
        self._changed()


def _new_token() -> str:
    """Part of a session's URL."""
    return secrets.token_urlsafe(24)
