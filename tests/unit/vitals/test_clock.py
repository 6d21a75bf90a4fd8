"""A monitor's clock against the box's."""

from edgebox.vitals.clock import SourceClock


def test_least_delay_of_a_minute_is_the_estimate() -> None:
    assert SourceClock().ahead_s is None
    clock = SourceClock()
    for n, delay in enumerate((0.4, 0.1, 0.9)):
        assert clock.observe(100.0 + n + 30.0, 100.0 + n + delay, float(n)) is None
    assert clock.ahead_s is not None
    assert abs(clock.ahead_s - 29.9) < 1e-6
    clock.observe(300.0 + 30.0, 300.5, 200.0)
    assert abs(clock.ahead_s - 29.5) < 1e-6


def test_day_old_timestamp_is_shown_as_such() -> None:
    clock = SourceClock()
    clock.observe(0.0, 86_400.0, 0.0)
    assert clock.ahead_s == -86_400.0


def test_clock_that_was_set_is_noticed_and_one_late_message_is_not() -> None:
    clock = SourceClock()
    for n in range(6):
        assert clock.observe(float(n), n + 0.1, float(n)) is None
    assert clock.observe(1.0, 11.0, 6.0) is None
    assert clock.observe(12.0, 12.1, 7.0) is None
    jumps = [clock.observe(3600.0 + n, n + 0.1, float(n)) for n in range(13, 17)]
    assert [round(jump) for jump in jumps if jump is not None] == [3600]
    assert clock.ahead_s is not None
    assert round(clock.ahead_s, 3) == 3599.9


def test_backlog_at_the_start_is_no_jump() -> None:
    clock = SourceClock()
    jumps = [clock.observe(float(n), 30.0, 30.0) for n in range(30)]
    jumps += [clock.observe(30.0 + n, 30.0 + n, 30.0 + n) for n in range(9)]
    assert jumps.count(None) == len(jumps)
