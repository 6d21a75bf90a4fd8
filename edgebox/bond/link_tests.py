"""What a connection does for tests of its links: the box's test, the hub's answers to it.

It costs nothing while there is none: the connection calls it once a second.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

from edgebox.bond.answers import Answers, Grants
from edgebox.bond.control import LinkEcho, LinkProbe, LoadAsked, LoadState, TestItem
from edgebox.bond.events import Event, LinkTested
from edgebox.bond.meter import Counters
from edgebox.bond.path import Path
from edgebox.bond.sender import Sender
from edgebox.bond.trial import Plan, Trial

LIVE_S = 2.0
"""Pictures or sound were seen this lately: they may go on."""
QUIET_BPS = 20_000
"""Sound and control above this are a call: 50 packets a second, with headers, come to more."""
STEADY_PPS = 32
STEADY_S = 1.0
"""So many datagrams a second without a pause are a voice or a picture; brokers talk in bursts."""
WINDOW_S = 0.25


class LinkTests:
    """Of one connection. A box has its own test, a hub its answers."""

    def __init__(
        self,
        role: Literal["box", "hub"],
        sender: Sender,
        counters: Counters,
        grants: Grants,
        random_bytes: Callable[[int], bytes],
        events: deque[Event],
    ):
        self._role = role
        self._sender = sender
        self._counters = counters
        self._window_at = 0.0
        self._delivered = 0
        self._steady_s = 0.0
        self._steady_at = float("-inf")
        self._random_bytes = random_bytes
        self._events = events
        self._trial: Trial | None = None
        self._answers = Answers(sender, grants, self.is_carrying)

    def is_carrying(self, now: float) -> bool:
        """Pictures or sound go over the bond: up or down, as far as the box sees it.

        The hub looks at what it sends itself: its box, which asks, looks at the rest.
        """
        self._look(now)
        if self._sender.urgent_bps(now) > QUIET_BPS:
            return True
        return now - max(self._steady_at, self._pictures_at()) < LIVE_S

    def _pictures_at(self) -> float:
        """When the last picture was accepted, of those that are sent."""
        flows = self._sender.flows.values()
        pictures = (one.accepted_at for flow in flows for one in flow.frames if one.is_whole)
        return max(pictures, default=float("-inf"))

    def _look(self, now: float) -> None:
        """Box: what comes out without a pause, as the engine counts it anyway."""
        span_s = now - self._window_at
        if self._role == "hub" or span_s < WINDOW_S:
            return
        delivered = self._counters.delivered
        is_steady = delivered - self._delivered >= STEADY_PPS * span_s
        self._steady_s = self._steady_s + span_s if is_steady else 0.0
        self._window_at, self._delivered = now, delivered
        if self._steady_s >= STEADY_S:
            self._steady_at = now

    def begin(self, plan: Plan, path: Path, now: float) -> Trial:
        """Box: test this link. One that runs is stopped."""
        self.stop(now)
        test = int.from_bytes(self._random_bytes(4), "big")
        self._trial = Trial(plan, test, path, self._sender, self.is_carrying, now)
        return self._trial

    def stop(self, now: float) -> None:
        """Box: the test that runs ends."""
        if self._trial is not None:
            self._trial.stop(now)
            self._end()

    def on_item(self, item: TestItem, link: int, now: float) -> None:
        """It came over this link: the hub answers there, the box takes answers."""
        path = self._sender.paths.get(link)
        if path is None or not path.attached:
            return
        if self._role == "hub":
            if isinstance(item, LinkProbe):
                self._answers.on_probe(item, path, now)
            elif isinstance(item, LoadAsked):
                self._answers.on_load_asked(item, path, now)
        elif self._trial is not None and self._trial.link == link:
            if isinstance(item, LinkEcho):
                self._trial.on_echo(item, now)
            elif isinstance(item, LoadState):
                self._trial.on_load_state(item)

    def handle_timeout(self, now: float) -> float:
        """Do what is due; when to be called again."""
        self._look(now)
        at = self._answers.handle_timeout(now)
        if self._trial is None:
            return at
        next_at = self._trial.handle_timeout(now)
        if next_at is None:
            self._end()
            return at
        return min(at, next_at)

    def _end(self) -> None:
        if self._trial is not None:
            self._events.append(LinkTested(self._trial))
            self._trial = None
