"""What systemd is told and asked: readiness, watchdog, journal. Silent where there is no systemd.

sd_notify(3), sd_watchdog_enabled(3), systemd.journal-fields(7).
"""

import contextlib
import logging
import os
import sys

from systemd.daemon import notify as sd_notify
from systemd.journal import JournalHandler


def ready(status: str) -> None:
    """Tell systemd that the service serves."""
    _tell(f"READY=1\nSTATUS={_one_line(status)}")


def status(text: str) -> None:
    """The line `systemctl status` shows."""
    _tell(f"STATUS={_one_line(text)}")


def stopping() -> None:
    """Tell systemd that the service ends on its own accord."""
    _tell("STOPPING=1")


def feed_watchdog() -> None:
    """Call on progress only (a frame encoded, a datagram acknowledged), never from a timer."""
    _tell("WATCHDOG=1")


def _tell(message: str) -> None:
    # A socket that has gone, or is full: systemd draws its own conclusions from silence.
    with contextlib.suppress(OSError):
        sd_notify(message)


def _one_line(text: str) -> str:
    """Each line of a message is a command of its own."""
    return " ".join(text.splitlines())


def set_up_logging(service: str) -> None:
    """To the journal with its own fields when systemd started us, else plain lines on stderr."""
    handler: logging.Handler
    if os.environ.get("JOURNAL_STREAM"):
        handler = JournalHandler(SYSLOG_IDENTIFIER=f"edgebox-{service}")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s {service:<6} %(levelname)-7s %(message)s", "%H:%M:%S")
        )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("aioice", "aiortc", "quic", "libav", "werkzeug", "waitress", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
