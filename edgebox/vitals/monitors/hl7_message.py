"""HL7 v2 messages as text: taken apart, read as far as all are alike, answered. No I/O.

A message is a list of segments, a segment a list of fields, parted by the characters its MSH names:
field |, component ^, repetition ~, escape \\, subcomponent & (HL7 v2.6, chapter 2.5, 2.7).
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.observation import clean, known_time

SEGMENTS_MAX = 2000
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
        return whole(self.part(3, 1))

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


def _decode(data: bytes) -> str:
    """By MSH-18, else UTF-8, else Latin-1, in which every byte is a letter."""
    fields = data.split(b"\r", 1)[0].split(data[3:4])
    named = fields[17].split(b"~")[0].decode("ascii", "replace") if len(fields) > 17 else ""
    charset = CHARSETS.get(named.strip().upper(), "utf-8")
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def groups(message: Message) -> Iterable[tuple[list[str], list[Obx]]]:
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


def field_of(segment: Sequence[str], number: int) -> str:
    """A field of a segment; empty if it ends before."""
    return segment[number] if number < len(segment) else ""


def whole(text: str) -> int:
    """A code; 0 if it is none."""
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


def number(text: str) -> float | None:
    """An NM; None if it is none."""
    text = text.strip()
    return float(text) if NUMBER.fullmatch(text) and text.isascii() else None


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
