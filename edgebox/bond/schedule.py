"""Which link a packet goes over: the one where it is predicted to arrive first.

Prediction and its penalty for silence are the path's (path.py). Inside one frame a packet stays
on its frame's link unless another is better by STAY_S: reordering costs more than it gains.
"""

from collections.abc import Iterable

from edgebox.bond.path import Path, PathState, Use

STAY_S = 0.003


def usable(paths: Iterable[Path]) -> list[Path]:
    """Links that are UP; failing that SUSPECT ones, failing that any. The last is never gated.

    Of those that live, only the ones that the operator wants used first.
    """
    attached = [path for path in paths if path.attached]
    for state in (PathState.UP, PathState.SUSPECT):
        found = [path for path in attached if path.state is state]
        if found:
            sound = [path.use for path in found if path.estimate.known and not path.silent]
            first = min(sound, default=Use.CLOSED)
            return [path for path in found if path.use <= first]
    return attached


def choose(paths: list[Path], size: int, now: float, stay_on: int = -1) -> Path | None:
    """The link of earliest arrival, or `stay_on` when that is as good; None without links."""
    best: Path | None = None
    best_s = stay_s = float("inf")
    stay: Path | None = None
    for path in paths:
        arrival_s = path.arrival_s(size, now)
        if arrival_s < best_s:
            best, best_s = path, arrival_s
        if path.link == stay_on:
            stay, stay_s = path, arrival_s
    return stay if stay is not None and stay_s <= best_s + STAY_S else best


def ranked(paths: list[Path], now: float) -> list[Path]:
    """Links by predicted arrival of a small packet, best first."""
    if len(paths) < 2:
        return paths
    return sorted(paths, key=lambda path: path.arrival_s(100, now))
