"""Between a connection and the event loop: sockets, a drain loop, one timer.

Sockets are plain non-blocking ones with `add_reader`: asyncio's datagram classes cost five times
as much for each packet. Errors of a socket are values here, never exceptions.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakSet

from edgebox.bond.connection import Connection
from edgebox.bond.events import Event
from edgebox.config.bond import Link

logger = logging.getLogger(__name__)

DRAIN = 64
"""Datagrams taken from one socket before others get their turn."""
DATAGRAM_MAX = 65_535
BUFFER_BYTES = 2_000_000
TIMER_SLACK_S = 0.0005
PASSING = {errno.ENOBUFS, errno.EAGAIN, errno.EMSGSIZE, errno.EINTR, errno.ECONNREFUSED}
"""Errors that concern one datagram; all others say that the link cannot send."""

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
"""linux/in.h, linux/in6.h; the socket module lacks them before Python 3.14."""
UDP_SEGMENT = 103
"""linux/udp.h, udp(7): cut one buffer into datagrams of this size."""
SEGMENTS_MAX, SEGMENTS_BYTES = 60, 60_000
"""Of one system call; the kernel's limits are 64 and 65,507."""
SNDBUFFORCE, RCVBUFFORCE = 32, 33
"""asm-generic/socket.h, socket(7)."""
HEADERS_V4, HEADERS_V6 = 28, 48
"""IP and UDP headers: carriers count them too."""

_whole_only: "WeakSet[socket.socket]" = WeakSet()
"""Sockets whose interface cannot cut buffers."""

Address = Any
"""A socket address as the socket module has it."""


def udp_socket(family: int) -> socket.socket:
    """A non-blocking UDP socket with large buffers."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for forced, option in ((RCVBUFFORCE, socket.SO_RCVBUF), (SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, BUFFER_BYTES)
        except OSError:
            # Without CAP_NET_ADMIN as much as net.core.rmem_max and wmem_max allow.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    return sock


def never_fragment(sock: socket.socket) -> None:
    """Send each datagram whole or not at all (ip(7), IP_PMTUDISC_PROBE): sizes are found by the
    bond itself, and what the kernel remembers of a path is not asked."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
    if sock.family == socket.AF_INET6:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)


def bind_to_link(sock: socket.socket, link: Link) -> None:
    """Let a fresh socket leave by this link only. Raises OSError when it cannot."""
    if link.interface:
        name = link.interface.encode() + b"\0"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        sock.bind(("::" if sock.family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104
    else:
        sock.bind((link.source, 0))


def drain(sock: socket.socket, take: Callable[[bytes, Address], None]) -> None:
    """Hand over what has arrived, a limited number at a time."""
    for _ in range(DRAIN):
        try:
            packet, address = sock.recvfrom(DATAGRAM_MAX)
        except OSError:  # nothing more, or an ICMP error of an earlier datagram
            return
        take(packet, address)


def send(sock: socket.socket, packet: bytes, address: Address) -> int:
    """Returns 0, or the errno."""
    try:
        sock.sendto(packet, address)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def send_many(sock: socket.socket, packets: list[bytes], address: Address) -> int:
    """Send them in order, those of one size in one system call (udp(7), UDP_SEGMENT).

    Returns the last errno, or 0. A system call costs more than all else of a packet. Where the
    interface cannot do it (EIO without checksum offload), they go one by one.
    """
    problem = 0
    at = 0
    while at < len(packets):
        end = _run_end(packets, at)
        if end - at > 1 and _send_segments(sock, packets[at:end], address):
            at = end
            continue
        for packet in packets[at:end]:
            problem = send(sock, packet, address) or problem
        at = end
    return problem


def _run_end(packets: list[bytes], at: int) -> int:
    """How far packets of one size go from here; the last of a run may be smaller."""
    size = len(packets[at])
    most = min(len(packets), at + SEGMENTS_BYTES // size, at + SEGMENTS_MAX)
    end = at + 1
    while end < most and len(packets[end]) == size:
        end += 1
    return end + 1 if end < most and len(packets[end]) < size else end


def _send_segments(sock: socket.socket, packets: list[bytes], address: Address) -> bool:
    segment = (socket.IPPROTO_UDP, UDP_SEGMENT, len(packets[0]).to_bytes(2, sys.byteorder))
    if sock in _whole_only:
        return False
    try:
        sock.sendmsg(packets, [segment], 0, address)
    except OSError as error:
        if error.errno in {errno.EIO, errno.EINVAL, errno.EOPNOTSUPP}:
            _whole_only.add(sock)
        return False
    return True


class Driver:
    """Runs one connection on the loop."""

    def __init__(
        self,
        connection: Connection,
        send_outer: Callable[[Hashable, list[bytes]], None],
        on_event: Callable[[Event], None],
    ):
        self.connection = connection
        self._send_outer = send_outer
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def receive(self, address: Hashable, packet: bytes) -> None:
        """Take an outer datagram; `flush` after the last of a batch."""
        self.connection.receive_datagram(address, packet, self._loop.time())

    def flush(self) -> None:
        """Send what there is to send, hand out events, set the timer."""
        if self._closed:
            return
        connection = self.connection
        now = self._loop.time()
        if connection.next_timeout() <= now:
            connection.handle_timeout(now)
        while (event := connection.next_event()) is not None:
            self._on_event(event)
        self._send(connection.datagrams_to_send(now))
        self._set_timer(max(connection.next_timeout(), now))

    def _send(self, datagrams: list[tuple[Hashable, bytes]]) -> None:
        """Link by link: only within a link does order matter."""
        if len(datagrams) == 1:
            [(address, packet)] = datagrams
            self._send_outer(address, [packet])
            return
        by_address: dict[Hashable, list[bytes]] = {}
        for address, packet in datagrams:
            by_address.setdefault(address, []).append(packet)
        for address, packets in by_address.items():
            self._send_outer(address, packets)

    def close(self) -> None:
        """Stop the timer; the connection is dead afterwards."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def overdue_s(self) -> float:
        """How late the timer is; large means that the loop hangs."""
        return max(0.0, self._loop.time() - self.connection.next_timeout())

    def _set_timer(self, at: float) -> None:
        """A timer that fires early sets itself anew, so only an earlier one needs work."""
        if self._timer is not None and self._timer.when() <= at + TIMER_SLACK_S:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self.flush()
