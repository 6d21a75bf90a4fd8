"""What the box's services logged: from systemd's journal, or from files where there is none.

journalctl(1), systemd.journal-fields(7), "Journal JSON Format". What is in the journal is as
hostile as whatever once reached a service: it may be binary, endless and full of control
characters. A line is cut, made printable and redacted before it goes anywhere.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from edgebox.messages.services import ServiceName
from edgebox.messages.support import JournalLine, JournalPart, ReadJournal
from edgebox.support.surroundings import Surroundings

Redact = Callable[[str], str]
Level = Literal["error", "warning", "info"]

LINES_MAX = 150
"""At once; 1,000 characters each at most."""
TEXT_MAX = 400
LOOK_MAX = 600
"""Entries that are looked through for one answer."""
PRIORITY: dict[Level, str] = {"error": "3", "warning": "4", "info": "6"}
CURSOR = re.compile(r"[A-Za-z0-9=;:,._-]{1,300}")
MICROSECONDS = re.compile(r"[0-9]{1,17}")
FILE_LOOK_BYTES = 64 * 1024
FILE_LINE = re.compile(rb"\d\d:\d\d:\d\d \S+ +(?P<level>[A-Z]+) +(?P<text>.*)")
FILE_LEVELS: dict[bytes, Level] = {
    b"ERROR": "error",
    b"CRITICAL": "error",
    b"WARNING": "warning",
}
SERVICES: tuple[ServiceName, ...] = get_args(ServiceName)


class _Record(Struct, frozen=True):
    """The fields that are used. Large or binary ones come as null or as an array of bytes."""

    cursor: str = msgspec.field(name="__CURSOR", default="")
    at_us: str = msgspec.field(name="__REALTIME_TIMESTAMP", default="0")
    priority: str | list[str] | None = msgspec.field(name="PRIORITY", default="6")
    unit: str | list[str] | None = msgspec.field(name="_SYSTEMD_UNIT", default="")
    about: str | list[str] | None = msgspec.field(name="UNIT", default="")
    """What systemd itself speaks of."""
    message: str | list[int | str] | None = msgspec.field(name="MESSAGE", default="")


async def read(
    here: Surroundings, logs: Path | None, question: ReadJournal, redact: Redact
) -> JournalPart:
    """What was asked for, newest last. `logs`: a directory with NAME.log of each service."""
    if question.after and not CURSOR.fullmatch(question.after):
        return JournalPart(lines=(), after="", missing="no such place in the journal")
    if logs is not None:
        return _read_files(logs, question, redact)
    units = [question.service] if question.service else list(SERVICES)
    words = [f"--unit=edgebox-{name}.service" for name in units]
    words += ["--output=json", "--no-pager", "--quiet", f"--lines={LOOK_MAX}"]
    words += [
        f"--priority={PRIORITY[question.level]}",
        "--output-fields=MESSAGE,PRIORITY,UNIT,_SYSTEMD_UNIT",
    ]
    # Not --boot alone: what went before a start nobody asked for is what is looked for.
    words += [f"--after-cursor={question.after}"] if question.after else []
    said = await here.run("journalctl", *words)
    if said is None:
        return JournalPart(lines=(), after="", missing="journalctl is missing or does not answer")
    records = [record for line in said.output.splitlines() if (record := _parse(line))]
    if said.code > 0 and not records:
        text = f"journalctl cannot read the journal (exit code {said.code})"
        return JournalPart(lines=(), after=question.after, missing=text)
    after = records[-1].cursor if records else question.after
    lines = (_line(record, redact) for record in records)
    return JournalPart(lines=_wanted(lines, question), after=after)


def _wanted(lines: Iterable[JournalLine], question: ReadJournal) -> tuple[JournalLine, ...]:
    wanted = question.text.casefold()
    return tuple(line for line in lines if wanted in line.text.casefold())[-LINES_MAX:]


def _parse(line: bytes) -> _Record | None:
    """None for a line that is no entry."""
    try:
        return msgspec.json.decode(line, type=_Record)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def _line(record: _Record, redact: Redact) -> JournalLine:
    unit = _first(record.about) or _first(record.unit)
    return JournalLine(
        at_utc=int(record.at_us) / 1e6 if MICROSECONDS.fullmatch(record.at_us) else 0.0,
        service=unit.removeprefix("edgebox-").removesuffix(".service")[:40],
        level=_level(_first(record.priority)),
        text=redact(plain(_text(record.message))),
    )


def _first(value: str | list[str] | None) -> str:
    """A field that an entry has several times comes as an array."""
    if isinstance(value, list):
        return value[0] if value else ""
    return value or ""


def _text(message: str | list[int | str] | None) -> str:
    if message is None:
        return "(too large for the journal)"
    if isinstance(message, str):
        return message
    numbers = [one for one in message if isinstance(one, int) and 0 <= one < 256]
    return bytes(numbers).decode(errors="replace") if numbers else " ".join(map(str, message))


def _level(priority: str) -> Level:
    if priority in {"0", "1", "2", "3"}:
        return "error"
    return "warning" if priority == "4" else "info"


def plain(text: str) -> str:
    """One line of printable characters, TEXT_MAX at most: terminals obey control characters."""
    shown = "".join(one if one.isprintable() else "·" for one in text[: TEXT_MAX + 1])
    return shown if len(shown) <= TEXT_MAX else shown[: TEXT_MAX - 1] + "…"


# Files


def _read_files(directory: Path, question: ReadJournal, redact: Redact) -> JournalPart:
    """`after` holds how far each file was read: name:offset, separated by commas."""
    names: Sequence[ServiceName] = [question.service] if question.service else SERVICES
    offsets = dict(_offsets(question.after))
    lines: list[JournalLine] = []
    seen: list[str] = []
    for name in names:
        path = directory / f"{name}.log"
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                start = min(max(offsets.get(name, 0), size - FILE_LOOK_BYTES), size)
                file.seek(start)
                content = file.read(size - start)
                modified_utc = path.stat().st_mtime
        except OSError:
            continue
        whole = content.rfind(b"\n") + 1
        seen.append(f"{name}:{start + whole}")
        found = (
            _file_line(name, line, modified_utc, redact) for line in content[:whole].splitlines()
        )
        lines.extend(line for line in found if line is not None)
    shown = [line for line in lines if _is_wanted_level(line.level, question.level)]
    missing = "" if seen else "there are no log files"
    return JournalPart(lines=_wanted(shown, question), after=",".join(seen), missing=missing)


def _offsets(after: str) -> Iterable[tuple[str, int]]:
    for part in after.split(","):
        name, _, offset = part.partition(":")
        if offset.isascii() and offset.isdecimal():
            yield name, int(offset)


def _file_line(
    service: str, line: bytes, modified_utc: float, redact: Redact
) -> JournalLine | None:
    found = FILE_LINE.fullmatch(line)
    level = FILE_LEVELS.get(found["level"], "info") if found else "info"
    text = plain(line.decode(errors="replace"))
    if not text.strip():
        return None
    return JournalLine(at_utc=modified_utc, service=service, level=level, text=redact(text))


def _is_wanted_level(level: Level, least: Level) -> bool:
    order: list[Level] = ["info", "warning", "error"]
    return order.index(level) >= order.index(least)
