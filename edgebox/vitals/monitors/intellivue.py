"""Philips IntelliVue: the conversation, and what it says (guide 4535 642 59271). No I/O.

Theory of operation. We ask for an association; the monitor accepts and reports that its MDS was
created, which we confirm. Then it is asked by extended polls to send values each second, waves
every 256 ms and its alarms, for POLL_LASTS_S at a time; renewed before that ends. A small single
poll every KEEP_ALIVE_S keeps the association, which the monitor ends after 10 s without a word.
What is not answered is asked again; when nothing comes for SILENT_S we associate anew. A monitor
that still holds an association of ours, from before a restart, aborts it and takes the next.

Values carry their own state bits; times are the monitor's own, as absolute time of each result:
intellivue_results.py. Over UDP a message is a datagram, over a line a frame (intellivue_frame.py).
"""

from datetime import tzinfo

from edgebox.observation import Incident, Observation, clean
from edgebox.vitals.monitors import intellivue_wire as wire
from edgebox.vitals.monitors.intellivue_results import Results
from edgebox.vitals.monitors.intellivue_wire import TICKS_PER_S, Cursor

ASK_AGAIN_S = 3.0
KEEP_ALIVE_S = 4.0
POLL_LASTS_S = 60.0
POLL_AGAIN_S = 45.0
SILENT_S = 10.0
MODEL = 0x0928
WAVE_LABELS = (
    0x00020102,
    0x00020101,
    0x0002013D,
    0x0002013E,
    0x0002013F,
    0x00020140,
    *range(0x00020103, 0x00020109),
    0x00024BB4,
    0x00024A14,
    0x000250AC,
    0x00025000,
)
"""II, I, III, aVR, aVL, aVF, V1 to V6, pleth, arterial pressure, CO2, breathing."""


class IntelliVue:
    """One monitor."""

    def __init__(self, device: str, zone: tzinfo, *, waves: bool, now: float):
        """`device`: the monitor's id here. `zone`: of its clock. `waves`: ask for them."""
        self._device = device
        self._waves = waves
        self._out: list[bytes] = []
        self._found: list[Observation] = []
        self._results = Results(device, zone)
        self._associated = False
        self._invoke_id = 0
        self._ask_at = now
        self._alive_at = now
        self._poll_at = now
        self._heard_at = now
        self.name = ""
        """Maker and model."""

    # In

    def receive(self, message: bytes, now: float, now_utc: float) -> None:
        """One message. Raises RemoteProtocolError; nothing of a damaged one is reported."""
        decoded = wire.decode(message)
        self._heard_at = now
        match decoded:
            case wire.Association():
                self._handle_association(decoded, now, now_utc)
            case wire.Created():
                self._out.append(wire.confirm(decoded))
                self._name_it(decoded.attributes)
                self._start_polls(now)
            case wire.PollResult():
                self._found += self._results.read(decoded, now, now_utc)

    def handle_timeout(self, now: float) -> None:
        """Call at `next_timeout`."""
        if not self._associated:
            if now >= self._ask_at:
                self._ask_at = now + ASK_AGAIN_S
                self._out.append(wire.associate())
            return
        if now >= self._heard_at + SILENT_S:
            self._lose(now)
            return
        if now >= self._poll_at:
            self._start_polls(now)
        elif now >= self._alive_at:
            self._alive_at = now + KEEP_ALIVE_S
            self._out.append(wire.poll(self._next_id(), 1, wire.MDS, wire.GROUP_IDENTITY))

    def next_timeout(self) -> float:
        """When something is due that no message brings about."""
        if not self._associated:
            return self._ask_at
        return min(self._poll_at, self._alive_at, self._heard_at + SILENT_S)

    def messages_to_send(self) -> list[bytes]:
        """Taken once."""
        out, self._out = self._out, []
        return out

    def observations(self) -> list[Observation]:
        """Taken once."""
        found, self._found = self._found, []
        return found

    def leave(self) -> bytes:
        """What to send before we go, so that the monitor takes the next association at once."""
        self._associated = False
        return wire.release()

    # Conversation

    def _handle_association(self, message: wire.Association, now: float, now_utc: float) -> None:
        match message.kind:
            case wire.ACCEPT:
                self._associated = True
                self._results.clear()
                self._poll_at = now + ASK_AGAIN_S  # if it should not say that it was created
                self._alive_at = now + KEEP_ALIVE_S
            case wire.RELEASE:
                self._out.append(wire.released())
                self._end(now, now_utc, "the monitor ended the association")
            case wire.ABORT:
                self._end(now, now_utc, "the monitor broke off the association")
            case wire.REFUSE:
                self._end(now, now_utc, "the monitor refused the association")
            case wire.RELEASED:
                self._associated = False

    def _end(self, now: float, now_utc: float, why: str) -> None:
        if self._associated:
            self._found.append(
                Incident(
                    device=self._device,
                    received_utc=now_utc,
                    source_utc=None,
                    what="restarted",
                    text=why,
                )
            )
        self._lose(now)

    def _lose(self, now: float) -> None:
        self._associated = False
        self._ask_at = now + ASK_AGAIN_S
        self._results.forget_alarms()

    def _start_polls(self, now: float) -> None:
        self._poll_at = now + POLL_AGAIN_S
        self._alive_at = now + KEEP_ALIVE_S
        ticks = int(POLL_LASTS_S * TICKS_PER_S)
        if self._waves:
            self._out.append(wire.choose_waves(self._next_id(), WAVE_LABELS))
            self._out.append(wire.poll_extended(self._next_id(), 3, wire.WAVE, ticks))
        self._out.append(wire.poll_extended(self._next_id(), 2, wire.NUMERIC, ticks))
        self._out.append(
            wire.poll_extended(self._next_id(), 4, wire.ALERT_MONITOR, ticks, wire.GROUP_ALARMS)
        )

    def _next_id(self) -> int:
        self._invoke_id = (self._invoke_id + 1) & 0xFFFF
        return self._invoke_id

    def _name_it(self, attributes: tuple[wire.Attribute, ...]) -> None:
        for attribute in attributes:
            if attribute.id == MODEL:
                cursor = Cursor(attribute.value)
                maker, model = cursor.block().rest(), cursor.block().rest()
                text = b" ".join((maker, model)).replace(b"\x00", b"").decode("ascii", "replace")
                self.name = " ".join(clean(text).split())
