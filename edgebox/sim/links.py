"""A stand-in for a modem with real sockets: a UDP relay that limits, delays, loses and cuts.

    client -> listen [up lane] -> target
    client <- listen [down lane] <- target

Each client address gets its own socket towards the target, as behind a carrier's NAT, and all
share the link's two lanes. Reachable from where `listen` is: the demo and tests give loopback.
"""

import asyncio
import contextlib
import random
import socket
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Self

from edgebox.config import parse_address
from edgebox.errors import DeviceError
from edgebox.sim.lane import Lane, LaneSettings
from edgebox.sim.traces import Trace

CLIENTS_MAX = 64
"""The one silent for longest makes room: its mapping is forgotten as a NAT would."""
BURST_MAX = 64
"""Datagrams read in one go before other sockets get their turn."""
DATAGRAM_MAX = 65_535
BUFFER_BYTES = 1 << 20
"""Of each socket: losses shall come from the lanes, not from a busy machine."""

Destination = tuple[str, int] | tuple[str, int, int, int]


@dataclass
class _Client:
    """One client address and its own socket towards the target."""

    address: Destination
    upstream: socket.socket


@dataclass(frozen=True)
class Path:
    """Settings of both directions and the traces they name."""

    up: LaneSettings = field(default_factory=LaneSettings)
    down: LaneSettings = field(default_factory=LaneSettings)
    up_trace: Trace | None = None
    down_trace: Trace | None = None


class SimLink:
    """One simulated link. `up` is from the client, the vehicle, to the target."""

    def __init__(self, listen: str, target: str, path: Path, *, seed: str = "1"):
        self.listen = listen
        self.target = target
        self.unreachable = 0
        """Datagrams the operating system refused to send on: nobody there, or no room."""
        now = time.monotonic()
        self.up: Lane[tuple[_Client, bytes]] = Lane(
            path.up, random.Random(f"{seed} up"), now, path.up_trace
        )
        self.down: Lane[tuple[_Client, bytes]] = Lane(
            path.down, random.Random(f"{seed} down"), now, path.down_trace
        )
        self.restored = asyncio.Event()
        """Set while `alive`."""
        self._clients: OrderedDict[Destination, _Client] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._target = await _resolve(self._loop, self.target)
        address = await _resolve(self._loop, self.listen)
        self._note_alive()
        self._socket = _udp_socket(address)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise DeviceError(f"{self.listen}: cannot listen: {error.strerror}") from error
        self._loop.add_reader(self._socket, self._read_clients)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        while self._clients:
            self._forget_oldest()

    @property
    def clients(self) -> int:
        """Client addresses with a mapping now."""
        return len(self._clients)

    @property
    def alive(self) -> bool:
        """Whether anything can pass in both directions."""
        return not (self.up.settings.cut or self.down.settings.cut)

    def change(self, path: Path) -> None:
        """Take other settings from now on."""
        now = time.monotonic()
        self.up.change(path.up, now, path.up_trace)
        self.down.change(path.down, now, path.down_trace)
        self._note_alive()
        self._pump(now)

    def _note_alive(self) -> None:
        if self.alive:
            self.restored.set()
        else:
            self.restored.clear()

    # Datagrams in

    def _read_clients(self) -> None:
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST_MAX):
                data, address = self._socket.recvfrom(DATAGRAM_MAX)
                self.up.offer((self._client(address), data), len(data), now)
        self._pump(now)

    def _read_upstream(self, client: _Client) -> None:
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST_MAX):
                try:
                    data = client.upstream.recv(DATAGRAM_MAX)
                except ConnectionRefusedError:  # of an earlier datagram; a modem says nothing
                    self.unreachable += 1
                    continue
                self.down.offer((client, data), len(data), now)
        self._pump(now)

    def _client(self, address: Destination) -> _Client:
        client = self._clients.get(address)
        if client is None:
            if len(self._clients) >= CLIENTS_MAX:
                self._forget_oldest()
            client = _Client(address, _udp_socket(self._target))
            client.upstream.connect(self._target)
            self._loop.add_reader(client.upstream, self._read_upstream, client)
            self._clients[address] = client
        self._clients.move_to_end(address)
        return client

    def _forget_oldest(self) -> None:
        _, client = self._clients.popitem(last=False)
        self._loop.remove_reader(client.upstream)
        client.upstream.close()

    # Datagrams out

    def _pump(self, now: float) -> None:
        """Send what is due and set the one timer for what comes next."""
        for client, data in self.up.take(now):
            if client.upstream.fileno() >= 0:
                self._send(client.upstream, data, None)
        for client, data in self.down.take(now):
            self._send(self._socket, data, client.address)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        moments = [at for at in (self.up.next_at(), self.down.next_at()) if at is not None]
        if moments:
            self._timer = self._loop.call_at(min(moments), self._timer_fired)

    def _timer_fired(self) -> None:
        self._pump(time.monotonic())

    def _send(self, by: socket.socket, data: bytes, to: Destination | None) -> None:
        try:
            if to is None:
                by.send(data)
            else:
                by.sendto(data, to)
        except OSError:
            self.unreachable += 1


def _udp_socket(like: Destination) -> socket.socket:
    family = socket.AF_INET6 if len(like) == 4 else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        one.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return one


async def _resolve(loop: asyncio.AbstractEventLoop, text: str) -> Destination:
    host, port = parse_address(text)
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise DeviceError(f"{text}: cannot be resolved: {error.strerror}") from error
    address: Destination = found[0][4]  # type: ignore[assignment] # typeshed knows no family here
    return address
