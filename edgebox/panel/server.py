"""The panel's web server: waitress in a thread beside the asyncio loop.

Who may reach it: this machine only (guard.require_loopback), and of what runs there only the
panel's own page may change anything (guard.install).

Threads: feed.CLIENTS_MAX for streams, which hold theirs, and REQUEST_THREADS for all else; a
question holds one for some seconds, so that actions.QUESTIONS_MAX leave half of them free.
"""

import asyncio
import socket
import threading
from contextlib import AbstractAsyncContextManager
from typing import Self

from flask import Flask
from waitress import create_server
from waitress.wasyncore import close_all

from edgebox.config import parse_address
from edgebox.errors import DeviceError
from edgebox.panel.feed import CLIENTS_MAX
from edgebox.panel.guard import BODY_MAX

REQUEST_THREADS = 8
THREADS = CLIENTS_MAX + REQUEST_THREADS
CONNECTIONS_MAX = 64
IDLE_TIMEOUT_S = 30
HEADER_MAX = 16_384


class WebServer(AbstractAsyncContextManager["WebServer"]):
    """Serves from the moment it is made until it is left."""

    def __init__(self, app: Flask, address: str):
        """Raises DeviceError if the address cannot be listened on."""
        self._server = create_server(
            app,
            sockets=[_listen(address)],
            threads=THREADS,
            connection_limit=CONNECTIONS_MAX,
            channel_timeout=IDLE_TIMEOUT_S,
            cleanup_interval=IDLE_TIMEOUT_S,
            max_request_body_size=BODY_MAX,
            max_request_header_size=HEADER_MAX,
            channel_request_lookahead=1,  # tells a stream that its page has gone
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._thread = threading.Thread(target=self._server.run, name="panel-http", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Streams and questions have been ended before (Feed.close, BusActions.cancel)."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        """Threads first, then sockets, the latter in the thread that polls them."""
        self._server.task_dispatcher.shutdown()
        self._server.trigger.pull_trigger(lambda: close_all(self._server._map))
        self._thread.join()


def _listen(address: str) -> socket.socket:
    """Bind here: waitress leaves its socket open when it cannot."""
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()  # now, so that a second panel finds the port in use
    except OSError as error:
        listener.close()
        raise DeviceError(f"panel.listen: {address}: {error.strerror}") from error
    return listener
