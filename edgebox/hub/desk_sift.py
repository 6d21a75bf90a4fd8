"""What a box says by two ways is heard once, and what comes late is not taken for new. Pure.

While the bridge of a box's broker is down, its support service says everything over a connection of
its own as well; the broker keeps its copies and sends them when the bridge is back.
"""

from collections import OrderedDict
from collections.abc import Hashable

from edgebox.messages.support import AuditHead, ChatLine, SupportSession

INSTANCES_MAX = 8
HEARD_MAX = 500


class Sift:
    """Of one box."""

    def __init__(self) -> None:
        self._instance = ""
        self._n = 0
        self._earlier: OrderedDict[Hashable, None] = OrderedDict()
        self._heard: OrderedDict[Hashable, None] = OrderedDict()

    def is_news(self, session: SupportSession) -> bool:
        """False: something newer was heard. Boxes of older versions do not number what they say."""
        if not session.n:
            return True
        if session.instance in self._earlier:
            return False
        if session.instance != self._instance:
            _first(self._earlier, self._instance, INSTANCES_MAX)
            self._instance, self._n = session.instance, 0
        is_newer = session.n > self._n
        self._n = max(self._n, session.n)
        return is_newer

    def is_first(self, said: ChatLine | AuditHead) -> bool:
        """False: it was heard before."""
        if isinstance(said, AuditHead):
            return _first(self._heard, (said.entries, said.hash), HEARD_MAX)
        return not said.n or _first(self._heard, (said.session, said.n), HEARD_MAX)


def _first(known: OrderedDict[Hashable, None], one: Hashable, most: int) -> bool:
    is_first = one not in known
    known[one] = None
    if len(known) > most:
        known.popitem(last=False)
    return is_first
