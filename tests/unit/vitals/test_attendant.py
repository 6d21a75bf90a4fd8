"""What is said of a monitor that is there, silent, unreadable, or not alone."""

from edgebox.config.vitals import Monitor
from edgebox.observation import Incident, Observation
from edgebox.vitals.attendant import MIXED_DAMAGED, WRONG_SPEED_BYTES, Attendant
from tests.unit.vitals.test_observation import numeric

UTC = 1_795_000_000.0


def attendant() -> Attendant:
    monitor = Monitor(id="m1", name="M", kind="nonin", port="/dev/x", stale_after_s=5.0)
    return Attendant(monitor, UTC)


def said(found: list[Observation]) -> list[str]:
    return [one.what for one in found if isinstance(one, Incident)]


def test_monitor_that_comes_falls_silent_and_goes() -> None:
    one = attendant()
    assert one.state == "waiting"
    one.opened(0.0)
    assert said(one.check(1.0, UTC)) == []
    assert said(one.heard(10, 1, 0, 2.0, UTC)) == ["connected"]
    assert said(one.check(6.0, UTC)) == []
    assert said(one.check(7.5, UTC)) == ["silent"]
    assert said(one.closed(8.0, UTC, "pulled")) == ["gone"]
    assert one.status().detail == "pulled"


def test_port_that_is_open_without_a_monitor_is_silent() -> None:
    one = attendant()
    one.opened(0.0)
    assert said(one.check(6.0, UTC)) == ["silent"]


def test_bytes_that_are_not_readable_are_a_wrong_speed() -> None:
    one = attendant()
    one.opened(0.0)
    assert said(one.heard(WRONG_SPEED_BYTES, 0, 0, 1.0, UTC)) == ["wrong-speed"]
    assert said(one.heard(10, 1, 0, 2.0, UTC)) == ["connected"]


def test_readable_and_damaged_frames_mixed_are_two_on_one_line() -> None:
    one = attendant()
    one.opened(0.0)
    found = one.heard(100, 10, MIXED_DAMAGED, 1.0, UTC)
    assert "two-on-one-line" in said(found)
    (damaged,) = [i for i in found if isinstance(i, Incident) and i.what == "damaged"]
    assert damaged.count == MIXED_DAMAGED
    assert one.status().damaged == MIXED_DAMAGED


def test_two_senders_are_named() -> None:
    one = attendant()
    one.opened(0.0)
    one.sender("A", 0.5)
    one.sender("B", 0.6)
    assert said(one.heard(10, 2, 0, 1.0, UTC)) == ["two-on-one-line"]
    assert "both A and B" in one.detail


def test_monitor_that_connects_for_each_message_is_not_gone() -> None:
    one = attendant()
    for n in range(4):
        one.opened(float(n))
        one.heard(10, 1, 0, n + 0.1, UTC)
        assert said(one.closed(n + 0.2, UTC, "closed", grace_s=5.0)) == []
    assert said(one.check(3.2 + 5.0, UTC)) == ["gone"]


def test_damage_is_recorded_with_its_count_and_not_for_every_frame() -> None:
    one = attendant()
    one.opened(0.0)
    found = [one.heard(10, 50, 1, 1.0 + n / 10, UTC) for n in range(4)]
    found.append(one.check(20.0, UTC))
    counts = [
        i.count for some in found for i in some if isinstance(i, Incident) and i.what == "damaged"
    ]
    assert counts == [1, 3]


def test_demonstration_is_said_and_ends() -> None:
    one = attendant()
    one.observe([numeric(97.0, "demo")], 0.0)
    assert one.status().demo
    one.observe([numeric(97.0)], 0.0)
    assert not one.status().demo
