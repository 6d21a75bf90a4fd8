"""Packets of a guest in order and in time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media.sound.jitter import LAG_MAX_S, STEP, WAITING_MAX, JitterBuffer, Step

STEP_S = 0.02


def samples_in(payload: bytes) -> int:
    if payload == b"junk":
        raise RemoteProtocolError("junk")
    return len(payload) * STEP


def play(
    arrivals: list[tuple[float, int, int, bytes]], until_s: float
) -> tuple[JitterBuffer, list[tuple[float, Step]]]:
    """Packets (time, sequence, time stamp, payload) against a player that steps every 20 ms."""
    buffer, played = JitterBuffer(samples_in), []
    waiting = sorted(arrivals)
    now = 0.0
    while now < until_s:
        while waiting and waiting[0][0] <= now:
            at, sequence, timestamp, payload = waiting.pop(0)
            buffer.put(sequence, timestamp, payload, at)
        played += [(now, step) for step in buffer.take(now)]
        now += STEP_S
    return buffer, played


def stream(
    count: int, delay_s: float = 0.03, first: int = 0
) -> list[tuple[float, int, int, bytes]]:
    return [
        (delay_s + n * STEP_S, (first + n) % 65_536, (first + n) * STEP % 2**32, bytes([1]))
        for n in range(count)
    ]


def kinds(played: list[tuple[float, Step]]) -> list[str]:
    return [step.kind for _, step in played]


def test_an_even_stream_is_played_soon_and_whole() -> None:
    buffer, played = play(stream(50), until_s=1.03)
    assert kinds(played)[:49] == ["packet"] * 49
    assert played[0][0] <= 0.03 + 2 * STEP_S + 1e-9, "no more than the margin and one step"
    assert (buffer.late, buffer.lost, buffer.refused) == (0, 0, 0)


def test_numbers_wrap() -> None:
    buffer, played = play(stream(50, first=65_520), until_s=1.03)
    assert kinds(played).count("packet") >= 49
    assert buffer.lost == 0


def test_a_lost_packet_is_taken_from_the_next_one() -> None:
    arrivals = stream(30)
    del arrivals[10]
    arrivals[10] = (*arrivals[10][:3], bytes([1]))
    buffer, played = play(arrivals, until_s=0.6)
    assert kinds(played)[10] == "recover"
    assert buffer.lost == 1
    assert kinds(played)[11] == "packet"


def test_a_pause_of_the_sender_is_silence_and_no_loss() -> None:
    early, late = stream(10), stream(40)[30:]
    late = [(at, sequence - 20, stamp, data) for at, sequence, stamp, data in late]
    buffer, played = play(early + late, until_s=0.9)
    assert buffer.lost == 0
    assert kinds(played).count("packet") == 20


def test_uneven_arrival_makes_it_wait_longer_and_then_loses_nothing() -> None:
    seeded = random.Random(7)
    arrivals = [
        (at + seeded.uniform(0, 0.06), sequence, stamp, data)
        for at, sequence, stamp, data in stream(500)
    ]
    buffer, played = play(arrivals, until_s=10)
    assert kinds(played[-300:]).count("packet") >= 297
    assert 0.04 < buffer.lag_s < 0.1


def test_what_it_waits_for_has_a_limit() -> None:
    arrivals = stream(100)
    arrivals[50] = (arrivals[50][0] + 3, *arrivals[50][1:])
    buffer, _ = play(arrivals, until_s=6)
    assert buffer.lag_s <= LAG_MAX_S
    assert buffer.late == 1


def test_long_packets_are_played_in_steps() -> None:
    arrivals = [(0.08 + n * 0.06, n, n * 3 * STEP, bytes(3)) for n in range(20)]
    buffer = JitterBuffer(samples_in)
    left, gaps, now = 0, 0, 0.0
    while now < 1.2:
        while arrivals and arrivals[0][0] <= now:
            at, sequence, stamp, data = arrivals.pop(0)
            buffer.put(sequence, stamp, data, at)
        if left < STEP:
            for step in buffer.take(now):
                left += len(step.packet) * STEP if step.kind == "packet" else STEP
                gaps += step.kind != "packet"
        left -= min(left, STEP)
        now += STEP_S
    assert gaps == 0


def test_a_new_stream_begins_anew() -> None:
    other = [(at + 1, sequence, stamp + 10**8, data) for at, sequence, stamp, data in stream(20)]
    _, played = play(stream(20) + other, until_s=1.5)
    assert kinds(played).count("packet") >= 39


def test_junk_is_counted() -> None:
    buffer = JitterBuffer(samples_in)
    buffer.put(1, 960, b"junk", 0.0)
    assert buffer.refused == 1
    assert buffer.take(1.0) == []


@given(
    st.lists(
        st.tuples(
            st.floats(0, 2),
            st.integers(0, 65_535),
            st.integers(0, 2**32 - 1),
            st.sampled_from([b"junk", b"1", b"22", b"333"]),
        ),
        max_size=200,
    )
)
def test_whatever_arrives_it_stays_within_its_bounds(
    arrivals: list[tuple[float, int, int, bytes]],
) -> None:
    buffer, played = play(arrivals, until_s=2.5)
    assert len(buffer._waiting) <= WAITING_MAX
    assert 0 <= buffer.lag_s <= LAG_MAX_S
    assert len(played) <= 2 * 126


@pytest.mark.parametrize("count", [0, 1, 2])
def test_nothing_is_played_before_something_came(count: int) -> None:
    _, played = play(stream(count), until_s=0.02)
    assert played == []
