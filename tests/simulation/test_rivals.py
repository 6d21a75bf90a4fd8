"""Rivals do what the systems they stand for do; else beating them says nothing."""

from functools import cache

import pytest

from edgebox.sim.bond_run import Result, run
from edgebox.sim.contenders import SINGLE, contenders
from edgebox.sim.network import NatAddress
from edgebox.sim.regimes import steady_three
from edgebox.sim.rival_ends import DEAD_S, RivalBox, RivalHub
from edgebox.sim.rivals import least_in_flight, minimum_rtt, only_link, static_weights
from edgebox.sim.scenario import Scenario, cut, mend, steady

LIGHT = Scenario("light", steady_three, duration_s=8.0, bitrate_bps=1e6, audio=False)
CUT = Scenario(
    "cut", steady_three, ((3.0, cut(0)), (9.0, mend(0))), duration_s=16.0, bitrate_bps=1.5e6,
    audio=False,
)  # fmt: skip
LOSSY = Scenario(
    "lossy",
    lambda chance: [
        steady(rate, 20.0, loss=0.03, damaged=0.01, duplicated=0.01)
        for rate in (4_000_000, 3_000_000)
    ],
    duration_s=8.0, bitrate_bps=1e6, audio=False,
)  # fmt: skip
NAMES = [one.name for one in contenders((4.0, 3.0, 2.0))[1:]]
POOLING = [name for name in NAMES if name not in map(SINGLE.format, (1, 2, 3))]


@cache
def played(scenario: Scenario, name: str) -> Result:
    weights = (4.0, 3.0, 2.0)[: 2 if scenario is LOSSY else 3]
    return run(scenario, 2, next(one for one in contenders(weights) if one.name == name))


@pytest.mark.parametrize("name", NAMES)
def test_light_load_on_good_links_is_no_trouble(name: str) -> None:
    result = played(LIGHT, name)
    assert result.late() < 0.01
    assert result.rate_bps() == pytest.approx(1e6, rel=0.1)


def test_copies_are_counted() -> None:
    assert played(LIGHT, "duplicate everything").extra == pytest.approx(2 / 3, abs=0.02)
    assert played(LIGHT, "static weights").extra < 0.03


@pytest.mark.parametrize("name", POOLING)
def test_lost_packets_go_again(name: str) -> None:
    assert played(LOSSY, name).late(400) < 0.02


def test_one_link_is_dead_when_it_is_cut_and_back_afterwards() -> None:
    result = played(CUT, SINGLE.format(1))
    assert 5900 < result.gap_ms() < 7500
    assert result.video.longest_gap_s(result.end - 4, result.end) < 0.2


@pytest.mark.parametrize("name", POOLING)
def test_others_survive_the_cut(name: str) -> None:
    """Not without trouble: that is the point."""
    result = played(CUT, name)
    frames = result.video.window(result.start + 3 + DEAD_S, result.start + 9)
    assert sum(frame.delay_s < 0.4 for frame in frames) > 0.8 * len(frames)


def _box(*rtts_s: float) -> RivalBox:
    box = RivalBox(only_link, 0.0)
    for link, rtt_s in enumerate(rtts_s):
        box.attach_path(link, link, 0.0)
        box._paths[link].on_rtt(rtt_s)
    return box


def test_least_in_flight_prefers_the_larger_window() -> None:
    box = _box(0.1, 0.1)
    paths = list(box._paths.values())
    paths[1].window = 40_000
    assert least_in_flight(box, paths, 1000) == [paths[1]]


def test_minimum_rtt_waits_for_room() -> None:
    box = _box(0.2, 0.1)
    paths = list(box._paths.values())
    assert minimum_rtt(box, paths, 1000) == [paths[1]]
    paths[1].cwnd = 0.0
    assert minimum_rtt(box, paths, 1000) == [paths[0]]
    paths[0].cwnd = 0.0
    assert minimum_rtt(box, paths, 1000) == []


def test_static_weights_share_as_they_say() -> None:
    box = _box(0.1, 0.1)
    choose = static_weights((3.0, 1.0))
    chosen = [choose(box, list(box._paths.values()), 1000)[0].link for _ in range(400)]
    assert chosen.count(0) == pytest.approx(300, abs=5)


def test_link_is_dead_after_four_silent_seconds_until_it_answers() -> None:
    box, hub = _box(0.1), RivalHub("", 1, 0.0)
    now = 0.0
    while now < DEAD_S + 0.1:
        box.handle_timeout(now)
        now += 0.01
    assert box._paths[0].dead
    pings = [packet for _, packet in box.datagrams_to_send(now)]
    hub.receive_datagram(NatAddress(0, 0), pings[-1], now)
    for _, packet in hub.datagrams_to_send(now + 1.0):
        box.receive_datagram(0, packet, now)
    assert not box._paths[0].dead
