"""Two boxes with one identity, which takes a copied card: who has it twice? Pure.

Theory of operation. The broker lets in the one that came last, so both lose their connection in
turn, every few seconds, and each says its own states again when it is back. A service has an
`instance`, drawn at each start. One box goes through them once; of two, those of the first come
back after those of the second. A message that was late may look so once, and twice; not again and
again.
"""

from collections import deque
from dataclasses import dataclass, field

KNOWN = 8
"""Instances of one box that are remembered."""
RETURNS = 3
WITHIN_S = 300.0


@dataclass
class _Heard:
    instances: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN))
    """The newest last."""
    returned_at: deque[float] = field(default_factory=lambda: deque(maxlen=RETURNS))


class Twins:
    """Of all boxes; one service is enough to tell."""

    def __init__(self) -> None:
        self._boxes: dict[str, _Heard] = {}

    def hear(self, box: str, instance: str, now: float) -> None:
        """A service of this box has said that it lives."""
        heard = self._boxes.setdefault(box, _Heard())
        if heard.instances and heard.instances[-1] == instance:
            return
        if instance in heard.instances:
            heard.instances.remove(instance)
            heard.returned_at.append(now)
        heard.instances.append(instance)

    def has(self, box: str, now: float) -> bool:
        """Whether two boxes use this identity."""
        heard = self._boxes.get(box)
        return (
            heard is not None
            and len(heard.returned_at) == RETURNS
            and now - heard.returned_at[0] <= WITHIN_S
        )
