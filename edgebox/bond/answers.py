"""The hub's side of tests of links: echoes, and loads that a box asks for.

Who may ask: whoever holds the session's keys; what is not sealed with them never comes here. A box
gets at most an echo for each probe, as large as that, and loads of what was granted, and both out
of what its budgets hold whatever its sessions: a box that was stolen can have the hub send little,
to its own links' addresses alone, and those that did not prove themselves get three times what came
from them (roaming.py).

A load is the lowest class: none begins, and one that runs ends, while pictures or sound are sent,
and when its box has not asked again for HEARD_S.
"""

from collections.abc import Callable

from edgebox.bond.budget import Budget
from edgebox.bond.control import (
    LOAD_ENDED,
    LOAD_FILLED,
    LOAD_REFUSED,
    LOAD_RUNS,
    LinkEcho,
    LinkProbe,
    LoadAsked,
    LoadState,
)
from edgebox.bond.load import Load
from edgebox.bond.path import Path
from edgebox.bond.sender import Sender
from edgebox.bond.wire import HEADER_SIZE, TAG_SIZE

ECHOES_S, ECHOES_BURST = 60, 100
"""A healthy box sends 50 probes a second while it tests."""
LOAD_MAX = 2_000_000
"""Bytes of one load, IP headers included."""
LOADS_S, LOADS_BURST = 100_000, 8_000_000
"""Four links in a row, then one load in 20 s."""
HEARD_S = 1.0
ECHO_BYTES = 100


class Grants:
    """What one box may have its hub send for tests, in all its sessions together."""

    def __init__(self, now: float):
        self.echoes = Budget(ECHOES_S, ECHOES_BURST, now)
        self.bytes = Budget(LOADS_S, LOADS_BURST, now)


class Answers:
    """Of one session."""

    def __init__(self, sender: Sender, grants: Grants, is_carrying: Callable[[float], bool]):
        self._sender = sender
        self._grants = grants
        self._is_carrying = is_carrying
        self._probed = -1
        self._seen = 0
        self._asked = -1
        self._path: Path | None = None
        self._load: Load | None = None
        self._granted = 0
        self._state = LOAD_REFUSED
        self._heard_at = 0.0

    def on_probe(self, probe: LinkProbe, path: Path, now: float) -> None:
        """Echo it on its link."""
        if not self._grants.echoes.take(1, now):
            return
        if probe.test != self._probed:
            self._probed, self._seen = probe.test, 0
        self._seen += 1
        echo = LinkEcho(probe.test, probe.number, self._seen)
        pad_to = ECHO_BYTES - HEADER_SIZE - TAG_SIZE
        self._sender.outlet.control(path, [echo], now, pad_to=pad_to)

    def on_load_asked(self, asked: LoadAsked, path: Path, now: float) -> None:
        """Begin, go on, or end; and say so."""
        self._heard_at = now
        if asked.test != self._asked:
            self._begin(asked, path, now)
        elif not asked.size:
            self._end(LOAD_ENDED)
        state = LoadState(asked.test, self._granted, self._state)
        self._sender.outlet.control(path, [state], now)

    def handle_timeout(self, now: float) -> float:
        """Send; when to be called again."""
        load, path = self._load, self._path
        if load is None or path is None:
            return float("inf")
        if self._is_carrying(now) or not load.is_alive or now - self._heard_at > HEARD_S:
            self._end(LOAD_ENDED)
        elif load.is_over(now):
            self._end(LOAD_FILLED if load.is_full else LOAD_ENDED)
        else:
            return load.pump(now)
        state = LoadState(self._asked, self._granted, self._state)
        self._sender.outlet.control(path, [state], now)
        return float("inf")

    def _begin(self, asked: LoadAsked, path: Path, now: float) -> None:
        self._end(LOAD_ENDED)
        self._asked, self._granted, self._state = asked.test, 0, LOAD_REFUSED
        size = min(asked.size, LOAD_MAX)
        if self._is_carrying(now) or not size or not self._grants.bytes.take(size, now):
            return
        self._path, self._load = path, Load(path, self._sender, size, now)
        self._granted, self._state = size, LOAD_RUNS

    def _end(self, state: int) -> None:
        if self._load is not None:
            self._load, self._path, self._state = None, None, state
