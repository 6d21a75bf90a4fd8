"""Sound over links that together carry hardly more than sound: one copy, few acknowledgements."""

import random

import pytest

from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived
from edgebox.bond.seal import Keys
from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import HUB_CLOCK_AHEAD_S, Network, NetworkLink

START = 1000.0
FLOW = 5
PACKET_S = 0.06
SOUND_BYTES = 116
"""12 kbit/s in packets of 60 ms, with RTP, SRTP and TURN: what is sent on links this poor."""
STEPS_BPS = (800_000, 300_000, 100_000, 60_000)
STEP_S = 10.0


class Call:
    """Sound both ways while all links together carry less and less, each way."""

    def __init__(self, shares: tuple[float, ...], seed: int):
        chance = random.Random(seed)
        keys = Keys(7, "chacha20-poly1305", chance.randbytes(32), chance.randbytes(32))
        box = Connection("box", keys, START)
        hub = Connection("hub", keys, START + HUB_CLOCK_AHEAD_S)
        self.ends = {"up": box, "down": hub}
        self.shares = shares
        links = [NetworkLink(_lane(3_000_000), _lane(3_000_000)) for _ in shares]
        self.network = Network(box, hub, links, seed, now=START)
        self.network.after_step = self._after_step
        self.sent: dict[tuple[str, int], float] = {}
        self.delays_s: dict[tuple[str, int], float] = {}
        for link in range(len(shares)):
            box.attach_path(link, link, START)
        for number, total_bps in enumerate(STEPS_BPS):
            self.network.at(START + 2 + number * STEP_S, lambda bps=total_bps: self._narrow(bps))  # type: ignore[misc]
        self.network.at(START + 0.5, lambda: self._speak("up"))
        self.network.at(START + 1.0, lambda: self._speak("down"))
        self.network.run_until(START + 2 + len(STEPS_BPS) * STEP_S)

    def _narrow(self, total_bps: int) -> None:
        for link, share in zip(self.network.links, self.shares, strict=True):
            for direction in ("up", "down"):
                link.change(direction, self.network.now, rate_bps=round(share * total_bps))

    def _speak(self, direction: str) -> None:
        network, number = self.network, len(self.sent)
        network.at(network.now + PACKET_S, lambda: self._speak(direction))
        self.sent[direction, number] = network.now
        rtp = b"\x80\x6f" + number.to_bytes(2, "big") + (number * 2880).to_bytes(4, "big")
        source = b"snd" + direction[:1].encode()
        payload = (rtp + source + number.to_bytes(4, "big")).ljust(SOUND_BYTES, b"\0")
        end, now = self.ends[direction], network.clock(direction)
        end.open_flow(FLOW, "10.0.0.1:5" if direction == "up" else "", now)
        end.send_datagram(FLOW, payload, now)
        network.flush()

    def _after_step(self) -> None:
        for direction, other in (("up", "down"), ("down", "up")):
            while (event := self.ends[other].next_event()) is not None:
                if isinstance(event, DatagramReceived):
                    key = (direction, int.from_bytes(event.payload[12:16], "big"))
                    self.delays_s[key] = self.network.now - self.sent[key]

    def in_time(self, direction: str, step: int) -> float:
        """Share of the sound of a step's second half that came within 400 ms."""
        end = START + 2 + (step + 1) * STEP_S - 0.5
        said = [
            key
            for key, at in self.sent.items()
            if key[0] == direction and end - STEP_S / 2 <= at < end
        ]
        return sum(self.delays_s.get(key, 9.0) < 0.4 for key in said) / len(said)


def _lane(rate_bps: int) -> LaneSettings:
    return LaneSettings(rate_bps=rate_bps, delay_ms=30.0, jitter_ms=3.0)


@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.67, 0.25, 0.08), (1.0,)])
def test_sound_is_carried_to_the_last_60_kbit_s(shares: tuple[float, ...]) -> None:
    call = Call(shares, 2)
    for direction in ("up", "down"):
        for step in range(len(STEPS_BPS)):
            assert call.in_time(direction, step) > 0.97, (direction, STEPS_BPS[step])
