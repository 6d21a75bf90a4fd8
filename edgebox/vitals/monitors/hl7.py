"""HL7 v2 messages of monitors: ORU^R01 (IHE PCD-01, waves as in IHE WCM), ORU^R40 (IHE PCD-04).

No I/O. mllp.py cuts the messages out of the stream, hl7_message.py takes them apart; who owns the
connection stores what `read` returns and only then sends the reply that `acknowledge` makes.

Alarms (R40) are relayed as text, in the monitor's own words. The patient's identity (PID, PV1) is
not read: it belongs to the monitor, and this box shows what is in front of it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import WITHOUT_VALUE, Alarm, Numeric, Observation, Validity, clean, worst
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.hl7_message import (
    Message,
    Obx,
    field_of,
    groups,
    number,
    read_time,
    whole,
)
from edgebox.vitals.monitors.hl7_waves import Times, Waves, flags_of

WAVES_MAX = 64
"""In one OBR: each is looked for its facets among all OBX."""
NO_VALUE = frozenset({-999.0, -100.0, -99.9})
"""What monitors send in place of a value that they do not have; and -1, see `_minus_one`."""


class Reader:
    """Messages of one monitor. Holds what must outlive a message: where each wave is."""

    def __init__(self, device: str, zone: tzinfo):
        """`device`: the monitor's id. `zone`: of its clock where it does not say."""
        self._device = device
        self._zone = zone
        self._waves = Waves(device, zone)
        self.unreadable = 0
        """Waves without samples or rate, or too many, in messages that were good otherwise."""

    def read(self, message: Message, received_utc: float) -> list[Observation]:
        """What it says. Raises RemoteProtocolError for a message nothing can be read from."""
        kind = message.kind
        if kind[0] != "ORU":
            raise RemoteProtocolError(f"not for a monitor's listener: {kind[0][:8]}")
        if kind[1] == "R40":
            return self._read_alarms(message, received_utc)
        return self._read_values(message, received_utc)

    def _read_values(self, message: Message, received_utc: float) -> list[Observation]:
        found: list[Observation] = []
        for request, obxs in groups(message):
            times = Times(
                self._time(field_of(request, 7)), self._time(field_of(request, 8)), received_utc
            )
            arrays = [obx for obx in obxs if obx.text(2) == "NA"]
            waves = arrays[:WAVES_MAX]
            self.unreadable += len(arrays) - len(waves)
            for obx in waves:
                try:
                    found.append(self._waves.read(obx, obxs, times))
                except RemoteProtocolError:
                    self.unreadable += 1
            values = [obx for obx in obxs if obx.text(2) in {"NM", "SN"}]
            values = [obx for obx in values if not _is_facet(obx, waves)]
            repeated = Counter((obx.code, obx.name) for obx in values)
            for obx in values:
                channel = obx.text(4) if repeated[obx.code, obx.name] > 1 else ""
                found.append(self._numeric(obx, channel, times))
        return found

    def _numeric(self, obx: Obx, channel: str, times: Times) -> Numeric:
        known = nomenclature.term(obx.code, obx.name)
        value = number(obx.part(5, 2) if obx.text(2) == "SN" else obx.part(5, 1))
        validity = worst([*flags_of(obx), *_value_validity(value, known, obx)])
        own_time = self._time(obx.text(14))
        marks = (obx.text(number).upper() for number in (3, 4, 13, 17))
        return Numeric(
            device=self._device,
            received_utc=times.received_utc,
            source_utc=own_time if own_time is not None else times.start_utc,
            code=known.code,
            name=clean(known.name),
            unit=nomenclature.ucum(whole(obx.part(6, 1)), obx.part(6, 2) or obx.part(6, 1))
            or known.unit,
            value=None if validity in WITHOUT_VALUE else value,
            validity=validity,
            loinc=known.loinc,
            label=obx.name,
            channel=clean(channel),
            episodic=known.episodic or any("APERIODIC" in mark for mark in marks),
        )

    def _read_alarms(self, message: Message, received_utc: float) -> list[Observation]:
        alarms: list[Observation] = []
        for request, obxs in groups(message):
            at_utc = self._time(field_of(request, 7))
            said = {obx.name: obx.part(5, 1) or obx.part(5, 2) for obx in obxs}
            texts = [obx for obx in obxs if obx.text(5) and "_EVT_" in obx.name]
            texts = texts or [obx for obx in obxs if obx.text(5) and obx.text(2) in {"ST", "TX"}]
            if not texts:
                continue
            words = texts[0].part(5, 2) or texts[0].part(5, 1)
            identity = field_of(request, 3).split(message.parts.component)[0]
            alarms.append(
                Alarm(
                    device=self._device,
                    received_utc=received_utc,
                    source_utc=self._time(texts[0].text(14)) or at_utc,
                    text=clean(words, 500),
                    priority=clean(said.get("MDC_ATTR_ALARM_PRIORITY", "")),
                    state=clean(_phase(said)),
                    alarm=clean(identity),
                    origin=clean(said.get("MDC_ATTR_ALERT_SOURCE", "")),
                )
            )
        if not alarms:
            raise RemoteProtocolError("an alarm without a text")
        return alarms

    def _time(self, text: str) -> float | None:
        """YYYY[MM[DD[HH[MM[SS[.s]]]]]][+-ZZZZ] as seconds since 1970; None if it is none."""
        return read_time(text, self._zone)


def _is_facet(obx: Obx, waves: Sequence[Obx]) -> bool:
    """Settings and events are no values, nor is what belongs to a wave."""
    if obx.name.startswith(("MDC_ATTR_", "MDC_EVT_", "MDCX_EVT_")):
        return True
    return any(obx.text(4).startswith(wave.text(4) + ".") for wave in waves if wave.text(4))


def _value_validity(value: float | None, known: nomenclature.Term, obx: Obx) -> list[Validity]:
    if value is None or value in NO_VALUE:
        return ["unavailable"]
    if value == -1.0:
        return _minus_one(known, obx)
    return []


def _minus_one(known: nomenclature.Term, obx: Obx) -> list[Validity]:
    """No value where nothing can be negative; a venous pressure of -1 is one."""
    if not known.may_be_negative:
        return ["unavailable"]
    return [] if nomenclature.is_known(obx.code, obx.name) else ["questionable"]


def _phase(said: dict[str, str]) -> str:
    """The event phase, or the state when it says that it is over."""
    state = said.get("MDC_ATTR_ALERT_STATE") or said.get("MDC_ATTR_ALARM_STATE", "")
    return state if state == "inactive" else said.get("MDC_ATTR_EVENT_PHASE", state)
