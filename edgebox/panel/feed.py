"""Hands views and marks from the asyncio loop to the threads that serve pages.

Each live-status stream holds one server thread for as long as its page is open. So there are at
most CLIENTS_MAX of them; server.THREADS is larger by what ordinary requests need. A page that finds
no room asks for the status now and then instead.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from edgebox.panel.marks import Mark, Marks
from edgebox.panel.view import View

CLIENTS_MAX = 4


class Place(Struct, frozen=True):
    """How far a stream has come. Another number than the feed's means: there is something new."""

    view: int = 0
    mark: int = -1
    """Marks are counted from 1; -1 has not even seen that there is none."""


class Feed:
    """The latest view and marks. `publish`, `mark`, `close` from the loop, else from any thread."""

    def __init__(self, view: View):
        self._changed = threading.Condition()
        self._view = view
        self._number = 1
        self._marks = Marks()
        self._clients = 0
        self._closed = False

    def publish(self, view: View) -> None:
        """Wake those who wait, if it looks different."""
        with self._changed:
            if view != self._view:
                self._view = view
                self._number += 1
                self._changed.notify_all()

    def mark(self, change: Callable[[Marks], None]) -> None:
        """Change the marks and wake those who wait."""
        with self._changed:
            change(self._marks)
            self._changed.notify_all()

    def close(self) -> None:
        """The panel ends: streams end too."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def view(self) -> View:
        """The latest."""
        with self._changed:
            return self._view

    @property
    def closed(self) -> bool:
        """No more will come."""
        with self._changed:
            return self._closed

    def wait(self, after: Place, timeout_s: float) -> tuple[Place, View, list[Mark]]:
        """The latest view, the marks since, and the new place: at once if there is news."""
        with self._changed:
            self._changed.wait_for(lambda: self._place() != after or self._closed, timeout_s)
            marks = self._marks.since(after.mark) if after.mark != self._marks.number else []
            return self._place(), self._view, marks

    @contextmanager
    def client(self) -> Iterator[bool]:
        """Take one of the places for streams; False if there is none."""
        with self._changed:
            free = self._clients < CLIENTS_MAX
            self._clients += free
        try:
            yield free
        finally:
            with self._changed:
                self._clients -= free

    def _place(self) -> Place:
        return Place(self._number, self._marks.number)
