"""Hands views from the asyncio loop to the threads that serve pages.

Each live-status stream holds one server thread for as long as its page is open. So there are at
most CLIENTS_MAX of them; server.THREADS is larger by what ordinary requests need. A page that finds
no room asks for the status now and then instead.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgebox.panel.view import View

CLIENTS_MAX = 4


class Feed:
    """The latest view. `publish` and `close` from the loop, all else from any thread."""

    def __init__(self, view: View):
        self._changed = threading.Condition()
        self._view = view
        self._number = 1
        self._clients = 0
        self._closed = False

    def publish(self, view: View) -> None:
        """Wake those who wait, if it looks different."""
        with self._changed:
            if view != self._view:
                self._view = view
                self._number += 1
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

    def wait(self, after: int, timeout_s: float) -> tuple[int, View]:
        """The latest view and its number, at once if that is not `after`, else when it changes."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != after or self._closed, timeout_s)
            return self._number, self._view

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
