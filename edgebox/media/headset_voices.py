"""What headsets hear: remote help, and nobody near them (sound/mixer.py).

Each device that asks has one connection for it beside the one that it sends on; it was let in by
pairing as for that one (edgebox/headset/whep.py), and ends with its lease.
"""

from collections.abc import Callable
from dataclasses import dataclass

from edgebox.config import Config, parse_address
from edgebox.errors import RemoteProtocolError
from edgebox.media.closing import Closing
from edgebox.media.offer import Allowed, Offer
from edgebox.media.publisher import Call, Connection, OfferRefusedError, TurnUnreachableError
from edgebox.media.sdp import parse_candidate
from edgebox.media.sound.cabin import Cabin
from edgebox.messages.base import Fault
from edgebox.messages.headset import HeadsetCandidate, HeadsetListen, HeadsetVoices
from edgebox.messages.session import TurnCredentials

HEADSETS_MAX = 4
ALLOWED = Allowed(pictures=False, hears=True)


class Way:
    """How a device is reached: on the access point's address alone, or through the relay alone."""

    def __init__(self, config: Config):
        listen = config.headset.listen
        self._host = parse_address(listen)[0] if listen else ""
        self._turn_url = f"turn:{config.media.turn}?transport=udp"

    async def answer(
        self, connection: Connection, offer: Offer, turn: TurnCredentials | None
    ) -> str | Fault:
        """The answer's SDP. `turn`: for a device outside the vehicle."""
        if turn is None and not self._host:
            return Fault(reason="refused", text="no access point is configured")
        try:
            if turn is not None:
                return await connection.answer_through_turn(offer, self._turn_url, turn)
            return await connection.answer_on(offer, self._host)
        except TurnUnreachableError as error:
            return Fault(reason="unreachable", text=str(error)[:200])
        except OfferRefusedError as error:
            return Fault(reason="invalid", text=str(error)[:200])


@dataclass(slots=True)
class _Listener:
    """One connection of a device."""

    device: str
    connection: Connection
    outside: bool


class Listeners:
    """All of them."""

    def __init__(self, way: Way, cabin: Cabin, closing: Closing, ended: Callable[[str], None]):
        """`ended`: this peer's connection is gone."""
        self._way = way
        self._cabin = cabin
        self._closing = closing
        self._ended = ended
        self._listeners: dict[str, _Listener] = {}

    async def offer(self, question: HeadsetListen) -> HeadsetVoices | Fault:
        """Answer it; an earlier connection of the same device ends."""
        try:
            offer = Offer(question.sdp, ALLOWED)
        except RemoteProtocolError as error:
            return Fault(reason="invalid", text=str(error)[:200])
        if not offer.of("sound"):
            return Fault(reason="refused", text="no sound in a format that is known here")
        for peer, old in list(self._listeners.items()):
            if old.device == question.device or peer == question.peer:
                self._drop(peer)
        voice = None
        if len(self._listeners) < HEADSETS_MAX:
            voice = self._cabin.join(hears=True, speaks=False, near=True)
        if voice is None:
            return Fault(reason="busy", text=f"{HEADSETS_MAX} headsets listen already")
        connection = Connection([], self._update, call=Call(voice))
        listener = _Listener(question.device, connection, question.turn is not None)
        self._listeners[question.peer] = listener
        answer = await self._way.answer(connection, offer, question.turn)
        if isinstance(answer, Fault):
            self._drop(question.peer)
            return answer
        if self._listeners.get(question.peer) is not listener:
            return Fault(reason="refused", text="closed or replaced meanwhile")
        return HeadsetVoices(sdp=answer)

    async def candidate(self, message: HeadsetCandidate) -> None:
        """Only from outside, as for what a headset sends."""
        listener = self._listeners.get(message.peer)
        candidate = parse_candidate(message.candidate)
        if listener is not None and candidate is not None and listener.outside:
            await listener.connection.add_candidate(candidate)

    def close(self, peer: str) -> None:
        """They hear nothing more, from this moment."""
        self._drop(peer)

    def finish(self) -> None:
        """At the end of the service."""
        for peer in list(self._listeners):
            self._drop(peer)

    def _update(self) -> None:
        for peer, listener in list(self._listeners.items()):
            if listener.connection.state == "closed":
                self._drop(peer)

    def _drop(self, peer: str) -> None:
        listener = self._listeners.pop(peer, None)
        if listener is not None:
            self._closing.start(listener.connection)
            self._ended(peer)
