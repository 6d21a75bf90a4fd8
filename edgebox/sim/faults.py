"""Faults for a random vehicle: each begins and heals; the names tell what happened when."""

import random
from collections.abc import Callable
from functools import partial

from edgebox.bond.connection import Connection
from edgebox.bond.path import Use
from edgebox.sim.invariants import StateError, fingerprint
from edgebox.sim.network import OTHER, Network, Stranger
from edgebox.sim.traffic import FLOWS

BOTH = ("up", "down")
INJECTED = 40


class Faults:
    """Draws them, and lets them happen to one network and its ends."""

    def __init__(self, network: Network, box: Connection, hub: Connection, chance: random.Random):
        self.names: list[str] = []
        self._network = network
        self._box = box
        self._ends = {"up": box, "down": hub}
        self._chance = chance
        self._kinds: tuple[Callable[[float, float], str], ...] = (
            self._cut, self._cut, self._cut_one_way, self._cut_one_way, self._flap, self._blackout,
            self._rate, self._loss, self._delay, self._rebind, self._mtu, self._stop,
            self._suspend, self._jump, self._unplug, self._use, self._replay, self._damage,
            self._forget,
        )  # fmt: skip

    def plan(self, begin: float, length_s: float) -> None:
        """None to eight of them, all healed when `length_s` is over."""
        for _ in range(self._chance.randrange(9)):
            at = begin + self._chance.uniform(0, length_s * 0.9)
            until = min(begin + length_s, at + 10 ** self._chance.uniform(-1.5, 0.3))
            what = self._chance.choice(self._kinds)(at, until)
            self.names.append(f"{what} {at - begin:.2f}-{until - begin:.2f}")

    def _any_link(self) -> int:
        return self._chance.randrange(len(self._network.links))

    def _change(
        self, link: int, direction: str, at: float, until: float, **settings: object
    ) -> None:
        """One setting for a while, then what it was in the beginning."""
        network = self._network
        original = getattr(network.links[link], direction)
        back = {name: getattr(original, name) for name in settings}
        network.at(at, lambda: network.links[link].change(direction, network.now, **settings))
        network.at(until, lambda: network.links[link].change(direction, network.now, **back))

    # Links

    def _cut(self, at: float, until: float) -> str:
        link = self._any_link()
        for direction in BOTH:
            self._change(link, direction, at, until, cut=True)
        return f"cut {link}"

    def _cut_one_way(self, at: float, until: float) -> str:
        link, direction = self._any_link(), self._chance.choice(BOTH)
        self._change(link, direction, at, until, cut=True)
        return f"cut {link} {direction}"

    def _flap(self, at: float, until: float) -> str:
        link = self._any_link()
        step_s = max(0.02, (until - at) / 8)
        while at < until:
            for direction in BOTH:
                self._change(link, direction, at, min(until, at + step_s), cut=True)
            at += 2 * step_s
        return f"flap {link}"

    def _blackout(self, at: float, until: float) -> str:
        for link in range(len(self._network.links)):
            for direction in BOTH:
                self._change(link, direction, at, until, cut=True)
        return "blackout"

    def _rate(self, at: float, until: float) -> str:
        link, direction = self._any_link(), self._chance.choice(BOTH)
        settings = getattr(self._network.links[link], direction)
        if settings.trace:
            return self._cut_one_way(at, until)
        factor = self._chance.uniform(0.03, 0.6)
        self._change(link, direction, at, until, rate_bps=max(20_000, round(
            settings.rate_bps * factor)))  # fmt: skip
        return f"{factor:.2f} of rate {link} {direction}"

    def _loss(self, at: float, until: float) -> str:
        link, direction, loss = self._any_link(), self._chance.choice(BOTH), self._chance.random()
        self._change(link, direction, at, until, loss=loss)
        return f"{loss:.0%} loss {link} {direction}"

    def _delay(self, at: float, until: float) -> str:
        link, direction = self._any_link(), self._chance.choice(BOTH)
        delay_ms = self._chance.uniform(1, 400)
        self._change(link, direction, at, until, delay_ms=delay_ms)
        return f"{delay_ms:.0f} ms {link} {direction}"

    def _rebind(self, at: float, until: float) -> str:
        link = self._any_link()
        self._network.at(at, lambda: self._network.rebind(link))
        return f"rebind {link}"

    def _mtu(self, at: float, until: float) -> str:
        link, size = self._any_link(), self._chance.choice((576, 1000, 1200, 1270))
        directions = self._chance.choice((BOTH, ("up",), ("down",)))
        mtu = self._network.links[link].mtu
        self._network.at(at, lambda: mtu.update(dict.fromkeys(directions, size)))
        self._network.at(until, mtu.clear)
        return f"mtu {size} on {link} {' '.join(directions)}"

    def _unplug(self, at: float, until: float) -> str:
        link, network, box = self._any_link(), self._network, self._box
        for direction in BOTH:
            self._change(link, direction, at, until, cut=True)

        def gone() -> None:
            box.detach_path(link, network.clock("up"))

        def back() -> None:
            box.attach_path(link, link, network.clock("up"))

        network.at(at, lambda: network.when_run("up", gone))
        network.at(until, lambda: network.when_run("up", back))
        return f"unplug {link}"

    def _use(self, at: float, until: float) -> str:
        """The operator wants the link used otherwise for a while."""
        link, network, box = self._any_link(), self._network, self._box
        use, metered = self._chance.choice(tuple(Use)), self._chance.random() < 0.5

        def change(use: Use, *, metered: bool) -> None:
            box.use_path(link, use, network.clock("up"), metered=metered)

        network.at(at, lambda: network.when_run("up", partial(change, use, metered=metered)))
        network.at(
            until, lambda: network.when_run("up", partial(change, Use.ORDINARY, metered=False))
        )
        return f"link {link} as {use.name.lower()}"

    # Ends

    def _stop(self, at: float, until: float) -> str:
        direction = self._chance.choice(BOTH)
        self._network.at(at, lambda: self._network.freeze(direction, until - at, suspended=False))
        return f"stop {'box' if direction == 'up' else 'hub'}"

    def _suspend(self, at: float, until: float) -> str:
        direction = self._chance.choice(BOTH)
        self._network.at(at, lambda: self._network.freeze(direction, until - at, suspended=True))
        return f"suspend {'box' if direction == 'up' else 'hub'}"

    def _jump(self, at: float, until: float) -> str:
        direction = self._chance.choice(BOTH)
        seconds = self._chance.choice((0.05, 0.5, 3.0, 20.0, 1000.0))
        self._network.at(at, lambda: self._network.jump(direction, seconds))
        return f"{'box' if direction == 'up' else 'hub'} {seconds:g} s ahead"

    def _forget(self, at: float, until: float) -> str:
        hub = self._ends["down"]
        for flow in FLOWS:
            forget = partial(hub.forget_flow, flow)
            self._network.at(at, partial(self._network.when_run, "down", forget))
        return "hub forgets"

    # Strangers

    def _replay(self, at: float, until: float) -> str:
        self._network.at(at, lambda: self._inject(lambda packet: packet))
        return "replay"

    def _damage(self, at: float, until: float) -> str:
        self._network.at(at, lambda: self._inject(self._spoil))
        return "damaged packets"

    def _spoil(self, packet: bytes) -> bytes:
        way = self._chance.randrange(4)
        at = self._chance.randrange(len(packet))
        if way == 0:
            return packet[:at]
        if way == 1:
            return packet + self._chance.randbytes(1 + at % 30)
        if way == 2:
            return self._chance.randbytes(len(packet))
        return packet[:at] + bytes((packet[at] ^ (1 << at % 8),)) + packet[at + 1 :]

    def _inject(self, change: Callable[[bytes], bytes]) -> None:
        """What the ends have had before must change nothing when it comes again, from anywhere."""
        network = self._network
        had = network.captured
        for direction, link, packet in self._chance.sample(had, min(INJECTED, len(had))):
            if network.is_frozen(OTHER[direction]):
                continue
            end = self._ends[OTHER[direction]]
            before, counters = fingerprint(end), end.counters
            refused = counters.garbage + counters.replayed
            spoiled = change(packet)
            end.receive_datagram(Stranger(link), spoiled, network.clock(OTHER[direction]))
            if fingerprint(end) != before:
                raise StateError(f"a stranger's packet changed {end.role}")
            if counters.garbage + counters.replayed != refused + 1:
                raise StateError(f"a stranger's packet was not counted by {end.role}")
