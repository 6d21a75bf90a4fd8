"""Fetches a bundle over one link, in as many pieces as it takes.

What is there stays there: after a lost link, a mission or a loss of power it goes on at the byte
where it ended. Nothing of it is believed until the whole has its hash (bundle.py) and RAUC has seen
its signature. It goes as what may wait for everything else (DSCP LE, RFC 8622).
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from edgebox.config.bond import Link
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.messages.update import Release
from edgebox.update.transfer import Wanted

CHUNK = 64 * 1024
SYNC_EVERY = 8 * 1024 * 1024
CONNECT_S = 20.0
SILENT_S = 30.0
LOWER_EFFORT = 0b000001 << 2
"""RFC 8622: DSCP 1, in the field's six upper bits."""

Progress = Callable[[int], None]


async def download(release: Release, path: Path, link: Link | None, progress: Progress) -> None:
    """Until all of it is there; `progress` gets the bytes so far.

    Raises DeviceError when link, hub or disk give no more for now, RemoteProtocolError for answers
    that make no sense.
    """
    wanted = Wanted(size_of(path), release.size_bytes)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_S)
    connector = aiohttp.TCPConnector(
        ssl=ssl.create_default_context() if release.url.startswith("https:") else True,
        socket_factory=lambda info: _socket(info, link),
    )
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(release.url, headers=wanted.headers, allow_redirects=False) as response,
        ):
            begin = wanted.begin(response.status, response.headers)
            await _write(response.content, path, begin, release.size_bytes, progress)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DeviceError(f"download: {type(error).__name__} {error}") from error
    except OSError as error:
        raise DeviceError(f"download: {error.strerror}") from error


def size_of(path: Path) -> int:
    """Bytes that are there already."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


async def _write(
    content: aiohttp.StreamReader, path: Path, begin: int, size: int, progress: Progress
) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:  # noqa: ASYNC230, PTH123 - a local file
        file.truncate(begin)
        file.seek(begin)
        have = synced = begin
        async for chunk in content.iter_chunked(CHUNK):
            have += len(chunk)
            if have > size:
                raise RemoteProtocolError("more than there should be")
            file.write(chunk)
            if have - synced >= SYNC_EVERY:
                synced = have
                await asyncio.to_thread(_sync, file)
            progress(have)
        await asyncio.to_thread(_sync, file)
    if have < size:
        raise DeviceError("download: the connection ended")


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _socket(info: Any, link: Link | None) -> socket.socket:
    """On this link and no other. SO_BINDTODEVICE takes no rights since Linux 5.7."""
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, LOWER_EFFORT)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, LOWER_EFFORT)
        if link is not None and link.interface:
            device = link.interface.encode() + b"\0"
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        elif link is not None:
            made.bind((link.source, 0))
    except OSError:
        made.close()
        raise
    return made
