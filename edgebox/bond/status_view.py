"""`edgebox bond status`: what the bond says of itself, for a technician at a terminal.

Pure: from a BondStatus, or the reason why there is none, to lines of text for 80 columns.
"""

import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from edgebox.messages.bond import BondStatus, LinkStatus

STALE_S = 2.0
"""The bond speaks ten times a second: older news is no news."""
FRESH_S = 10.0
"""A link measured this lately needs no word on when."""
NOTE_WIDTH = 76
COLUMNS = "{:12.12} {:13} {:>7} {:>7} {:>9} {:>5} {:>7} {:>5} {:>7}"

Style = Literal["", "bold", "dim", "red", "yellow", "green"]
Line = tuple[str, Style]
Away = Literal["no-broker", "no-bond", "silent"]

AWAY_TEXT: dict[Away, str] = {
    "no-broker": "The broker at {address} does not answer. Does mosquitto run on this machine?",
    "no-bond": "The broker answers, the bond has said nothing. Does `edgebox run bond` run?",
    "silent": "The bond has said nothing since {since}. It has stopped, or it hangs.",
}
STATE_STYLES: dict[str, Style] = {"up": "", "suspect": "yellow", "down": "red", "absent": "dim"}
STATE_TEXT = {"up": "up", "suspect": "silent", "down": "down", "absent": "absent"}
USE_TEXT = {
    "ordinary": "",
    "reserve": "spared: the links before it suffice",
    "last": "nearly used up: only when no other link is up",
    "closed": "closed: its monthly cap is used up",
}


class View(NamedTuple):
    """What there is to show."""

    status: BondStatus | None
    address: str
    """Of the broker."""
    is_connected: bool
    now_utc: float

    @property
    def away(self) -> Away | None:
        """Why there is nothing true to show, or None."""
        if not self.is_connected:
            return "no-broker"
        if self.status is None:
            return "no-bond"
        return "silent" if self.now_utc - self.status.at_utc > STALE_S else None


def lines(view: View) -> list[Line]:
    """The whole screen."""
    away = view.away
    if away is not None or view.status is None:
        return [(away_text(view), "red")]
    status = view.status
    found: list[Line] = [*_heading(status, view.now_utc), ("", "")]
    titles = ("link", "state", "up", "down", "can carry", "used", "queue", "loss", "rtt")
    found.append((COLUMNS.format(*titles).rstrip(), "bold"))
    for link in status.links:
        found.append((_figures(link, view.now_utc), STATE_STYLES[link.state]))
        found += [(f"    {note}", "dim") for note in notes(link, view.now_utc)]
    return [*found, ("", ""), *_foot(status)]


def away_text(view: View) -> str:
    """One line: why there is nothing to show."""
    since = _clock(view.status.at_utc) if view.status else ""
    return AWAY_TEXT[view.away or "no-bond"].format(address=view.address, since=since)


def _heading(status: BondStatus, now_utc: float) -> Iterator[Line]:
    since = _span(now_utc - status.since_utc)
    if status.state == "connecting":
        yield f"No session keys from the hub yet, for {since}", "yellow"
    elif status.state == "down":
        yield f"No link brings anything back, for {since}", "red"
    else:
        rtt = "" if status.rtt_ms is None else f"   round trip {status.rtt_ms:.0f} ms"
        may = f"   encoders may send {_rate(status.target_bps)}"
        yield f"Bond up for {since}{rtt}{may}   redundancy {status.redundancy:.1%}", "green"
    if status.problem:
        yield status.problem, "yellow"


def _figures(link: LinkStatus, now_utc: float) -> str:
    live = link.state in {"up", "suspect"}
    known = live and link.rtt_ms is not None
    measured = known and link.measured_utc is not None and link.capacity_bps > 0
    return COLUMNS.format(
        link.name,
        f"{STATE_TEXT[link.state]} {_span(now_utc - link.since_utc)}",
        _rate(link.sent_bps) if live else "",
        _rate(link.received_bps) if live else "",
        _rate(link.capacity_bps) if measured else ("?" if known else ""),
        f"{min(9.99, link.sent_bps / link.capacity_bps):.0%}" if measured else "",
        _delay(link.queue_ms) if known else "",
        f"{min(0.999, link.loss):.1%}" if known else "",
        _delay(link.rtt_ms) if known and link.rtt_ms is not None else "",
    ).rstrip()


def notes(link: LinkStatus, now_utc: float) -> Iterator[str]:
    """What else there is to say of a link."""
    parts = [link.label if link.label != link.name else "", *_measured(link, now_utc)]
    parts.append(f"takes {link.mtu_bytes} byte datagrams" if link.mtu_bytes else "")
    parts.append(f"priority {link.priority}" if link.priority > 1 else "")
    parts += [_month(link), USE_TEXT[link.use]]
    line = ""
    for part in filter(None, parts):
        if line and len(line) + len(part) + 2 > NOTE_WIDTH:
            yield line
            line = ""
        line = f"{line}, {part}" if line else part
    if line:
        yield line


def _measured(link: LinkStatus, now_utc: float) -> Iterator[str]:
    if link.state not in {"up", "suspect"} or link.rtt_ms is None:
        return
    if link.measured_utc is None:
        yield "what it carries is not measured yet"
    elif now_utc - link.measured_utc > FRESH_S:
        yield f"measured {_span(now_utc - link.measured_utc)} ago"


def _month(link: LinkStatus) -> str:
    """Volume of the month, as far as anybody pays for it."""
    if not link.cap_bytes and not link.price_per_gb:
        return f"{_volume(link.used_bytes)} this month" if link.used_bytes >= 500_000 else ""
    text = f"{_volume(link.used_bytes)} this month"
    if link.cap_bytes:
        share = link.used_bytes / link.cap_bytes
        text = f"{_volume(link.used_bytes)} of {_volume(link.cap_bytes)} this month ({share:.0%})"
    if link.price_per_gb:
        text += f" at {link.price_per_gb:g} per GB: {link.used_bytes / 1e9 * link.price_per_gb:.2f}"
    return text


def _foot(status: BondStatus) -> Iterator[Line]:
    counts = status.counters
    yield f"Datagrams to the hub {counts.sent}, from it {counts.delivered}, late {counts.late}", ""
    yield f"sent twice {counts.duplicated}, repaired {counts.rescued}", ""
    yield f"dropped: not in time {counts.expired}, refused by the hub {counts.refused}", ""
    yield f"ignored: damaged or strange {counts.garbage}, seen before {counts.replayed}", ""


def _rate(bps: float) -> str:
    """Bits per second, as short as it may be: `940 k`, `2.3 M`."""
    return f"{bps / 1e6:.1f} M" if bps >= 999_500 else f"{bps / 1e3:.0f} k"


def _delay(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 9_999.5 else f"{ms / 1e3:.0f} s"


def _volume(size: float) -> str:
    """Bytes: `12 MB`, `1.4 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 999_500_000 else f"{size / 1e6:.0f} MB"


def _span(seconds: float) -> str:
    """`5 s`, `12 min`, `3 h`, `2 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _clock(at_utc: float) -> str:
    """Local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at_utc))
