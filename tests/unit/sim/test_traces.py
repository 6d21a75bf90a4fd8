"""Mahimahi's format and the generator."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import ConfigError
from edgebox.sim.traces import generate_trace, open_trace, parse_trace


def _lines(numbers: list[int]) -> bytes:
    return b"".join(b"%d\n" % number for number in numbers)


def test_trace_repeats_after_its_last_moment() -> None:
    trace = parse_trace(b"0\n5\n5\n10\n")
    assert trace.period_ms == 10
    assert [trace.moment_ms(index) for index in range(9)] == [0, 5, 5, 10, 10, 15, 15, 20, 20]
    assert [trace.count_until(at_ms) for at_ms in (0, 4.9, 5, 9.9, 10, 15)] == [1, 1, 3, 3, 5, 7]
    assert trace.mean_bps == 4 * 1500 * 8 * 100


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "longer than 0 ms"),
        (b"0\n0\n", "longer than 0 ms"),
        (b"1\nx\n", "t:2: expected milliseconds"),
        (b"1\n\n2\n1.5\n", "t:4: expected milliseconds"),
        (b"-1\n", "t:1: expected milliseconds"),
        (b"1_0\n", "t:1: expected milliseconds"),
        ("٣\n".encode(), "t:1: expected milliseconds"),
        (b"9" * 5000, "t:1: expected milliseconds"),
        (b"5\n6\n4\n", "t:3: 4 ms is before the line above"),
        (b"\x00\xff\n", "t:1: expected milliseconds"),
    ],
)
def test_junk_names_its_line(data: bytes, where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        parse_trace(data, "t")


@given(st.binary(max_size=200) | st.lists(st.integers(-5, 50), max_size=40).map(_lines))
def test_any_bytes_give_a_trace_or_a_config_error(data: bytes) -> None:
    try:
        trace = parse_trace(data)
    except ConfigError:
        return
    for index in range(len(trace.moments_ms) * 2):
        assert trace.moment_ms(index) <= trace.moment_ms(index + 1)
        assert trace.count_until(trace.moment_ms(index)) > index


def test_generated_trace_depends_on_the_seed_alone_and_keeps_the_mean() -> None:
    one = generate_trace(3, 4_000_000)
    assert one == generate_trace(3, 4_000_000)
    assert one != generate_trace(4, 4_000_000)
    assert one.mean_bps == pytest.approx(4_000_000, rel=0.01)
    per_second = [
        one.count_until(at * 1000) - one.count_until(at * 1000 - 1000) for at in range(60)
    ]
    assert max(per_second) > 3 * min(per_second)


def test_open_trace_takes_a_file_or_a_seed(tmp_path: Path) -> None:
    (tmp_path / "t.up").write_text("1\n2\n")
    assert open_trace(str(tmp_path / "t.up")).period_ms == 2
    assert open_trace("lte:7:1000000") == generate_trace(7, 1_000_000)
    for bad in ("lte:", "lte:x:1000000", "lte:1:10", "lte:1:1000000:1"):
        with pytest.raises(ConfigError, match="lte:SEED:MEAN_BPS"):
            open_trace(bad)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        open_trace(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        open_trace(str(tmp_path))


def test_window_is_a_part_of_its_own_and_goes_round() -> None:
    trace = parse_trace(b"10\n20\n30\n40\n")
    part = trace.window(15, 35)
    assert list(part.moments_ms) == [5, 15]
    assert part.period_ms == 20
    assert list(trace.window(35, 55).moments_ms) == [5, 15]
    with pytest.raises(ValueError, match="no opportunity"):
        trace.window(11, 15)


def test_slices_share_nothing_and_leave_nothing_out() -> None:
    trace = generate_trace(3, 2_000_000, 16.0)
    odd, even = trace.slices(8, odd=True), trace.slices(8, odd=False)
    assert len(odd.moments_ms) + len(even.moments_ms) == len(trace.moments_ms)
    assert odd.period_ms == even.period_ms == trace.period_ms // 2
    assert list(even.window(0, 2000).moments_ms) == list(trace.window(0, 2000).moments_ms)
    assert list(odd.window(0, 2000).moments_ms) == list(trace.window(2000, 4000).moments_ms)
