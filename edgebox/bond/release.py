"""The receiving end's last step: each datagram once, in order when that costs little.

Copies are recognised by their bond-wide sequence number. A datagram that names a predecessor not
yet here is held, at most HOLD_MAX_S: libwebrtc asks for a retransmission at the first gap, so a
reordering of a few milliseconds between links would cost more than the wait. What is late comes
out nevertheless. How long holding is worth while is learnt from gaps that did fill.
"""

import heapq

from edgebox.bond.wire import Data, unwrap

HOLD_MAX_S = 0.025
HOLD_MIN_S = 0.004
HELD_MAX = 1024
"""Datagrams held at most; beyond, the oldest come out."""
WINDOW = 1 << 14
"""Sequence numbers remembered; an older datagram cannot be told from a copy and is dropped."""
GAPS_MAX = 256
GROUPS_MAX = 32
GROUP_S = 0.5
"""Pieces of a large datagram wait this long for the others."""


class _Group:
    __slots__ = ("count", "pieces", "until")

    def __init__(self, count: int, until: float):
        self.count = count
        self.pieces: dict[int, bytes] = {}
        self.until = until


class Release:
    """Sequence numbers are of one session and direction."""

    def __init__(self) -> None:
        self._highest = -1
        self._seen = [-1] * WINDOW
        self._held: dict[int, list[tuple[int, Data]]] = {}
        self._arrived: dict[int, float] = {}
        self._order: list[tuple[float, int, int]] = []
        self._groups: dict[tuple[int, int], _Group] = {}
        self._gaps: dict[int, float] = {}
        self._hold_s = HOLD_MAX_S / 2
        self.duplicates = 0
        self.reordered = 0

    def add(self, data: Data, now: float) -> list[Data]:
        """Take one copy; returns what may be forwarded now, in order."""
        sequence = unwrap(data.sequence, self._highest + 1 if self._highest >= 0 else data.sequence)
        if not self._is_new(sequence):
            self.duplicates += 1
            return []
        self._seen[sequence % WINDOW] = sequence
        self._highest = max(self._highest, sequence)
        if data.fragment is not None:
            whole = self._join(data, now)
            return self._free(sequence) if whole is None else [whole, *self._free(sequence, now)]
        self._learn_late(sequence, now)
        before = sequence - data.back
        if data.back and before >= 0 and self._is_awaited(before):
            return self._hold(sequence, before, data, now)
        return [data, *self._free(sequence, now)]

    def next_timeout(self) -> float | None:
        """When something held must come out."""
        return self._order[0][0] if self._order else None

    def expire(self, now: float) -> list[Data]:
        """What has been held long enough."""
        out: list[Data] = []
        while self._order and self._order[0][0] <= now:
            _, sequence, before = heapq.heappop(self._order)
            out += self._give_up(sequence, before)
        return out

    def _is_new(self, sequence: int) -> bool:
        return sequence > self._highest - WINDOW and self._seen[sequence % WINDOW] != sequence

    def _is_awaited(self, sequence: int) -> bool:
        """Not here yet, or here but itself held."""
        return self._seen[sequence % WINDOW] < sequence or sequence in self._arrived

    def _hold(self, sequence: int, before: int, data: Data, now: float) -> list[Data]:
        self._held.setdefault(before, []).append((sequence, data))
        self._arrived[sequence] = now
        heapq.heappush(self._order, (now + self._hold_s, sequence, before))
        if len(self._arrived) <= HELD_MAX:
            return []
        _, oldest, its_before = heapq.heappop(self._order)
        return self._give_up(oldest, its_before)

    def _give_up(self, sequence: int, before: int) -> list[Data]:
        """Stop waiting for `before`; everything that waits for it comes out."""
        if sequence not in self._arrived:
            return []
        self._hold_s = max(HOLD_MIN_S, self._hold_s * 0.98)
        self._gaps[before] = self._arrived[sequence]
        if len(self._gaps) > GAPS_MAX:
            del self._gaps[next(iter(self._gaps))]
        return self._free(before)

    def _free(self, sequence: int, now: float | None = None) -> list[Data]:
        """What waited for `sequence`, and what waited for that, and so on.

        `now` is given when `sequence` really came: then the time waited is a lesson.
        """
        if not self._held:
            return []
        out: list[Data] = []
        waiting = [sequence]
        while waiting:
            for after, data in self._held.pop(waiting.pop(0), ()):
                waited_from = self._arrived.pop(after)
                if now is not None and not out:
                    self._learn(now - waited_from)
                out.append(data)
                waiting.append(after)
        return out

    def _learn_late(self, sequence: int, now: float) -> None:
        """A datagram comes after its gap was given up: a longer hold might have paid."""
        waited_from = self._gaps.pop(sequence, None) if self._gaps else None
        if waited_from is not None and now - waited_from <= HOLD_MAX_S:
            self._learn(now - waited_from)

    def _learn(self, waited_s: float) -> None:
        self.reordered += 1
        if waited_s > self._hold_s * 0.7:
            self._hold_s = min(HOLD_MAX_S, max(self._hold_s, waited_s * 1.5))

    def _join(self, data: Data, now: float) -> Data | None:
        """The whole datagram when this was its last missing piece."""
        piece = data.fragment
        if piece is None:
            return data
        key = (data.flow, piece.group)
        group = self._groups.get(key)
        if group is None or group.count != piece.total:
            self._drop_old_groups(now)
            group = self._groups[key] = _Group(piece.total, now + GROUP_S)
        group.pieces[piece.place] = data.payload
        if len(group.pieces) < group.count:
            return None
        del self._groups[key]
        payload = b"".join(group.pieces[index] for index in range(group.count))
        return data._replace(fragment=None, payload=payload)

    def _drop_old_groups(self, now: float) -> None:
        for key in [key for key, group in self._groups.items() if group.until < now]:
            del self._groups[key]
        while len(self._groups) >= GROUPS_MAX:
            del self._groups[next(iter(self._groups))]
