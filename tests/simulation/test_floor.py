"""Traffic of no known kind beside pictures that would take everything (bond/floor.py)."""

import random

import pytest

from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived
from edgebox.bond.floor import SHARE
from edgebox.bond.seal import Keys
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, Network, NetworkLink
from edgebox.sim.scenario import steady

START = 1000.0
LINK_BPS = 300_000
PICTURES, OTHER = 1, 2
OTHER_BYTES = 400
PICTURE_HZ = 25
RUN_S, SETTLE_S = 30.0, 10.0


class Crowd:
    """Pictures of twice what three links carry, or of what the bond allows, and something else."""

    def __init__(
        self, other_bps: float, *, obeys: bool = False, pictures: bool = True, seed: int = 1
    ):
        chance = random.Random(seed)
        keys = Keys(7, "chacha20-poly1305", chance.randbytes(32), chance.randbytes(32))
        self.box = Connection("box", keys, START)
        self.hub = Connection("hub", keys, START + HUB_CLOCK_AHEAD_S)
        links: list[NetworkLink] = [steady(LINK_BPS, 30) for _ in range(3)]
        self.network = Network(self.box, self.hub, links, seed, now=START)
        self.network.after_step = self._after_step
        self._obeys = obeys
        self._said: dict[int, float] = {}
        self.delays_s: list[float] = []
        self.lost = 0
        self.arrived_bytes = {PICTURES: 0, OTHER: 0}
        for number in range(3):
            self.box.attach_path(number, number, START)
        for flow in (PICTURES, OTHER):
            self.box.open_flow(flow, "127.0.0.1:3478", START)
        for number in range(int(RUN_S * PICTURE_HZ) if pictures else 0):
            self.network.at(START + 1 + number / PICTURE_HZ, lambda n=number: self._picture(n))  # type: ignore[misc]
        every_s = OTHER_BYTES * 8 / other_bps
        for number in range(int(RUN_S / every_s)):
            self.network.at(START + 1 + number * every_s, lambda n=number: self._other(n))  # type: ignore[misc]
        self.network.run_until(START + RUN_S + 3)

    def _picture(self, number: int) -> None:
        now = self.network.clock("up")
        allowed_bps = self.box.tell_target(now)
        rate_bps = allowed_bps if self._obeys else 6.0 * LINK_BPS
        count = max(1, round(rate_bps / PICTURE_HZ / 8 / 1000))
        for place in range(count):
            head = bytes([0x80, 0x80 * (place == count - 1) + 96])
            head += (number * 16 + place).to_bytes(2, "big") + (number * 3600).to_bytes(4, "big")
            self.box.send_datagram(PICTURES, head + b"\0\0\0\1" + bytes(988), now)

    def _other(self, number: int) -> None:
        self._said[number] = self.network.now
        payload = b"\x50" + number.to_bytes(4, "big") + bytes(OTHER_BYTES - 5)
        self.box.send_datagram(OTHER, payload, self.network.clock("up"))

    def _after_step(self) -> None:
        for end in (self.box, self.hub):
            for event in iter(end.next_event, None):
                if isinstance(event, DatagramReceived) and self.network.now > START + SETTLE_S:
                    self.arrived_bytes[event.flow] += len(event.payload)
                    if event.flow == OTHER:
                        said_at = self._said.pop(int.from_bytes(event.payload[1:5], "big"))
                        self.delays_s.append(self.network.now - said_at)

    @property
    def other_bps(self) -> float:
        return self.arrived_bytes[OTHER] * 8 / (RUN_S + 1 - SETTLE_S)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_little_arrives_soon_though_pictures_want_more_than_there_is(seed: int) -> None:
    crowd = Crowd(40_000, seed=seed)
    assert crowd.other_bps == pytest.approx(40_000, rel=0.1)
    assert sorted(crowd.delays_s)[int(0.95 * len(crowd.delays_s))] < 0.5


@pytest.mark.parametrize("obeys", [False, True])
def test_much_takes_its_share_and_pictures_have_the_rest(obeys: bool) -> None:
    alone, beside = Crowd(1_000, obeys=obeys), Crowd(2_000_000, obeys=obeys)
    share = beside.other_bps / (3 * LINK_BPS)
    assert 0.8 * SHARE < share < 1.2 * SHARE
    assert beside.arrived_bytes[PICTURES] > 0.85 * alone.arrived_bytes[PICTURES]


def test_without_pictures_it_has_all() -> None:
    assert Crowd(600_000, pictures=False).other_bps > 500_000
