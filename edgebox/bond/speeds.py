"""How fast one link is, upwards and downwards: two steps of a test (trial.py).

Upwards the box fills the link itself and the hub's acknowledgements tell what came through.
Downwards it asks the hub, which says what it grants (answers.py), and counts what comes.
Either ends the moment the bond carries pictures or sound.
"""

from collections.abc import Callable

from edgebox.bond.control import LOAD_FILLED, LOAD_REFUSED, LOAD_RUNS, LoadAsked, LoadState
from edgebox.bond.load import LOAD_S, LOOK_S, POINTS_BYTES, Load, Passage, Point
from edgebox.bond.path import Path, PathState
from edgebox.bond.sender import Sender
from edgebox.messages.link_test import LinkSpeed, WhyNot

ASK_AGAIN_S = 0.25
"""The hub takes its end from silence too: this is asked until it says that it is over."""
ANSWER_S = 1.5
"""It answers by then, and says by then that it is over."""
SETTLE_S, SETTLE_MAX_S = 0.02, 1.0
"""Acknowledgements of the last of a load come a round trip after it, and so much."""

IsCarrying = Callable[[float], bool]


class Upwards:
    """The box's own load."""

    def __init__(self, size: int, path: Path, sender: Sender, is_carrying: IsCarrying):
        self.why: WhyNot = "stopped"
        self.carried_bytes = 0
        self._size = size
        self._path = path
        self._sender = sender
        self._is_carrying = is_carrying
        self._load: Load | None = None
        self._passage: Passage | None = None
        self._settled_at = 0.0

    def handle_timeout(self, now: float) -> float | None:
        """Send; when to be called again, None when it is over."""
        if self._load is None or self._passage is None:
            self._load = Load(self._path, self._sender, self._size, now)
            self._passage = Passage(self._acknowledged, now)
        load = self._load
        self._passage.look(now)
        self.carried_bytes = self._size - load.left
        if self._is_carrying(now):
            self.why = "carrying"
            return None
        if not load.is_alive:
            self.why = "silent"
            return None
        if not load.is_over(now):
            settle_s = self._path.estimate.srtt_s + SETTLE_S
            self._settled_at = now + min(SETTLE_MAX_S, settle_s)
            return load.pump(now)
        if self._path.in_flight and now < self._settled_at:
            return now + LOOK_S
        self.why = "" if self._passage.bps() is not None else "little"
        return None

    def stop(self, now: float) -> None:
        """It shall end now."""
        self.why = "stopped"

    def speed(self) -> LinkSpeed:
        """What came of it."""
        if self._load is None or self._passage is None:
            return LinkSpeed(why=self.why)
        return _speed(self._passage.bps(), self.why, is_full=self._load.is_full)

    def _acknowledged(self, now: float) -> Point:
        """By the hub's clock."""
        return Point(self._path.received_s, self._path.bytes_total)


class Downwards:
    """The hub's load."""

    def __init__(self, size: int, test: int, path: Path, sender: Sender, is_carrying: IsCarrying):
        self.why: WhyNot = "stopped"
        self._size = size
        self._test = test
        self._path = path
        self._sender = sender
        self._is_carrying = is_carrying
        self._passage: Passage | None = None
        self._state: LoadState | None = None
        self._ask_at = self._answer_at = self._ends_at = 0.0

    @property
    def carried_bytes(self) -> int:
        """Outer payload that came meanwhile."""
        return self._passage.carried_bytes if self._passage is not None else 0

    def on_state(self, state: LoadState) -> None:
        """The hub's word."""
        if state.test == self._test:
            self._state = state

    def handle_timeout(self, now: float) -> float | None:
        """Ask and count; when to be called again, None when it is over."""
        if self._passage is None:
            self._passage = Passage(self._arrived, now)
            self._answer_at = now + ANSWER_S
            self._ends_at = self._answer_at + LOAD_S + ANSWER_S
        self._passage.look(now)
        over = self._over(self._passage, now)
        if over is not None:
            self._end(over, now)
            return None
        if now >= self._ask_at:
            self._ask_at = now + ASK_AGAIN_S
            self._ask(self._size, now)
        return now + LOOK_S / 2

    def _over(self, passage: Passage, now: float) -> WhyNot | None:
        """Why it is over; None: it is not. Empty: as it should be."""
        if self._is_carrying(now):
            return "carrying"
        if not self._path.attached or self._path.state is PathState.DOWN:
            return "silent"
        state = self._state
        if state is not None and state.state != LOAD_RUNS:
            return "refused" if state.state == LOAD_REFUSED else ""
        begun = state is not None or passage.carried_bytes > POINTS_BYTES
        if now >= (self._ends_at if begun else self._answer_at):
            return "silent" if begun else "no-answer"
        return None

    def stop(self, now: float) -> None:
        """It shall end now."""
        self._end("stopped", now)

    def speed(self) -> LinkSpeed:
        """What came of it."""
        if self._passage is None or self.why == "refused":
            return LinkSpeed(why=self.why)
        is_full = self._state is not None and self._state.state == LOAD_FILLED
        return _speed(self._passage.bps(), self.why, is_full=is_full)

    def _end(self, why: WhyNot, now: float) -> None:
        if why != "refused":
            self._ask(0, now)
        has_figure = self._passage is not None and self._passage.bps() is not None
        self.why = why or ("" if has_figure else "little")

    def _ask(self, size: int, now: float) -> None:
        self._sender.outlet.control(self._path, [LoadAsked(self._test, size)], now)

    def _arrived(self, now: float) -> Point:
        return Point(now, self._path.bytes_received)


def _speed(bps: int | None, why: WhyNot, *, is_full: bool) -> LinkSpeed:
    """Of a load that was cut short it is known what had passed until then."""
    return LinkSpeed(bps=bps, at_least=bps is not None and (bool(why) or not is_full), why=why)
