"""The TCP and TLS side of the listener on the access point: where it is, and how many may come.

It is bound to the access point's address and, where one is named, to its interface
(SO_BINDTODEVICE, socket(7)): what comes in over a modem, or the garage's network, meets no
listener. The address may come later than we do (IP_FREEBIND, ip(7)).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import cast

from edgebox.errors import DeviceError

IP_FREEBIND = 15
BACKLOG = 32
HANDSHAKE_S = 5.0
FIRST_BYTES_S = 10.0
"""A connection that says nothing for so long is closed."""
CONNECTIONS_MAX, OF_ONE_ADDRESS_MAX = 128, 16
"""A browser opens six at most."""


def open_socket(host: str, port: int, interface: str) -> socket.socket:
    """A listening socket. Raises DeviceError if the interface or the port cannot be had now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        if interface:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        made.bind((host, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        where = f"{host}:{port}" + (f" on {interface}" if interface else "")
        raise DeviceError(f"cannot listen on {where}: {error.strerror}") from error
    return made


class Gatekeeper:
    """Counts connections; makes the protocol of each."""

    def __init__(self, make: Callable[[], asyncio.Protocol]):
        self._make = make
        self._open: Counter[str] = Counter()
        self.refused = 0

    def __call__(self) -> asyncio.Protocol:
        """For `loop.create_server`."""
        return _Connection(self)

    def admit(self, address: str) -> asyncio.Protocol | None:
        """None if there are too many."""
        if self._open.total() >= CONNECTIONS_MAX or self._open[address] >= OF_ONE_ADDRESS_MAX:
            self.refused += 1
            return None
        self._open[address] += 1
        return self._make()

    def leave(self, address: str) -> None:
        """One of this address closed."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class _Connection(asyncio.Protocol):
    """Passes everything on to the web server's own, once it was admitted."""

    def __init__(self, keeper: Gatekeeper):
        self._keeper = keeper
        self._inner: asyncio.Protocol | None = None
        self._address = ""
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast("asyncio.Transport", transport)
        peer = wire.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._inner = self._keeper.admit(self._address)
        if self._inner is None:
            wire.abort()
            return
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(FIRST_BYTES_S, wire.abort)
        self._inner.connection_made(wire)

    def data_received(self, data: bytes) -> None:
        self._heard()
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        if self._inner is not None:
            self._keeper.leave(self._address)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def _heard(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3: Android 10 has both. Load a certificate into it before it is used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def is_address(text: str) -> bool:
    """An IP address, not a name."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
