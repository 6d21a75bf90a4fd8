"""What a link's test may take, and how its figures are made."""

import itertools
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond import trial_view
from edgebox.bond.box_tests import nothing_known
from edgebox.bond.connection import Connection
from edgebox.bond.control import (
    LOAD_ENDED,
    LOAD_REFUSED,
    Item,
    LinkEcho,
    LinkProbe,
    LoadAsked,
    LoadState,
    decode_control,
    encode_control,
)
from edgebox.bond.echoes import Echoes
from edgebox.bond.load import Point, rate_bps
from edgebox.bond.path import PathState
from edgebox.bond.trial import Plan, plan_for
from edgebox.hub.language import catalogue
from edgebox.messages.link_test import LinkSpeed, LinkTestResult, WhyNot
from tests.unit.bond.test_connection import keys

MB = 1_000_000


@pytest.mark.parametrize(
    ("used_mb", "cap_mb", "speed", "plan"),
    [
        (500, 0, True, Plan(2 * MB)),
        (0, 10_000, True, Plan(2 * MB)),
        (0, 500, True, Plan(500_000)),
        (448, 500, True, Plan(500_000)),
        (449, 500, True, Plan(0, "cap")),
        (449, 500, False, Plan(0, "carrying")),
        (449.95, 500, True, None),
        (450, 500, True, None),
        (600, 500, True, None),
        (0, 0, False, Plan(0, "carrying")),
    ],
)
def test_a_month_that_is_nearly_used_has_no_test(
    used_mb: float, cap_mb: int, speed: bool, plan: Plan | None
) -> None:
    assert plan_for(round(used_mb * MB), cap_mb * MB, speed=speed) == plan


@pytest.mark.parametrize(
    ("points", "bps"),
    [
        ([(0.0, 0), (1.0, 250_000), (2.0, 500_000)], 2_000_000),
        # The first half finds out how fast it may be sent, and does not count.
        ([(0.0, 0), (4.0, 100_000), (5.0, 200_000)], 800_000),
        ([(0.0, 0)], None),
        ([(0.0, 0), (1.0, 9_000), (2.0, 9_900)], None),
        ([(0.0, 0), (1.0, 500_000)], 4_000_000),
        # Faster than times can be told: at least so fast.
        ([(0.0, 0), (1.0, 500_000), (1.02, 950_000)], 120_000_000),
        ([(50.0, 7_000), (51.0, 32_000), (52.0, 57_000)], 200_000),
    ],
)
def test_a_rate_is_that_of_the_second_half_of_the_bytes(
    points: list[tuple[float, int]], bps: int | None
) -> None:
    assert rate_bps([Point(*one) for one in points]) == bps


class Probed:
    """Echoes of link 0 of a box on its own; `probes` are what it has sent, numbers and times."""

    def __init__(self, *, carrying: bool = False):
        self.now = 10.0
        self.box = Connection("box", keys(), self.now)
        self.box.attach_path(0, 0, self.now)
        self.path = self.box.paths[0]
        self.probes: list[tuple[int, float]] = []
        self.box.sender.outlet.control = self._note  # type: ignore[method-assign]
        self.echoes = Echoes(5, self.path, self.box.sender, lambda now: carrying, self.now)
        self.is_over = False

    def _note(self, path: object, items: list[Item], now: float, **rest: object) -> None:
        [probe] = items
        assert isinstance(probe, LinkProbe)
        self.probes.append((probe.number, now))

    def run(self, seconds: float, step: Callable[[], None] = lambda: None) -> None:
        until = self.now + seconds
        while self.now < until and not self.is_over:
            self.is_over = self.echoes.handle_timeout(self.now) is None
            step()
            self.now += 0.005


def test_losses_each_way_and_round_trips_out_of_order() -> None:
    """Each tenth is lost up, each tenth of the rest down, and each fifth comes 60 ms late."""
    probed = Probed()
    waiting: list[tuple[float, int]] = []
    seen = itertools.count(1)
    arrivals = {number: next(seen) for number in range(300) if number % 10}

    def carry() -> None:
        for number, sent_at in probed.probes:
            if number in arrivals and arrivals[number] % 10:
                waiting.append((sent_at + (0.1 if number % 5 == 0 else 0.04), number))
        probed.probes.clear()
        for entry in [one for one in waiting if one[0] <= probed.now]:
            waiting.remove(entry)
            echo = LinkEcho(5, entry[1], arrivals[entry[1]])
            probed.echoes.on_echo(echo, entry[0])

    probed.run(10.0, carry)
    assert probed.is_over
    assert probed.echoes.why == ""
    losses, rtts_ms = probed.echoes.losses(), probed.echoes.rtts_ms()
    assert losses is not None
    assert rtts_ms is not None
    assert losses == pytest.approx((0.1, 0.1), abs=0.01)
    assert rtts_ms[:2] == pytest.approx((40.0, 100.0))


def test_beside_pictures_probes_take_two_percent() -> None:
    probed = Probed(carrying=True)
    probed.path.estimate.capacity_bps = 1_000_000
    probed.run(6.9)
    # 128 bytes each of 20 kbit/s; without an echo for 3 s it gives up.
    assert len(probed.probes) == pytest.approx(3 * 20_000 / (128 * 8), abs=4)
    assert probed.echoes.why == "no-answer"


def test_probes_wait_for_what_waits() -> None:
    probed = Probed(carrying=True)
    probed.path.in_flight = 1 << 30
    probed.run(10.0)
    assert probed.probes == []
    assert probed.echoes.why == "little"
    assert probed.echoes.losses() is None


def test_a_link_that_is_down_is_not_waited_for() -> None:
    probed = Probed()
    probed.path.state = PathState.DOWN
    probed.run(1.0)
    assert (probed.is_over, probed.echoes.why) == (True, "no-answer")


@given(st.lists(st.tuples(*[st.integers(0, (1 << 32) - 1)] * 3)))
def test_echoes_of_any_hub_give_shares_or_nothing(said: list[tuple[int, int, int]]) -> None:
    probed = Probed()
    probed.run(0.5)
    for test, number, seen in said:
        for one in (LinkEcho(test, number, seen), LinkEcho(5, number % 30, seen)):
            probed.echoes.on_echo(one, probed.now)
    losses = probed.echoes.losses()
    assert losses is None or all(0 <= share <= 1 for share in losses)
    rtts_ms = probed.echoes.rtts_ms()
    assert rtts_ms is None or all(ms >= 0 for ms in rtts_ms)


def test_items_as_they_stand_on_the_wire() -> None:
    items: list[Item] = [
        LinkProbe(1, 2), LinkEcho(3, 4, 5), LoadAsked(6, 7), LoadState(8, 9, LOAD_ENDED),
    ]  # fmt: skip
    body = encode_control(0, eliciting=False, items=items)
    assert body.hex() == (
        "0100000000002008000000010000000221" + "0c000000030000000400000005"
        "2208000000060000000723" + "09000000080000000903"
    )
    assert decode_control(body).items == tuple(items)


def test_a_box_answers_nothing_and_a_hub_believes_nothing() -> None:
    box, hub = Connection("box", keys(), 1.0), Connection("hub", keys(), 1.0)
    box.attach_path(0, 0, 1.0)
    box.sender.outlet.ping(box.paths[0], 1.0)
    for _, packet in box.datagrams_to_send(1.0):
        hub.receive_datagram(0, packet, 1.0)
    hub.sender.outlet.take()
    for item in (LinkProbe(1, 0), LoadAsked(1, MB)):
        box._tests.on_item(item, 0, 1.0)
    for answer in (LinkEcho(1, 0, 1), LoadState(1, MB, LOAD_REFUSED)):
        hub._tests.on_item(answer, 0, 1.0)
    assert box.sender.outlet.take() == []
    assert hub.sender.outlet.take() == []


def test_a_result_as_text() -> None:
    result = LinkTestResult(
        link="lte-1", at_utc=0.0, probes=300, loss_up=0.05, loss_down=0.0, rtt_p50_ms=62.6,
        rtt_p95_ms=64.0, jitter_ms=1.0, up=LinkSpeed(bps=1_914_595),
        down=LinkSpeed(bps=5_600_000, at_least=True, why="carrying"), carried_bytes=2_684_055,
    )  # fmt: skip
    assert list(trial_view.lines(result)) == [
        "loss         5.0% up, 0.0% down, of 300 small packets",
        "round trip   63 ms, 95 of 100 within 64 ms, jitter 1.0 ms",
        "speed up     1.91 Mbit/s",
        "speed down   at least 5.60 Mbit/s (video is on, or pictures or sound have the links now)",
        "it took      2.68 MB of the link's month",
    ]
    nothing = nothing_known("lte-1", "cap")
    assert list(trial_view.lines(nothing)) == [
        "loss         not measured: its monthly cap is nearly used",
        "speed up     not measured: its monthly cap is nearly used",
        "speed down   not measured: its monthly cap is nearly used",
        "it took      0.00 MB of the link's month",
    ]
    assert set(trial_view.WHY_TEXT) == set(get_args(WhyNot))


@pytest.mark.parametrize("language", ["nb", "en"])
def test_the_desk_has_words_for_each_reason(language: str) -> None:
    said = catalogue(language)
    for why in get_args(WhyNot)[1:]:
        assert said[f"desk.link-test.why.{why}"]


def test_what_was_not_measured_is_nothing() -> None:
    assert LinkTestResult(link="a", at_utc=0.0).loss_up is None
    probed = Probed()
    trial = probed.box.test_link(0, Plan(MB), probed.now)
    trial.stop(probed.now)
    result = trial.result("a", 0.0)
    assert (result.loss_up, result.rtt_p50_ms, result.up.bps, result.down.bps) == (None,) * 4
    assert (result.why, result.up.why, result.down.why) == ("stopped",) * 3
