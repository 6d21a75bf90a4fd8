"""Tests of links in virtual time: what they say is so, and nothing else notices."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from edgebox.bond.answers import LOAD_MAX, LOADS_BURST, LOADS_S, Grants
from edgebox.bond.connection import Connection
from edgebox.bond.control import LinkProbe, LoadAsked
from edgebox.bond.events import LinkTested
from edgebox.bond.seal import Keys
from edgebox.bond.trial import PROBES_BYTES, SPEED_BYTES, Plan
from edgebox.messages.link_test import RESULT_S, LinkTestResult
from edgebox.sim.bond_run import Result, run
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, Network, NetworkLink
from edgebox.sim.rtp_stream import percentile
from edgebox.sim.scenario import Scenario, busiest, cut, steady
from edgebox.sim.scenarios import SCENARIOS
from edgebox.sim.vehicle import MakeEnds, drive, make_ends

START = 1000.0
BEGIN_S = 3.0
FULL = Plan(SPEED_BYTES)


class Idle:
    """A bond that carries nothing, and one test of its first link."""

    def __init__(self, links: list[NetworkLink], seed: int = 1, plan: Plan = FULL):
        chance = random.Random(seed)
        keys = Keys(7, "chacha20-poly1305", chance.randbytes(32), chance.randbytes(32))
        self.box = Connection("box", keys, START)
        hub_now = START + HUB_CLOCK_AHEAD_S
        self.grants = Grants(hub_now)
        self.hub = Connection("hub", keys, hub_now, grants=self.grants)
        self.network = Network(self.box, self.hub, links, seed, now=START)
        self.network.after_step = self._after_step
        self.ended: list[tuple[float, LinkTestResult]] = []
        for number in range(len(links)):
            self.box.attach_path(number, number, START)
        self.at(BEGIN_S, lambda: self.box.test_link(0, plan, self.network.clock("up")))

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self.network.at(START + seconds, partial(_do, action))

    def result(self) -> LinkTestResult:
        """When it is over, which is in time."""
        self.network.run_until(START + BEGIN_S + RESULT_S)
        [(_, result)] = self.ended
        return result

    def _after_step(self) -> None:
        while (event := self.box.next_event()) is not None:
            if isinstance(event, LinkTested):
                result = event.trial.result("lte-1", 0.0)
                self.ended.append((self.network.now - START, result))
        while self.hub.next_event() is not None:
            pass


def _do(action: Callable[[], object]) -> None:
    action()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_percent_and_two_megabit(seed: int) -> None:
    result = Idle([steady(2_000_000, 30, loss=0.05), steady(1_000_000, 50)], seed).result()
    assert (result.probes, result.why) == (300, "")
    assert result.loss_up == pytest.approx(0.05, abs=0.04)
    assert result.loss_down == pytest.approx(0.05, abs=0.04)
    # 30 ms each way, up to 2 ms of jitter each, and the time that a packet takes.
    assert result.rtt_p50_ms == pytest.approx(62.5, abs=2)
    assert result.rtt_p95_ms == pytest.approx(64.0, abs=2)
    assert result.jitter_ms == pytest.approx(1.0, abs=0.5)
    assert (result.up.why, result.up.at_least) == ("", False)
    assert result.up.bps == pytest.approx(1_900_000, rel=0.1)
    assert result.down.bps == pytest.approx(5_700_000, rel=0.1)


@pytest.mark.parametrize(
    ("rate_bps", "loss", "up_bps"),
    [(64_000, 0.0, 56_000), (200_000, 0.02, 185_000), (20_000_000, 0.0, 19_500_000)],
)
def test_thin_and_fast_links(rate_bps: int, loss: float, up_bps: int) -> None:
    result = Idle([steady(rate_bps, 30, loss=loss)]).result()
    assert result.up.bps == pytest.approx(up_bps, rel=0.12)
    assert result.loss_up == pytest.approx(loss, abs=0.03)


def test_a_link_of_long_round_trips_is_done_in_time_too() -> None:
    """A satellite."""
    result = Idle([steady(1_000_000, 300, loss=0.01)]).result()
    assert (result.why, result.up.why, result.down.why) == ("", "", "")
    assert result.rtt_p50_ms == pytest.approx(604, abs=4)
    assert result.up.bps == pytest.approx(970_000, rel=0.1)


def test_what_is_faster_than_the_bytes_show_is_at_least_so_fast() -> None:
    result = Idle([steady(100_000_000, 20)]).result()
    assert result.up.at_least
    assert result.up.bps is not None
    assert 10_000_000 < result.up.bps < 100_000_000


@pytest.mark.parametrize("seed", [1, 2])
def test_it_takes_no_more_than_its_bytes(seed: int) -> None:
    link = steady(50_000_000, 20)
    idle = Idle([link], seed)
    result = idle.result()
    without = Idle([steady(50_000_000, 20)], seed, Plan(0, "cap"))
    probes = without.result()
    assert (probes.up.why, probes.down.why) == ("cap", "cap")
    assert probes.carried_bytes == PROBES_BYTES
    for direction in ("up", "down"):
        more = idle.network.sent_bytes[direction] - without.network.sent_bytes[direction]
        # Acknowledgements of the other direction's load are not its own.
        assert more < SPEED_BYTES + 150_000
    assert result.carried_bytes <= PROBES_BYTES + 2 * SPEED_BYTES + 2000


@pytest.mark.parametrize(("after_s", "known"), [(0.0, False), (3.0, True)])
def test_a_link_that_dies_while_it_is_probed(after_s: float, known: bool) -> None:
    idle = Idle([steady(2_000_000, 30), steady(1_000_000, 50)])
    idle.at(BEGIN_S + after_s, lambda: cut(0)(idle.network))
    result = idle.result()
    assert idle.ended[0][0] < BEGIN_S + after_s + 4
    assert result.why == ("silent" if known else "no-answer")
    assert (result.loss_up is not None, result.rtt_p50_ms is not None) == (known, known)
    if known:
        assert 100 < result.probes < 200
        assert result.loss_up == 0
    assert (result.up.bps, result.up.why) == (None, result.why)
    assert (result.down.bps, result.down.why) == (None, result.why)


def test_a_link_that_dies_under_load_leaves_what_was_known() -> None:
    idle = Idle([steady(2_000_000, 30), steady(1_000_000, 50)])
    idle.at(BEGIN_S + 8.0, lambda: cut(0)(idle.network))
    result = idle.result()
    assert (result.why, result.loss_up) == ("", 0)
    assert (result.up.why, result.up.at_least) == ("silent", True)
    assert result.up.bps == pytest.approx(1_950_000, rel=0.1)
    assert (result.down.bps, result.down.why) == (None, "silent")


def test_a_hub_that_knows_no_tests_is_no_lost_link() -> None:
    idle = Idle([steady(2_000_000, 30)])
    idle.hub._tests.on_item = lambda item, link, now: None  # type: ignore[method-assign]
    result = idle.result()
    assert (result.why, result.loss_up, result.probes) == ("no-answer", None, 0)


def test_it_can_be_stopped() -> None:
    idle = Idle([steady(2_000_000, 30)])
    idle.at(BEGIN_S + 8.0, lambda: idle.box.stop_test(idle.network.clock("up")))
    result = idle.result()
    assert idle.ended[0][0] == pytest.approx(BEGIN_S + 8.0, abs=0.1)
    assert (result.up.why, result.down.why) == ("stopped", "stopped")
    assert result.loss_up == 0


# What the bond carries


def with_test(scenario: Scenario, link: Callable[[Network], int]) -> Scenario:
    """With a test of a link four seconds into the picture."""

    def begin(network: Network) -> None:
        box = network.sides["up"].end
        assert isinstance(box, Connection)
        box.test_link(link(network), FULL, network.clock("up"))

    return replace(scenario, script=(*scenario.script, (4.0, begin)))


def late(results: list[Result]) -> float:
    return sum(result.late() for result in results) / len(results)


def p95_ms(results: list[Result]) -> float:
    return sum(percentile(result.delays_ms(), 0.95) for result in results) / len(results)


@pytest.mark.parametrize("name", ["2.5 to 1 Mbit/s", "2 % loss"])
def test_pictures_do_not_notice(name: str) -> None:
    """The same links, faults and frames; what chance does to single packets differs."""
    scenario = replace(next(one for one in SCENARIOS if one.name == name), duration_s=12.0)
    seeds = (1, 2)
    without = [run(scenario, seed) for seed in seeds]
    beside = [run(with_test(scenario, busiest), seed) for seed in seeds]
    assert late(beside) <= late(without) + 0.01
    assert p95_ms(beside) <= p95_ms(without) + 5
    for one, other in zip(without, beside, strict=True):
        assert other.rate_bps() > 0.98 * one.rate_bps()
        assert other.gap_ms() < one.gap_ms() + 40
        extra = other.box.sender.paths
        assert all(path.state is one.box.sender.paths[path.link].state for path in extra.values())


def test_a_picture_that_begins_under_load_ends_the_load() -> None:
    """The picture begins one second after the links; a link is full then."""
    links = [steady(3_000_000, 25), steady(2_000_000, 35)]
    idle = Idle(links)
    frames = 0

    def picture() -> None:
        nonlocal frames
        frames += 1
        for place in range(4):
            rtp = b"\x80\x60" + frames.to_bytes(2, "big") + (frames * 3000).to_bytes(4, "big")
            payload = (rtp + b"cam!" + bytes([place])).ljust(1000, b"v")
            idle.box.send_datagram(1, payload, idle.network.clock("up"))

    idle.box.open_flow(1, "server:1", START)
    for number in range(60):
        idle.at(BEGIN_S + 8.5 + number / 30, picture)
    result = idle.result()
    assert idle.ended[0][0] == pytest.approx(BEGIN_S + 8.5, abs=0.05)
    assert (result.up.why, result.up.at_least) == ("carrying", True)
    assert (result.down.why, result.down.bps) == ("carrying", None)
    assert idle.hub.counters.delivered >= 236  # of 240: one link was full when it began
    assert idle.hub.counters.late == 0


def talk(
    idle: Idle, direction: str, period_s: float, payload: bytes, until_s: float, size: int = 100
) -> None:
    """Datagrams of one flow, from the first second on; without a payload RTP of `size` bytes."""
    end = idle.box if direction == "up" else idle.hub
    number = 0

    def one() -> None:
        nonlocal number
        number += 1
        sound = b"\x80\x6f" + number.to_bytes(2, "big") + (number * 960).to_bytes(4, "big")
        clock = idle.network.clock(direction)
        end.open_flow(1, "server:1", clock)
        end.send_datagram(1, payload or sound.ljust(size, b"s"), clock)
        if idle.network.now < START + until_s:
            idle.network.at(idle.network.now + period_s, one)

    idle.at(max(1.0, idle.network.now - START), one)


def test_pictures_cut_into_pieces_are_pictures() -> None:
    """Each packet is larger than the link takes, so it travels in fragments."""
    idle = Idle([steady(2_000_000, 30)])
    talk(idle, "up", 0.04, b"", 30, size=1500)
    result = idle.result()
    assert (result.up.why, result.down.why) == ("carrying", "carrying")


@pytest.mark.parametrize("direction", ["up", "down"])
def test_sound_keeps_a_link_from_being_filled(direction: str) -> None:
    idle = Idle([steady(2_000_000, 30)])
    talk(idle, direction, 0.02, b"", 30)
    result = idle.result()
    assert (result.loss_up, result.why) == (0, "")
    assert (result.up.bps, result.up.why) == (None, "carrying")
    assert (result.down.bps, result.down.why) == (None, "carrying")
    assert max(idle.network.sent_bytes.values()) < 600_000


def test_what_brokers_say_to_each_other_does_not() -> None:
    """Twelve datagrams a second, and bursts that are answered: it goes before the load."""
    idle = Idle([steady(2_000_000, 30)])
    talk(idle, "up", 0.08, b"\x43" + b"q" * 600, 30)
    for number in range(15):
        for direction in ("up", "down"):
            for place in range(40):
                burst = partial(talk, idle, direction, 1.0, b"\x44" + b"b" * 300, 0)
                idle.at(2 * number + place / 200, burst)
    result = idle.result()
    assert (result.up.why, result.down.why) == ("", "")
    assert result.up.bps == pytest.approx(1_900_000, rel=0.1)
    assert idle.hub.counters.late == 0
    assert idle.hub.counters.delivered > 700
    assert idle.box.counters.delivered > 440


# What a box may ask


def test_the_hub_sends_no_more_than_it_grants() -> None:
    """A box that asks for ever, under ever new numbers, over both its links."""
    idle = Idle([steady(100_000_000, 10), steady(100_000_000, 10)], plan=Plan(0, "cap"))
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        item = LoadAsked(asked // 25, (1 << 32) - 1)
        path = idle.box.paths[asked // 25 % 2]
        idle.box.sender.outlet.control(path, [item], idle.network.clock("up"))

    idle.network.run_until(START + 12)
    before = idle.network.sent_bytes["down"]
    for number in range(400):
        idle.at(12 + number / 20, ask)
    idle.network.run_until(START + 33)
    answers = asked * 128 + 21 * 20_000
    granted = (LOADS_BURST + 20 * LOADS_S) // LOAD_MAX * LOAD_MAX
    assert granted == 10_000_000
    assert granted - LOAD_MAX < idle.network.sent_bytes["down"] - before < granted + answers


def test_a_load_ends_when_its_box_has_gone() -> None:
    idle = Idle([steady(200_000, 10)])
    idle.network.run_until(START + BEGIN_S + 11.5)
    idle.network.freeze("up", 8.0, suspended=False)
    before = idle.network.sent_bytes["down"]
    idle.network.run_until(START + BEGIN_S + 19)
    assert idle.network.sent_bytes["down"] - before < 200_000


def test_probes_beyond_what_a_test_needs_have_no_echo() -> None:
    idle = Idle([steady(100_000_000, 10)], plan=Plan(0, "cap"))
    idle.network.run_until(START + 12)

    def probe() -> None:
        for number in range(100):
            item = LinkProbe(9, number)
            idle.box.sender.outlet.control(idle.box.paths[0], [item], idle.network.clock("up"))

    before = idle.network.sent_packets["down"]
    for number in range(100):
        idle.at(12 + number / 100, probe)
    idle.network.run_until(START + 13)
    assert idle.network.sent_packets["down"] - before < 200


@pytest.mark.parametrize("seed", range(1, 7))
def test_random_vehicles_keep_their_invariants(seed: int) -> None:
    """Faults of every kind, and a test in the middle of them."""
    drive(seed, _testing(seed))


def _testing(seed: int) -> MakeEnds:
    def ends(keys: Keys, box_now: float, hub_now: float) -> tuple[Connection, Connection]:
        box, hub = make_ends(keys, box_now, hub_now)
        return _Testing(box, seed), hub

    return ends


class _Testing(Connection):
    """Tests its links one after the other."""

    def __init__(self, like: Connection, seed: int):
        self.__dict__ = like.__dict__
        self._next_at = like.created_at + 0.2 + 0.1 * (seed % 7)

    def handle_timeout(self, now: float) -> None:
        if now >= self._next_at and self.paths:
            self._next_at = now + 1.3
            link = sorted(self.paths)[int(now * 10) % len(self.paths)]
            self.test_link(link, FULL, now)
        super().handle_timeout(now)
