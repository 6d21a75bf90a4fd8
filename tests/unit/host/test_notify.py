"""What systemd hears, on a real notification socket."""

import contextlib
import logging
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebox.host import notify


class Listener:
    """systemd's end of NOTIFY_SOCKET (sd_notify(3))."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """Messages since the last call."""
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self.socket.recv(4096).decode())
        return messages


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        path = Path(directory) / "notify"
        listener = Listener(path)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield listener
        listener.socket.close()


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (lambda: notify.ready("two links up"), "READY=1\nSTATUS=two links up"),
        (lambda: notify.status("one link up"), "STATUS=one link up"),
        (notify.stopping, "STOPPING=1"),
        (notify.feed_watchdog, "WATCHDOG=1"),
    ],
)
def test_systemd_hears(systemd: Listener, say: Callable[[], None], heard: str) -> None:
    say()
    assert systemd.heard() == [heard]


@pytest.mark.parametrize("gone", [None, "/nonexistent/notify"])
def test_without_systemd_nothing_happens(gone: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if gone:
        monkeypatch.setenv("NOTIFY_SOCKET", gone)
    notify.ready("x")
    notify.feed_watchdog()
    notify.stopping()


def test_a_line_break_in_a_text_cannot_say_something_else(systemd: Listener) -> None:
    notify.status("fine\nSTOPPING=1")
    notify.ready("fine\nWATCHDOG=trigger")
    for message in systemd.heard():
        assert "STOPPING=1" not in message.splitlines()
        assert "WATCHDOG=trigger" not in message.splitlines()


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def test_plain_lines_without_journal(
    root_logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    notify.set_up_logging("bond")
    logging.getLogger("edgebox.bond").warning("link %s is down", "lte-1")
    line = capsys.readouterr().err
    assert line.rstrip().endswith("bond   WARNING link lte-1 is down")


def test_journal_when_systemd_started_us(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    notify.set_up_logging("bond")
    assert [type(handler).__name__ for handler in root_logger.handlers] == ["JournalHandler"]


def test_libraries_that_talk_much_are_quiet(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    notify.set_up_logging("media")
    logging.getLogger("aioice.ice").info("candidate 192.0.2.1")
    logging.getLogger("edgebox.media").info("a frame")
    assert "candidate" not in capsys.readouterr().err
