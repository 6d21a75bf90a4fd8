"""What must hold of a pair of connections at any moment, whatever the network does."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

from edgebox.bond.backlog import BACKLOG_BYTES
from edgebox.bond.connection import EVENTS_MAX, Connection
from edgebox.bond.flows import FLOWS_MAX
from edgebox.bond.release import HELD_MAX

THOROUGH_STEPS = 64
"""What takes longer is looked at once in so many steps."""
SENT_MAX = 20_000
"""Packets one link may have under way."""
ITEMS_MAX = 150_000
BYTES_MAX = 8_000_000
"""Everything an end holds, counted piece by piece: far below the 60 MiB a process may have."""
LARGEST_DATAGRAM = 65_535


class StateError(Exception):
    """A connection is in a state it must never be in; the text says which."""


def check_always(end: Connection) -> None:
    """Cheap enough for after every step. Raises StateError."""
    sender = end.sender
    if sender.queued_bytes > 2 * (BACKLOG_BYTES + LARGEST_DATAGRAM):
        raise StateError(f"{end.role}: {sender.queued_bytes} bytes wait")
    if sender.queued_bytes < 0:
        raise StateError(f"{end.role}: fewer than no bytes wait")
    if not sender.links.usable and any(path.attached for path in sender.paths.values()):
        raise StateError(f"{end.role}: all links are gated")


def check_now_and_then(end: Connection) -> None:
    """What takes longer. Raises StateError."""
    sender = end.sender
    for path in sender.paths.values():
        under_way = [one.size for one in path.sent.values() if one.eliciting]
        if path.in_flight != sum(under_way) or path.waiting != len(under_way):
            raise StateError(f"{end.role}: bytes under way on link {path.link} are miscounted")
        if len(path.sent) > SENT_MAX:
            raise StateError(f"{end.role}: {len(path.sent)} packets under way on link {path.link}")
        if not (math.isfinite(path.rate_bps) and path.rate_bps > 0):
            raise StateError(f"{end.role}: rate of link {path.link} is {path.rate_bps}")
    if len(sender.flows) > FLOWS_MAX:
        raise StateError(f"{end.role}: {len(sender.flows)} flows")
    if len(end._release._arrived) > HELD_MAX + 1:
        raise StateError(f"{end.role}: {len(end._release._arrived)} datagrams held back")
    if len(end._events) > EVENTS_MAX:
        raise StateError(f"{end.role}: {len(end._events)} events nobody took")
    if not (math.isfinite(end.target_bps) and end.target_bps >= 0):
        raise StateError(f"{end.role}: target is {end.target_bps}")


def check_memory(end: Connection) -> None:
    """Everything it holds. Raises StateError."""
    items, size = footprint(end)
    if items > ITEMS_MAX or size > BYTES_MAX:
        raise StateError(f"{end.role}: holds {items} objects, {size} bytes of payload")


def footprint(root: object) -> tuple[int, int]:
    """Objects reachable from `root`, and bytes of the byte strings among them."""
    seen: set[int] = set()
    waiting: list[object] = [root]
    items = size = 0
    while waiting:
        one = waiting.pop()
        items += 1
        if isinstance(one, bytes | bytearray):
            size += len(one)
            continue
        if isinstance(one, int | float | str | None | type) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, list | deque) and one and isinstance(one[0], int):
            items += len(one)
            continue
        waiting.extend(_parts(one))
    return items, size


def _parts(one: Any) -> Iterator[object]:
    if isinstance(one, dict):
        yield from one.keys()
        yield from one.values()
        return
    if isinstance(one, list | tuple | set | frozenset | deque):
        yield from one
        return
    yield from getattr(one, "__dict__", {}).values()
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            value = getattr(one, name, None)
            if not callable(value):
                yield value


def fingerprint(end: Connection) -> tuple[Any, ...]:
    """What packets of a stranger, old or damaged, must leave as it is."""
    paths = tuple(
        (path.link, path.address, path.state, path.attached, path.in_flight, path.acknowledged,
         path.last_received_at, path.bytes_received, path.estimate.capacity_bps)
        for path in end.paths.values()
    )  # fmt: skip
    receptions = tuple(
        (one.link, one.highest, one.bitmap, one.bytes_total)
        for one in end._receipts.receptions.values()
    )
    return (
        paths, receptions, end.last_received_at, end.acknowledged, end.counters.delivered,
        len(end._events), len(end.sender.flows), len(end._destinations), end.target_bps,
        end.sender.outlet.bytes_total, end._release.duplicates, len(end._release._arrived),
    )  # fmt: skip
