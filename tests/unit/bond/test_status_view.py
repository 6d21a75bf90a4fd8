"""What a technician reads: true, complete, within 80 columns."""

from typing import Any

import msgspec
import pytest

from edgebox.bond.status_view import View, away_text, lines
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus

NOW = 1_800_000_000.0


def link(name: str = "lte-1", **changes: Any) -> LinkStatus:
    one = LinkStatus(
        name=name, label=name, state="up", since_utc=NOW - 725, rtt_ms=43.2, queue_ms=3.4,
        loss=0.0012, capacity_bps=4_100_000, sent_bps=1_200_000, received_bps=340_000,
        measured_utc=NOW - 1,
    )  # fmt: skip
    return msgspec.structs.replace(one, **changes)


def status(*links: LinkStatus, **changes: Any) -> BondStatus:
    one = BondStatus(
        at_utc=NOW - 0.1, state="up", since_utc=NOW - 7300, links=links or (link(),),
        capacity_bps=4_100_000, target_bps=2_400_000, rtt_ms=43.2, redundancy=0.031,
        counters=BondCounters(sent=12_345, garbage=3),
    )  # fmt: skip
    return msgspec.structs.replace(one, **changes)


def screen(one: BondStatus) -> list[str]:
    return [text for text, _ in lines(View(one, "/run/bus.sock", True, NOW))]


def test_figures_of_a_link_stand_under_their_titles() -> None:
    shown = screen(status())
    assert shown[0].startswith("Bond up for 2 h   round trip 43 ms   encoders may send 2.4 M")
    assert "redundancy 3.1%" in shown[0]
    assert shown[3].split() == [
        "lte-1", "up", "12", "min", "1.2", "M", "340", "k", "4.1", "M", "29%", "3", "ms",
        "0.1%", "43", "ms",
    ]  # fmt: skip
    title = shown[2]
    assert title.index("rtt") + 3 == len(shown[3])


def test_nothing_is_wider_than_80_columns() -> None:
    wide = link(
        "a-very-long-name-of-a-link", label="x" * 40, sent_bps=999_000_000, loss=0.999,
        queue_ms=12_345.0, rtt_ms=54_321.0, capacity_bps=999_900_000, since_utc=NOW - 3500,
        priority=9, price_per_gb=99_999.99, used_bytes=99_000_000_000, cap_bytes=10**14,
        use="closed", mtu_bytes=1452,
    )  # fmt: skip
    assert max(len(line) for line in screen(status(wide))[1:]) <= 80


def test_what_was_not_measured_is_not_shown_as_if_it_were() -> None:
    shown = "\n".join(screen(status(link(measured_utc=None, capacity_bps=600_000))))
    assert "600 k" not in shown
    assert "?" in shown
    assert "not measured yet" in shown


def test_how_old_a_measurement_is_stands_there() -> None:
    assert "measured 5 min ago" in "\n".join(screen(status(link(measured_utc=NOW - 300))))
    assert "measured" not in "\n".join(screen(status(link(measured_utc=NOW - 3))))


@pytest.mark.parametrize("state", ["down", "absent"])
def test_dead_link_shows_no_figures(state: str) -> None:
    dead = link(state=state, rtt_ms=None)
    shown = screen(status(dead))[3]
    assert shown.split() == ["lte-1", state, "12", "min"]


def test_money_and_volume_are_shown_where_they_matter() -> None:
    paid = link(price_per_gb=45.0, used_bytes=1_600_000_000, cap_bytes=2_000_000_000, priority=2,
                use="reserve", mtu_bytes=1400)  # fmt: skip
    shown = "\n".join(screen(status(paid)))
    assert "1.6 GB of 2.0 GB this month (80%) at 45 per GB: 72.00" in shown
    assert "priority 2" in shown
    assert "spared" in shown
    assert "takes 1400 byte datagrams" in shown


def test_closed_link_says_why() -> None:
    assert "its monthly cap is used up" in "\n".join(
        screen(status(link(state="down", rtt_ms=None, use="closed", cap_bytes=10)))
    )


def test_no_keys_and_no_link_are_said_first() -> None:
    trouble = status(state="connecting", problem="lte-1: the hub does not answer")
    assert screen(trouble)[:2] == [
        "No session keys from the hub yet, for 2 h",
        "lte-1: the hub does not answer",
    ]
    assert screen(status(state="down"))[0] == "No link brings anything back, for 2 h"


def test_what_is_away_is_named() -> None:
    assert "broker at /run/bus.sock" in away_text(View(None, "/run/bus.sock", False, NOW))
    assert "edgebox run bond" in away_text(View(None, "/run/bus.sock", True, NOW))
    old = View(status(at_utc=NOW - 60), "/run/bus.sock", True, NOW)
    assert "has said nothing since" in away_text(old)
    assert len(lines(old)) == 1
