"""The links of one direction: which there are, which may be used, what they carry together."""

from collections import deque
from collections.abc import Hashable

from edgebox.bond.path import Path, PathState
from edgebox.bond.schedule import ranked, usable
from edgebox.bond.wire import OUTER_MAX

SILENT_S = 0.7
"""The far end has forgotten us, or no link lives, when nothing comes back for so long."""


class Links:
    """Owned by the sender; repair and probing look at it."""

    def __init__(self) -> None:
        self.paths: dict[int, Path] = {}
        self.usable: list[Path] = []
        """Those that traffic goes over."""
        self.changed: deque[Path] = deque()
        """Paths whose state changed, for the caller to take."""
        self.size_max = OUTER_MAX
        """Outer payload that every link takes; larger inner datagrams go in pieces."""

    def attach(self, link: int, address: Hashable, now: float) -> Path:
        """The link can be used from now on, at this address."""
        path = self.paths.get(link)
        if path is None:
            path = self.paths[link] = Path(link, address, now)
        elif not path.attached:
            path.attached = True
            path.state = PathState.DOWN
            path.probe_at = now
        path.address = address
        self.find_usable()
        return path

    def inherit(self, earlier: "Links") -> None:
        """Take over what an earlier session of the same links found out about their rates."""
        for link, path in self.paths.items():
            known = earlier.paths.get(link)
            if known is not None and known.estimate.capacity_bps > path.estimate.capacity_bps:
                path.estimate.capacity_bps = known.estimate.capacity_bps

    def are_silent(self, heard_at: float, now: float) -> bool:
        """We ask, and nothing has come back for long; `heard_at`: the far end, on any link."""
        attached = [path for path in self.paths.values() if path.attached]
        if not attached or not all(path.waiting_since for path in attached):
            return False
        patience_s = max(SILENT_S, 2.5 * min(path.estimate.srtt_s for path in attached))
        asked_at = max(path.waiting_since for path in attached)
        return now - max(asked_at, heard_at) > patience_s

    def find_usable(self) -> None:
        """Look again after a state has changed."""
        self.usable = usable(self.paths.values())
        self.find_size()

    def find_size(self) -> None:
        """Look again after a link was found to take larger packets, or only smaller ones."""
        sizes = [path.mtu.size for path in self.paths.values() if path.attached]
        self.size_max = min(sizes, default=OUTER_MAX)

    def fitting(self, size: int) -> list[Path]:
        """Usable ones that take an outer payload of this size."""
        if size <= self.size_max:
            return self.usable
        return [path for path in self.usable if size <= path.mtu.size]

    def best(self, now: float, size: int = 0) -> list[Path]:
        """The two that a small packet arrives over first, of those that take `size`."""
        return ranked(self.fitting(size), now)[:2]

    def carried_bps(self, now: float) -> float:
        """What those in use carry together, less what their silence puts in doubt."""
        return sum(path.rate_bps * path.confidence(now) for path in self.usable)

    def capacity_bps(self) -> float:
        """What those in use could carry together, silent ones included."""
        return sum(path.estimate.capacity_bps for path in self.usable)

    def way_s(self) -> float:
        """Shortest way to the far end."""
        return min((path.estimate.min_rtt_s for path in self.usable), default=0.1) / 2
