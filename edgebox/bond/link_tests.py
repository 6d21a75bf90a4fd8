"""What a connection does for tests of its links: the box's test, the hub's answers to it.

It costs nothing while there is none: the connection calls it once a second.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

from edgebox.bond.answers import Answers, Grants
from edgebox.bond.control import LinkEcho, LinkProbe, LoadAsked, LoadState, TestItem
from edgebox.bond.events import Event, LinkTested
from edgebox.bond.path import Path
from edgebox.bond.sender import Sender
from edgebox.bond.trial import Plan, Trial

CARRYING_S = 2.0
"""Datagrams came or went this lately: the bond is in use."""


class LinkTests:
    """Of one connection. A box has its own test, a hub its answers."""

    def __init__(
        self,
        role: Literal["box", "hub"],
        sender: Sender,
        data_at: Mapping[int, float],
        grants: Grants,
        random_bytes: Callable[[int], bytes],
        events: deque[Event],
    ):
        """`data_at`: when each link last brought a datagram."""
        self._role = role
        self._sender = sender
        self._data_at = data_at
        self._random_bytes = random_bytes
        self._events = events
        self._trial: Trial | None = None
        self._answers = Answers(sender, grants, self.is_carrying)

    def is_carrying(self, now: float) -> bool:
        """Datagrams go over the bond, in whichever direction."""
        heard_at = max(self._data_at.values(), default=-1e9)
        return now - max(self._sender.data_at, heard_at) < CARRYING_S

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
