"""The vehicle's own programs on the forwards' listening addresses, each client a flow.

Who may reach a forward: see box.py. What a client sends goes to one fixed destination.
"""

import asyncio
import hashlib
import socket
from collections.abc import Callable
from dataclasses import dataclass

from edgebox.bond.transport import Address, drain, send, udp_socket
from edgebox.config import parse_address
from edgebox.config.bond import Forward
from edgebox.errors import ConfigError

CLIENTS_MAX = 256
"""Of all forwards together; the hub serves no more. The one idle longest gives way."""


@dataclass
class _Client:
    sock: socket.socket
    forward: Forward
    address: Address
    used_at: float


class Clients:
    """`on_datagram` gets flow, destination and payload; `on_batch` is called when some came."""

    def __init__(
        self, on_datagram: Callable[[int, str, bytes], None], on_batch: Callable[[], None]
    ):
        self._on_datagram = on_datagram
        self._on_batch = on_batch
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._clients: dict[int, _Client] = {}
        self._flow_of: dict[tuple[str, Address], int] = {}

    def open(self, forward: Forward) -> None:
        """Listen for one forward. Raises ConfigError when its port is taken."""
        host, port = parse_address(forward.listen)
        sock = udp_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._sockets.append(sock)
        try:
            sock.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"bond.forward {forward.name!r}: cannot listen on {forward.listen}: "
                f"{error.strerror}"
            ) from error
        self._loop.add_reader(sock, self._on_readable, forward, sock)

    def close(self) -> None:
        """Listen no more."""
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()

    def deliver(self, flow: int, payload: bytes) -> None:
        """What came back for a client; one that is forgotten gets nothing."""
        client = self._clients.get(flow)
        if client is not None:
            send(client.sock, payload, client.address)

    def destination_of(self, flow: int) -> str:
        """Where the flow goes; empty if it is forgotten."""
        client = self._clients.get(flow)
        return client.forward.to if client else ""

    def _on_readable(self, forward: Forward, sock: socket.socket) -> None:
        def take(payload: bytes, address: Address) -> None:
            flow = self._flow(forward, sock, address)
            self._on_datagram(flow, forward.to, payload)

        drain(sock, take)
        self._on_batch()

    def _flow(self, forward: Forward, sock: socket.socket, address: Address) -> int:
        now = self._loop.time()
        flow = self._flow_of.get((forward.listen, address))
        if flow is None:
            flow = self._new_client(forward, sock, address, now)
        self._clients[flow].used_at = now
        return flow

    def _new_client(
        self, forward: Forward, sock: socket.socket, address: Address, now: float
    ) -> int:
        """The flow's number follows from the addresses: after a restart it is the same again."""
        if len(self._clients) >= CLIENTS_MAX:
            self._forget(min(self._clients, key=lambda one: self._clients[one].used_at))
        flow, salt = -1, 0
        while flow < 0 or flow in self._clients:
            text = f"{forward.listen}|{address[0]}|{address[1]}|{salt}"
            digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
            flow, salt = int.from_bytes(digest, "big"), salt + 1
        self._clients[flow] = _Client(sock, forward, address, now)
        self._flow_of[forward.listen, address] = flow
        return flow

    def _forget(self, flow: int) -> None:
        client = self._clients.pop(flow)
        del self._flow_of[client.forward.listen, client.address]
