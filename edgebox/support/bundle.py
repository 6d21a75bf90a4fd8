"""The bundle: what a technician needs to know of a box, redacted, as one .tar.gz.

    about.json      version, box, when, how long it took, what could not be had
    config.toml     the configuration in effect, without secrets
    selftest.json   the last self-tests, newest first
    links.csv       how each link was, a row a minute, for a fortnight
    state.json      what the services say of themselves now; nobody's name, no values of a patient
    system/*.txt    what programs and files of the operating system say (sources.py)
    logs/*.txt      the journal of our units and of those they need, and the kernel's warnings

Each text is redacted before it is put in (redact.py), and is bounded; so are the time it takes and
the whole. Sources that are missing, refuse, hang or write without end are named in about.json.
"""

import asyncio
import csv
import gzip
import io
import tarfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec

import edgebox
from edgebox.support import sources
from edgebox.support.effective import effective
from edgebox.support.history import History, LinkMinute
from edgebox.support.known import redactor_for
from edgebox.support.redact import Redactor
from edgebox.support.surroundings import Surroundings

ROWS_MAX = 20_000
"""Of link history."""
ALL_MAX = 4_000_000
"""Bytes of all texts together, before they are packed; what does not fit is named."""
TIME_S = 60.0
TESTS_SHOWN = 30
FORTNIGHT_S = 14 * 86_400.0
QUOTED = '"'


@dataclass
class _Contents:
    """Texts by name, redacted, and what is missing."""

    texts: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def put(self, name: str, text: str) -> None:
        """What does not fit any more is left out and named."""
        size = len(text.encode())
        if self.size + size > ALL_MAX:
            self.missing[name] = "no room left"
            return
        self.size += size
        self.texts[name] = text


async def make_bundle(here: Surroundings, history: History) -> bytes:
    """The archive; takes TIME_S at most, whatever hangs."""
    began_at = time.monotonic()
    redactor = redactor_for(here.config, here.heard)
    contents = _Contents()
    _put_own(contents, here, history, redactor)
    left_s = TIME_S / 2
    try:
        async with asyncio.timeout(left_s):
            await _put_system(contents, here, redactor)
    except TimeoutError:
        contents.missing["system"] = f"not all within {left_s:g} s"
    try:
        async with asyncio.timeout(TIME_S - (time.monotonic() - began_at)):
            await _put_logs(contents, here, redactor)
    except TimeoutError:
        contents.missing["logs"] = f"not all within {TIME_S:g} s"
    about = {
        "version": edgebox.__version__,
        "box": here.config.box.id,
        "made_utc": round(time.time()),
        "took_s": round(time.monotonic() - began_at, 1),
        "missing": contents.missing,
    }
    contents.texts["about.json"] = _json(redact_values(about, redactor))
    return await asyncio.to_thread(_pack, contents.texts)


def _put_own(contents: _Contents, here: Surroundings, history: History, redactor: Redactor) -> None:
    """What is ours is numbers and texts apart: only the texts need to be redacted."""
    contents.put("config.toml", redact_quoted(effective(here.config), redactor))
    tests = msgspec.to_builtins(history.tests(TESTS_SHOWN))
    contents.put("selftest.json", _json(redact_values(tests, redactor)))
    contents.put("state.json", _json(redact_values(sources.state(here, time.time()), redactor)))
    minutes = history.links(time.time() - FORTNIGHT_S)
    contents.put("links.csv", _csv(minutes, redactor))


async def _put_system(contents: _Contents, here: Surroundings, redactor: Redactor) -> None:
    for name, read in sources.system(here).items():
        await _put(contents, f"system/{name}.txt", read, redactor.text)


async def _put_logs(contents: _Contents, here: Surroundings, redactor: Redactor) -> None:
    for name, read in sources.logs(here).items():
        await _put(contents, f"logs/{name}.txt", read, redactor.log)


async def _put(
    contents: _Contents,
    name: str,
    read: Callable[[], Awaitable[bytes | None]],
    redact: Callable[[str], str],
) -> None:
    try:
        found = await read()
    except OSError as error:
        found, contents.missing[name] = None, str(error.strerror)
    if found is None:
        contents.missing.setdefault(name, "missing, refused or too slow")
        return
    text = found.decode(errors="replace")
    contents.put(name, await asyncio.to_thread(redact, text))


def redact_values(value: object, redactor: Redactor) -> object:
    """Every text in it, also in what it holds; numbers are ours and stay."""
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {str(key): redact_values(one, redactor) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(one, redactor) for one in value]
    return value


def redact_quoted(toml: str, redactor: Redactor) -> str:
    """The texts of a TOML file of ours, whose strings all stand between quotes on one line."""
    lines = []
    for line in toml.splitlines():
        key, equals, value = line.partition(" = ")
        if equals and QUOTED in value:
            value = _json_line(redact_values(msgspec.json.decode(value), redactor))
        lines.append(f"{key}{equals}{value}")
    return "\n".join(lines) + "\n"


def _csv(minutes: list[LinkMinute], redactor: Redactor) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(LinkMinute.__struct_fields__)
    for one in minutes[-ROWS_MAX:]:
        row = msgspec.to_builtins(one)
        writer.writerow(
            [redactor.text(value) if isinstance(value, str) else value for value in row.values()]
        )
    return out.getvalue()


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"


def _json_line(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _pack(texts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file,
        tarfile.open(fileobj=file, mode="w") as archive,
    ):
        for name, text in sorted(texts.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"edgebox/{name}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, round(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
