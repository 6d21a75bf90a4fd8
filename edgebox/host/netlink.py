"""Network interfaces as the kernel sees them, and word of every change: rtnetlink(7), netlink(7).

Reading needs no privilege. After each message the whole state is read anew, so that a lost
message (the kernel drops them under pressure) costs a delay and never a wrong state.

    message     length u32, type u16, flags u16, sequence u32, port u32, then one of
    link        family u8, -, type u16, index i32, flags u32, change u32, attributes
    address     family u8, prefix length u8, flags u8, scope u8, index u32, attributes
    attribute   length u16, type u16, content, padding to 4 bytes; native byte order
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

logger = logging.getLogger(__name__)

SETTLE_S = 0.02
"""Messages come in swarms; they are answered together."""
RETRY_S = 1.0
IFF_UP, IFF_RUNNING = 0x1, 0x40
"""netdevice(7)."""

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_ROUTE = 0
"""NETLINK_ROUTE."""
_GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."""
_ERROR, _DONE = 2, 3
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_REQUEST_DUMP = 0x301
_INTERRUPTED = 0x10
"""NLM_F_DUMP_INTR: something changed meanwhile."""
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE = 0x40
"""IFA_F_TENTATIVE: not ours yet, duplicates are still looked for (RFC 4862, 5.4)."""
_RECEIVE = 65_536


@dataclass(frozen=True)
class Interface:
    """One network interface."""

    name: str
    index: int
    up: bool
    """Switched on and with a carrier."""
    addresses: frozenset[str]


Interfaces = dict[str, Interface]


async def read_interfaces() -> Interfaces:
    """All interfaces by name. Raises OSError."""
    while True:
        links = await _dump(_GET_LINK)
        addresses = await _dump(_GET_ADDRESS)
        if links is not None and addresses is not None:
            return _interfaces(links, addresses)


async def watch_interfaces(changed: Callable[[Interfaces], Awaitable[None]]) -> None:
    """Call `changed` with the state now and after every change, until cancelled."""
    said = ""
    while True:
        try:
            await _watch(changed)
        except* OSError as errors:
            problem = str(errors.exceptions[0])
            if problem != said:
                logger.warning("netlink: %s, listening anew every second", problem)
            said = problem
        await asyncio.sleep(RETRY_S)


async def _watch(changed: Callable[[Interfaces], Awaitable[None]]) -> None:
    with _socket(_GROUPS) as sock:
        last: Interfaces = {}
        news = asyncio.Event()
        news.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(_listen(sock, news))
            while True:
                await news.wait()
                await asyncio.sleep(SETTLE_S)
                news.clear()
                now = await read_interfaces()
                if now != last:
                    last = now
                    await changed(now)


async def _listen(sock: socket.socket, news: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.sock_recv(sock, _RECEIVE)
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # messages were dropped: news all the same
                raise
        news.set()


def _socket(groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE)
    try:
        sock.setblocking(False)
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock


async def _dump(kind: int) -> list[bytes] | None:
    """Bodies of all answers; None if something changed meanwhile. Raises OSError."""
    loop = asyncio.get_running_loop()
    with _socket(0) as sock:
        # An empty ifinfomsg (16 bytes) asks for all; ifaddrmsg is shorter and is read from it.
        sock.send(_HEADER.pack(_HEADER.size + 16, kind, _REQUEST_DUMP, 1, 0) + bytes(16))
        found: list[bytes] = []
        whole = True
        while True:
            for answer, flags, body in _messages(await loop.sock_recv(sock, _RECEIVE)):
                whole = whole and not flags & _INTERRUPTED
                if answer == _DONE:
                    return found if whole else None
                if answer == _ERROR:
                    code = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                    raise OSError(code, os.strerror(code))
                if answer in {_NEW_LINK, _NEW_ADDRESS}:
                    found.append(body)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of each message of one datagram."""
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield kind, flags, data[at + _HEADER.size : at + size]
        at += (size + 3) & ~3


def _attributes(data: bytes, at: int) -> dict[int, bytes]:
    found = {}
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + size]
        at += (size + 3) & ~3
    return found


def _interfaces(links: list[bytes], addresses: list[bytes]) -> Interfaces:
    texts: dict[int, set[str]] = {}
    for body in addresses:
        index, text = _address(body)
        if text:
            texts.setdefault(index, set()).add(text)
    found = {}
    for body in links:
        _, _, index, flags, _ = _LINK.unpack_from(body)
        name = _attributes(body, _LINK.size).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
        is_up = flags & IFF_UP != 0 and flags & IFF_RUNNING != 0
        found[name] = Interface(name, index, is_up, frozenset(texts.get(index, ())))
    return found


def _address(body: bytes) -> tuple[int, str]:
    """Interface index and address; empty text for one that cannot be used."""
    _, _, flags, _, index = _ADDRESS.unpack_from(body)
    attributes = _attributes(body, _ADDRESS.size)
    flags |= int.from_bytes(attributes.get(_IFA_FLAGS, b""), sys.byteorder)
    # On a point-to-point link IFA_ADDRESS is the other end's.
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS, b"")
    if not flags & _TENTATIVE:
        with contextlib.suppress(ValueError):
            return index, str(ipaddress.ip_address(packed))
    return index, ""
