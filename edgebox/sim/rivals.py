"""Other ways to use several links, behind the interface of the bond's ends.

What each stands for, and what it takes from there:

    one link         plain SRT over a single modem
    duplicate        everything on every link (engarde, SRT broadcast groups)
    least in flight  BELABOX srtla: window / (packets in flight + 1), window from acknowledgements
    minimum RTT      MPTCP's default scheduler: the least smoothed RTT with room in its window
    static weights   librist: shares by what the links are said to carry, set once by hand

The shell they share is in rival_ends.py.
"""

from collections.abc import Sequence

from edgebox.sim.rival_ends import Choice, RivalBox, RivalPath


def only_link(box: RivalBox, paths: Sequence[RivalPath], size: int) -> list[RivalPath]:
    """The one that is attached."""
    return list(paths[:1])


def duplicate(box: RivalBox, paths: Sequence[RivalPath], size: int) -> list[RivalPath]:
    """Everything over every link."""
    return list(paths)


def least_in_flight(box: RivalBox, paths: Sequence[RivalPath], size: int) -> list[RivalPath]:
    """srtla_send.c, select_conn(): the greatest window / (in flight + 1)."""
    return [max(paths, key=lambda path: path.window / (len(path.sent) + 1))] if paths else []


def minimum_rtt(box: RivalBox, paths: Sequence[RivalPath], size: int) -> list[RivalPath]:
    """The least smoothed RTT among those with room in their (Reno) window."""
    ready = [path for path in paths if len(path.sent) < path.cwnd]
    return [min(ready, key=lambda path: path.srtt_s)] if ready else []


def static_weights(weights: Sequence[float]) -> Choice:
    """In turn, each as often as its weight says."""

    def choose(box: RivalBox, paths: Sequence[RivalPath], size: int) -> list[RivalPath]:
        if not paths:
            return []
        total = sum(weights[path.link] for path in paths)
        for path in paths:
            path.credit = min(50_000.0, path.credit + size * weights[path.link] / total)
        best = max(paths, key=lambda path: path.credit)
        best.credit -= size
        return [best]

    return choose
