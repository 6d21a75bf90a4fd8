"""HL7 v2 messages of monitors: ORU^R01 (IHE PCD-01, waves as in IHE WCM), ORU^R40 (IHE PCD-04).

No I/O. mllp.py cuts the messages out of the stream; who owns the connection stores what `read`
returns and only then sends the reply that `acknowledge` makes.

A message is a list of segments, a segment a list of fields, parted by the characters its MSH names:
field |, component ^, repetition ~, escape \\, subcomponent & (HL7 v2.6, chapter 2.5, 2.7).

Alarms (R40) are relayed as text, in the monitor's own words. The patient's identity (PID, PV1) is
not read: it belongs to the monitor, and this box shows what is in front of it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.observation import (
    SAMPLES_MAX,
    WITHOUT_VALUE,
    Alarm,
    Numeric,
    Observation,
    Validity,
    Wave,
    clean,
    known_time,
    pack_samples,
    worst,
)
from edgebox.vitals import nomenclature

SEGMENTS_MAX = 2000
WAVES_MAX = 64
"""In one OBR: each is looked for its facets among all OBX."""
NO_VALUE = frozenset({-999.0, -100.0, -99.9})
"""What monitors send in place of a value that they do not have; and -1, see `_is_sentinel`."""
GAP_SAMPLE = 32767
EXACT = 2**31
"""Samples are whole numbers below this, after scaling."""
VALIDITY_OF_FLAG: dict[str, Validity] = {
    "INV": "invalid",
    "NAV": "unavailable",
    "OFF": "unavailable",
    "QUES": "questionable",
    "EARLY": "questionable",
    "CALB": "calibrating",
    "TEST": "test",
    "DEMO": "demo",
}
"""OBX-8 (IHE PCD TF-2, appendix B.8). Flags of alarms and limits say nothing about validity."""
VALIDITY_OF_STATUS: dict[str, Validity] = {
    "D": "invalid",
    "W": "invalid",
    "X": "unavailable",
    "I": "unavailable",
    "N": "unavailable",
    "O": "unavailable",
}
"""OBX-11 (HL7 table 0085)."""
TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)?(\d\d)?(?:\.?(\d{1,6})\d*)?)?([+-]\d{4})?")
NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,12})?|\.\d{1,12})([eE][+-]?\d{1,2})?")
CHARSETS = {"8859/1": "latin-1", "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8", "ASCII": "ascii"}


@dataclass(frozen=True)
class Obx:
    """One OBX segment, fields by their number."""

    fields: Sequence[str]
    parts: "Separators"

    def text(self, number: int) -> str:
        """A field as it stands."""
        return self.fields[number] if number < len(self.fields) else ""

    def part(self, number: int, component: int) -> str:
        """A component, from 1, unescaped."""
        found = self.text(number).split(self.parts.repetition)[0].split(self.parts.component)
        return self.parts.unescape(found[component - 1]) if component <= len(found) else ""

    @property
    def code(self) -> int:
        """Of OBX-3, if it is a number."""
        return _whole(self.part(3, 1))

    @property
    def name(self) -> str:
        """Of OBX-3."""
        return clean(self.part(3, 2) or self.part(3, 1))


@dataclass(frozen=True)
class Separators:
    """MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    def unescape(self, text: str) -> str:
        """F, S, T, R, E between escapes (2.7.1); others, such as formatting, are dropped."""
        if self.escape not in text:
            return text
        found = {
            "F": self.field,
            "S": self.component,
            "T": self.subcomponent,
            "R": self.repetition,
            "E": self.escape,
        }
        mark = re.escape(self.escape)
        return re.sub(f"{mark}([^{mark}]*){mark}", lambda m: found.get(m[1], ""), text)


@dataclass
class Message:
    """A message taken apart, before it is understood."""

    parts: Separators
    segments: list[list[str]]
    header: list[str] = field(init=False)
    """MSH, such that header[9] is MSH-9."""

    def __post_init__(self) -> None:
        self.header = ["MSH", self.parts.field, *self.segments[0][1:]]

    def msh(self, number: int) -> str:
        """A field of the header as it stands."""
        return self.header[number] if number < len(self.header) else ""

    @property
    def kind(self) -> tuple[str, str]:
        """Message code and trigger event; the structure (MSH-9.3) is left out by many."""
        found = [*self.msh(9).split(self.parts.component), "", ""]
        return found[0], found[1]

    @property
    def digest(self) -> bytes:
        """The same for a message that is sent again: sender, control id and content."""
        text = "\r".join("|".join(segment) for segment in self.segments)
        return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()

    @property
    def device(self) -> str:
        """Who sends: MSH-3, and what it is by OBX-18 or MSH-4 is left to the technician."""
        return clean(self.msh(3).split(self.parts.component)[0])


def parse(data: bytes) -> Message:
    """Take a message apart. Raises RemoteProtocolError."""
    if not data.startswith(b"MSH") or len(data) < 8:
        raise RemoteProtocolError("no MSH at the beginning")
    lines = _decode(data).replace("\r\n", "\r").replace("\n", "\r").split("\r")
    lines = [line for line in lines if line.strip()]
    if len(lines) > SEGMENTS_MAX:
        raise RemoteProtocolError("too many segments")
    marks = lines[0][3:8] if lines and lines[0].startswith("MSH") else ""
    if len(marks) < 5:
        raise RemoteProtocolError("MSH names no separators")
    end = marks[1:].find(marks[0])
    used = marks[: end + 1] if end > 0 else marks
    if len(used) < 3 or len(set(used)) != len(used) or any(c.isalnum() for c in used):
        raise RemoteProtocolError("MSH names no separators")
    parts = Separators(*used)
    message = Message(parts, [line.split(parts.field) for line in lines])
    if not message.kind[0].isalnum():
        raise RemoteProtocolError("MSH says no message type")
    return message


class Reader:
    """Messages of one monitor. Holds what must outlive a message: where each wave is."""

    def __init__(self, device: str, zone: tzinfo):
        """`device`: the monitor's id. `zone`: of its clock where it does not say."""
        self._device = device
        self._zone = zone
        self._waves: dict[tuple[int, str, str], tuple[float | None, int]] = {}
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
        for request, obxs in _groups(message):
            times = _Times(
                self._time(_field(request, 7)), self._time(_field(request, 8)), received_utc
            )
            arrays = [obx for obx in obxs if obx.text(2) == "NA"]
            waves = arrays[:WAVES_MAX]
            self.unreadable += len(arrays) - len(waves)
            for obx in waves:
                try:
                    found.append(self._wave(obx, obxs, times))
                except RemoteProtocolError:
                    self.unreadable += 1
            values = [obx for obx in obxs if obx.text(2) in {"NM", "SN"}]
            values = [obx for obx in values if not _is_facet(obx, waves)]
            repeated = Counter((obx.code, obx.name) for obx in values)
            for obx in values:
                channel = obx.text(4) if repeated[obx.code, obx.name] > 1 else ""
                found.append(self._numeric(obx, channel, times))
        return found

    def _numeric(self, obx: Obx, channel: str, times: "_Times") -> Numeric:
        known = nomenclature.term(obx.code, obx.name)
        value = _number(obx.part(5, 2) if obx.text(2) == "SN" else obx.part(5, 1))
        validity = worst([*_flags(obx), *_value_validity(value, known, obx)])
        own_time = self._time(obx.text(14))
        marks = (obx.text(number).upper() for number in (3, 4, 13, 17))
        return Numeric(
            device=self._device,
            received_utc=times.received_utc,
            source_utc=own_time if own_time is not None else times.start_utc,
            code=known.code,
            name=clean(known.name),
            unit=nomenclature.ucum(_whole(obx.part(6, 1)), obx.part(6, 2) or obx.part(6, 1))
            or known.unit,
            value=None if validity in WITHOUT_VALUE else value,
            validity=validity,
            loinc=known.loinc,
            label=obx.name,
            channel=clean(channel),
            episodic=known.episodic or any("APERIODIC" in mark for mark in marks),
        )

    def _wave(self, obx: Obx, others: Sequence[Obx], times: "_Times") -> Wave:
        raw = [
            _number(sample)
            for repetition in obx.text(5).split(obx.parts.repetition)
            for sample in repetition.split(obx.parts.component)
        ]
        if not 0 < len(raw) <= SAMPLES_MAX or raw.count(None) == len(raw):
            raise RemoteProtocolError("a wave without samples, or with too many")
        facets = {one.name: one for one in others if _belongs(one, obx)}
        start_utc = self._time(obx.text(14))
        start_utc = start_utc if start_utc is not None else times.start_utc
        rate_hz = _value_of(facets.get("MDC_ATTR_SAMP_RATE"))
        if rate_hz is None and times.start_utc is not None and times.end_utc is not None:
            lasts_s = times.end_utc - times.start_utc
            rate_hz = round(len(raw) / lasts_s, 3) if lasts_s > 0 else None
        if rate_hz is None or not 0.1 <= rate_hz <= 100_000:
            raise RemoteProtocolError("a wave without a sample rate")
        resolution = facets.get("MDC_ATTR_NU_MSMT_RES")
        samples, scale = _scaled(raw, _value_of(resolution), _value_of(facets.get("MDC_EVT_INOP")))
        of_unit = resolution if resolution is not None and resolution.text(6) else obx
        known = nomenclature.term(obx.code, obx.name)
        key = (obx.code, obx.name, obx.text(4))
        return Wave(
            device=self._device,
            received_utc=times.received_utc,
            source_utc=start_utc,
            code=known.code,
            name=clean(known.name),
            unit=nomenclature.ucum(
                _whole(of_unit.part(6, 1)), of_unit.part(6, 2) or of_unit.part(6, 1)
            ),
            rate_hz=rate_hz,
            scale=scale,
            offset=0.0,
            first=self._first(key, start_utc, rate_hz, len(samples)),
            samples=pack_samples(samples),
            validity=worst(one for one in _flags(obx) if one != "unavailable"),
            label=obx.name,
            channel=clean(obx.text(4)),
        )

    def _first(
        self, key: tuple[int, str, str], start_utc: float | None, rate_hz: float, count: int
    ) -> int:
        """Number of the first sample: after the last one, plus what the times say is missing."""
        end_utc, following = self._waves.get(key, (None, 0))
        if start_utc is None:
            self._waves[key] = (None, following + count)
            return following
        if end_utc is not None and (missing := round((start_utc - end_utc) * rate_hz)) > 1:
            following += min(missing, 2**40)
        if len(self._waves) > 1000:
            self._waves.clear()
        self._waves[key] = (start_utc + count / rate_hz, following + count)
        return following

    def _read_alarms(self, message: Message, received_utc: float) -> list[Observation]:
        alarms: list[Observation] = []
        for request, obxs in _groups(message):
            at_utc = self._time(_field(request, 7))
            said = {obx.name: obx.part(5, 1) or obx.part(5, 2) for obx in obxs}
            texts = [obx for obx in obxs if obx.text(5) and "_EVT_" in obx.name]
            texts = texts or [obx for obx in obxs if obx.text(5) and obx.text(2) in {"ST", "TX"}]
            if not texts:
                continue
            words = texts[0].part(5, 2) or texts[0].part(5, 1)
            identity = _field(request, 3).split(message.parts.component)[0]
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


def read_time(text: str, zone: tzinfo) -> float | None:
    """An HL7 time (DTM, 2.A.22) as seconds since 1970; `zone` where it names none; None if bad."""
    found = TIME.fullmatch(text.strip())
    if found is None or found[3] is None:
        return None
    year, month, day, hour, minute, second = (int(found[n] or 0) for n in range(1, 7))
    micro = int((found[7] or "0").ljust(6, "0"))
    try:
        where = _offset(found[8]) if found[8] else zone
        moment = datetime(year, month, day, hour, minute, second, micro, where)
        return known_time(moment.timestamp())
    except (ValueError, OverflowError):
        return None


def write_time(at_utc: float) -> str:
    """In UTC, with milliseconds and zone."""
    moment = datetime.fromtimestamp(at_utc, UTC)
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03d}+0000"


Verdict = Literal["accepted", "error", "rejected"]


def acknowledge(message: Message, verdict: Verdict, now_utc: float, text: str = "") -> bytes:
    """The reply: original mode (AA, AE, AR) or, if MSH-15 asks for it, a commit (CA, CE, CR).

    HL7 v2.6, 2.9.2 and 2.9.3. `text` stands in MSA-3 for the technician.
    """
    parts = message.parts
    enhanced = message.msh(15) in {"AL", "SU", "ER"}
    letter = {"accepted": "A", "error": "E", "rejected": "R"}[verdict]
    code = ("C" if enhanced else "A") + letter
    event = message.kind[1]
    kind = {"R40": ["ORA", "R41", "ORA_R41"]}.get(event, ["ACK", event, "ACK"])
    marks = parts.component + parts.repetition + parts.escape + parts.subcomponent
    header = [
        *("MSH", marks, "EDGEBOX", "", message.msh(3), message.msh(4), write_time(now_utc), ""),
        parts.component.join(kind if kind[0] == "ORA" and not enhanced else ["ACK", event, "ACK"]),
        f"{message.msh(10)[:40]}-A",
        message.msh(11) or "P",
        message.msh(12) or "2.6",
    ]
    answer = ["MSA", code, message.msh(10)[:199]]
    plain = clean(text, 80).translate({ord(c): " " for c in parts.field + marks})
    if plain:
        answer.append(plain)
    lines = [parts.field.join(header), parts.field.join(answer)]
    return "".join(line + "\r" for line in lines).encode("utf-8", "replace")


def wants_reply(message: Message, verdict: Verdict) -> bool:
    """MSH-15 and 16 may say NE (never), SU (successes) or ER (errors)."""
    asked = message.msh(15) or message.msh(16) or "AL"
    if message.msh(15) == "NE" and message.msh(16) not in {"", "NE"}:
        asked = message.msh(16)
    if asked == "NE":
        return False
    if asked == "ER":
        return verdict != "accepted"
    return asked != "SU" or verdict == "accepted"


@dataclass(frozen=True)
class _Times:
    """OBR-7, OBR-8 and when the message came."""

    start_utc: float | None
    end_utc: float | None
    received_utc: float


def _decode(data: bytes) -> str:
    """By MSH-18, else UTF-8, else Latin-1, in which every byte is a letter."""
    fields = data.split(b"\r", 1)[0].split(data[3:4])
    named = fields[17].split(b"~")[0].decode("ascii", "replace") if len(fields) > 17 else ""
    charset = CHARSETS.get(named.strip().upper(), "utf-8")
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _groups(message: Message) -> Iterable[tuple[list[str], list[Obx]]]:
    """Each OBR with the OBX that follow; OBX before any OBR have an empty one."""
    request: list[str] = []
    obxs: list[Obx] = []
    for segment in message.segments[1:]:
        if segment[0] == "OBR":
            if obxs:
                yield request, obxs
            request, obxs = segment, []
        elif segment[0] == "OBX":
            obxs.append(Obx(segment, message.parts))
    if obxs:
        yield request, obxs


def _field(segment: Sequence[str], number: int) -> str:
    return segment[number] if number < len(segment) else ""


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if NUMBER.fullmatch(text) and text.isascii() else None


def _value_of(obx: Obx | None) -> float | None:
    return _number(obx.part(5, 1)) if obx is not None else None


def _belongs(one: Obx, wave: Obx) -> bool:
    """OBX-4 of a facet is that of its wave with one more number (IHE WCM)."""
    return one is not wave and (
        one.text(4) == wave.text(4) or one.text(4).startswith(wave.text(4) + ".")
    )


def _is_facet(obx: Obx, waves: Sequence[Obx]) -> bool:
    """Settings and events are no values, nor is what belongs to a wave."""
    if obx.name.startswith(("MDC_ATTR_", "MDC_EVT_", "MDCX_EVT_")):
        return True
    return any(obx.text(4).startswith(wave.text(4) + ".") for wave in waves if wave.text(4))


def _flags(obx: Obx) -> list[Validity]:
    flags = re.split(r"[~^]", obx.text(8).upper().replace(obx.parts.repetition, "~"))
    found = [VALIDITY_OF_FLAG[flag.strip()] for flag in flags if flag.strip() in VALIDITY_OF_FLAG]
    status = VALIDITY_OF_STATUS.get(obx.text(11).strip().upper())
    return [*found, status] if status is not None else found


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


def _scaled(
    raw: Sequence[float | None], resolution: float | None, inop: float | None
) -> tuple[list[int | None], float]:
    """Whole numbers and the scale that makes values of them again."""
    if resolution is not None and all(one is None or one.is_integer() for one in raw):
        gaps = {GAP_SAMPLE, inop if inop is not None and abs(inop) > 1 else GAP_SAMPLE}
        whole = [None if one is None or one in gaps else int(one) for one in raw]
        scale = resolution
    else:
        scale = next((10.0**-places for places in range(9) if _fits(raw, 10.0**places)), 10.0**-9)
        whole = [None if one is None or one == GAP_SAMPLE else round(one / scale) for one in raw]
        scale *= resolution if resolution is not None else 1.0
    if not 1e-12 < scale < 1e12 or any(one is not None and abs(one) >= EXACT for one in whole):
        raise RemoteProtocolError("a sample out of range")
    return whole, scale


def _fits(raw: Sequence[float | None], factor: float) -> bool:
    return all(one is None or abs(one * factor - round(one * factor)) < 1e-6 for one in raw)


def _phase(said: dict[str, str]) -> str:
    """The event phase, or the state when it says that it is over."""
    state = said.get("MDC_ATTR_ALERT_STATE") or said.get("MDC_ATTR_ALARM_STATE", "")
    return state if state == "inactive" else said.get("MDC_ATTR_EVENT_PHASE", state)


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
