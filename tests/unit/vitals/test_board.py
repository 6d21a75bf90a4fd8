"""What there is to show now."""

import msgspec

from edgebox.observation import Alarm, Incident
from edgebox.vitals.board import ALARM_FORGET_S, FORGET_S, NUMERICS_MAX, Board
from tests.unit.vitals.test_observation import numeric


def alarm(text: str = "ASYSTOLE", state: str = "start", at: float = 1000.0) -> Alarm:
    return Alarm(device="m1", received_utc=at, source_utc=None, text=text, state=state)


def test_last_value_of_each_channel_is_shown() -> None:
    board = Board()
    board.put(numeric(97.0))
    board.put(numeric(None, "invalid"))
    other = msgspec.structs.replace(numeric(36.5), channel="T2")
    board.put(other)
    assert board.now(1001.0).numerics == (numeric(None, "invalid"), other)


def test_value_of_an_hour_ago_is_gone() -> None:
    board = Board()
    board.put(numeric())
    assert board.now(1000.5 + FORGET_S + 1).numerics == ()


def test_alarms_are_shown_newest_first_until_the_monitor_ends_them() -> None:
    board = Board()
    board.put(alarm("A"))
    board.put(alarm("B"))
    assert [one.text for one in board.now(1001.0).alarms] == ["B", "A"]
    board.put(alarm("A", "end"))
    assert [one.text for one in board.now(1001.0).alarms] == ["B"]
    assert board.now(1000.0 + ALARM_FORGET_S + 1).alarms == ()


def test_alarms_of_a_monitor_that_has_gone_are_gone() -> None:
    board = Board()
    board.put(alarm())
    board.put(Incident(device="m1", received_utc=1.0, source_utc=None, what="gone"))
    assert board.now(1001.0).alarms == ()


def test_monitor_that_names_no_end_of_values_does_not_fill_the_memory() -> None:
    board = Board()
    for n in range(NUMERICS_MAX + 10):
        board.put(msgspec.structs.replace(numeric(), channel=str(n)))
    shown = board.now(1001.0).numerics
    assert len(shown) == NUMERICS_MAX
    assert shown[-1].channel == str(NUMERICS_MAX + 9)
