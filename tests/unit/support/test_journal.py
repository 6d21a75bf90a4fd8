"""What services logged, as hostile as it comes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config import Config
from edgebox.messages.support import ReadJournal
from edgebox.support import journal
from edgebox.support.heard import Heard
from edgebox.support.redact import Redactor
from edgebox.support.surroundings import Surroundings


def same(text: str) -> str:
    return text


def surroundings(directory: Path, output: bytes) -> Surroundings:
    """A machine whose journalctl writes this, and its own arguments into a file."""
    (directory / "out").write_bytes(output)
    program = directory / "journalctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {directory}/args\n/bin/cat {directory}/out\n')
    program.chmod(0o755)
    return Surroundings(Config(), None, Heard(), search=str(directory))  # type: ignore[arg-type]


def entry(message: Any, **more: Any) -> bytes:
    fields = {
        "__CURSOR": "s=1;i=2",
        "__REALTIME_TIMESTAMP": "1700000000500000",
        "PRIORITY": "4",
        "_SYSTEMD_UNIT": "edgebox-media.service",
        "MESSAGE": message,
    }
    return json.dumps(fields | more).encode() + b"\n"


async def test_lines_of_the_journal(tmp_path: Path) -> None:
    here = surroundings(tmp_path, entry("camera lost") + entry("hei", PRIORITY="6"))
    question = ReadJournal(service="media", level="warning", after="s=0;i=1")
    part = await journal.read(here, None, question, same)
    first = part.lines[0]
    assert (first.at_utc, first.service, first.level) == (1_700_000_000.5, "media", "warning")
    assert [line.text for line in part.lines] == ["camera lost", "hei"]
    assert part.after == "s=1;i=2"
    words = (tmp_path / "args").read_text().split()
    assert {"--unit=edgebox-media.service", "--priority=4", "--after-cursor=s=0;i=1"} <= set(words)


async def test_only_lines_with_the_words_asked_for(tmp_path: Path) -> None:
    here = surroundings(tmp_path, entry("Camera lost") + entry("link up"))
    part = await journal.read(here, None, ReadJournal(text="CAMERA"), same)
    assert [line.text for line in part.lines] == ["Camera lost"]


async def test_junk_in_the_journal(tmp_path: Path) -> None:
    """Bytes, escapes of a terminal, lines without end, what is no JSON at all."""
    junk = [
        entry([27, 91, 50, 74, 255]),
        entry("\x1b]0;evil\x07 \u202e rtl"),
        entry("x" * 100_000),
        entry(None),
        entry(["a", "b"], PRIORITY=["3", "4"], _SYSTEMD_UNIT=None),
        b'{"MESSAGE": \n',
        b"\xff\xfe\n",
        entry("ok", __REALTIME_TIMESTAMP="-5"),
    ]
    part = await journal.read(surroundings(tmp_path, b"".join(junk)), None, ReadJournal(), same)
    texts = [line.text for line in part.lines]
    assert texts[0] == "·[2J\ufffd"
    assert texts[1] == "·]0;evil· · rtl"
    assert len(texts[2]) == journal.TEXT_MAX
    assert texts[3:] == ["(too large for the journal)", "a b", "ok"]
    assert all(text.isprintable() for text in texts)


async def test_lines_are_redacted(tmp_path: Path) -> None:
    here = surroundings(tmp_path, entry("password hunter2"))
    part = await journal.read(here, None, ReadJournal(), lambda text: text.replace("hunter2", "*"))
    assert part.lines[0].text == "password *"


@pytest.mark.parametrize("after", ["--output=cat", "a b", "$(id)", "x\ny", "é"])
async def test_no_strange_place_reaches_the_program(tmp_path: Path, after: str) -> None:
    here = surroundings(tmp_path, b"")
    part = await journal.read(here, None, ReadJournal(after=after), same)
    if after != "--output=cat":
        assert part.missing
        assert not (tmp_path / "args").exists()
    else:
        assert "--after-cursor=--output=cat" in (tmp_path / "args").read_text()


async def test_without_journalctl_it_says_so(tmp_path: Path) -> None:
    here = Surroundings(Config(), None, Heard(), search=str(tmp_path))  # type: ignore[arg-type]
    part = await journal.read(here, None, ReadJournal(), same)
    assert part.missing == "journalctl is missing or does not answer"


async def test_log_files_go_on_where_they_were_left(tmp_path: Path) -> None:
    here = surroundings(tmp_path, b"")
    log = tmp_path / "media.log"
    log.write_text("12:00:00 media  INFO    started\n12:00:01 media  WARNING camera lost\nhalf")
    part = await journal.read(here, tmp_path, ReadJournal(), same)
    assert [(line.service, line.level) for line in part.lines] == [
        ("media", "info"),
        ("media", "warning"),
    ]
    with log.open("a") as file:
        file.write(" a line\n12:00:02 media  ERROR   failed\n")
    part = await journal.read(here, tmp_path, ReadJournal(after=part.after, level="error"), same)
    assert [line.text for line in part.lines] == ["12:00:02 media  ERROR   failed"]
    assert (await journal.read(here, tmp_path, ReadJournal(after=part.after), same)).lines == ()


@given(st.binary(max_size=400))
def test_any_line_is_an_entry_or_dropped(line: bytes) -> None:
    record = journal._parse(line)
    if record is not None:
        made = journal._line(record, same)
        assert made.text.isprintable()
        assert len(made.text) <= journal.TEXT_MAX


@given(st.text(max_size=1000))
def test_whatever_is_shown_is_one_printable_line(text: str) -> None:
    shown = journal.plain(text)
    assert shown.isprintable()
    assert len(shown) <= journal.TEXT_MAX


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter2 for lte", "hunter2"),
        ('{"token": "abc123"}', "abc123"),
        ("Authorization: Bearer eyJhbGciOi", "eyJhbGciOi"),
        ("opened rtsp://user:hunter2@10.0.0.5/1", "hunter2"),
        ("GET /j?x=Zm9vYmFyYmF6cXV4MTIzNDU2", "Zm9vYmFyYmF6cXV4MTIzNDU2"),
        ("sms to +47 912 34 567 sent", "912 34 567"),
        ("sms to 91234567 sent", "91234567"),
        ("born 01019012345", "01019012345"),
        ("born 010190 12345", "12345"),
        ("at 59.91273 10.74609", "59.91273"),
        ("session 3f9a1b2c4d5e6f708192a3b4c5d6e7f8 ended", "3f9a1b2c4d5e6f708192a3b4c5d6e7f8"),
    ],
)
def test_secrets_numbers_and_positions_are_struck_out(text: str, secret: str) -> None:
    assert secret not in Redactor().log(text)


@pytest.mark.parametrize(
    "text",
    [
        "bond: link lte-1 down after 12.5 s, loss 0.03, rtt 38 ms",
        "camera patient: absent: no route to host",
        "12:00:01 media  WARNING encoder h264_v4l2m2m restarted 3 times",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert Redactor().log(text) == text
