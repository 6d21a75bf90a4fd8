"""Who watches, by peer, and for each the connection that is to take the place of theirs (no I/O).

A page that sees no pictures for a while offers anew, and its offer may come late: after a tunnel,
when its old connection works again and it wants no other. So what a peer has stays until the new
connection has come about; one that never does takes nothing with it.
"""

from collections.abc import Iterator, Mapping

from edgebox.media.viewer import Viewer


class Roster:
    """Iterate: all of them, those included that are still to come."""

    def __init__(self) -> None:
        self._viewers: dict[str, Viewer] = {}
        self._coming: dict[str, Viewer] = {}

    def __iter__(self) -> Iterator[Viewer]:
        return iter([*self._viewers.values(), *self._coming.values()])

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer in [*self._viewers.values(), *self._coming.values()]

    @property
    def present(self) -> Mapping[str, Viewer]:
        """One for each peer."""
        return self._viewers

    def newest(self, peer: str) -> Viewer | None:
        """The one this peer asked for last."""
        return self._coming.get(peer) or self._viewers.get(peer)

    def of(self, peer: str) -> list[Viewer]:
        """What this peer has, and is to have."""
        return [one for one in (self._viewers.get(peer), self._coming.get(peer)) if one]

    def add(self, peer: str, viewer: Viewer) -> Viewer | None:
        """A peer's new one; the one it takes the place of now, if any."""
        has = self._viewers.get(peer)
        if has is None or has.state == "connecting":
            self._viewers[peer] = viewer
            return has
        displaced = self._coming.get(peer)
        self._coming[peer] = viewer
        return displaced

    def promote(self, viewer: Viewer) -> Viewer | None:
        """It has come about; the one it takes the place of, None if that is done."""
        for peer, one in self._coming.items():
            if one is viewer:
                old = self._viewers[peer]
                self._viewers[peer] = self._coming.pop(peer)
                return old
        return None

    def remove(self, viewer: Viewer) -> None:
        """It is over; who was to come after it is next."""
        for places in (self._viewers, self._coming):
            for peer, one in list(places.items()):
                if one is viewer:
                    del places[peer]
                    if peer in self._coming:
                        self._viewers[peer] = self._coming.pop(peer)
                    return
