"""The hub's end: QUIC from all boxes at one UDP port, each stream a connection to the broker.

Who may reach it: `serve` is loopback, and of the bond only what lists it in `bond.allow` gets
there, so boxes of the fleet and programs of this machine. All they reach by it is the broker, which
asks every connection for a certificate of the fleet. Handshakes, the one dear thing, are limited
for each address and altogether; connections and streams are as well.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Self

from aioquic.asyncio.server import QuicServer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import NetworkAddress
from aioquic.quic.packet import QuicProtocolVersion

from edgebox.conduit.carrier import ALPN, IDLE_S, Carrier
from edgebox.conduit.pipe import Pipe
from edgebox.config import Config, parse_address, resolve_file
from edgebox.errors import ConfigError
from edgebox.host.allowance import Allowance

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 1024
PIPES_MAX = 4
"""Of one connection: a bridge has one, and another while it takes over."""
HANDSHAKES_S, HANDSHAKES_BURST = 0.5, 8
"""Of one address: a box tries every two seconds."""
ALL_HANDSHAKES_S, ALL_HANDSHAKES_BURST = 50, 100
LONG_HEADER_SIZE = 7
"""Bytes up to the connection id, that its length included, and one of it."""
OnStream = Callable[[Carrier, int], Pipe | None]


class HubEnd:
    """Use as a context manager: serves in it."""

    def __init__(self, config: Config):
        self._config = config.conduit
        self._loop = asyncio.get_running_loop()
        self._quic = _configuration(config)
        self._connecting: set[asyncio.Task[None]] = set()
        self._server: _Server | None = None

    async def __aenter__(self) -> Self:
        host, port = parse_address(self._config.serve)
        try:
            _, self._server = await self._loop.create_datagram_endpoint(
                lambda: _Server(self._quic, self._accept), local_addr=(host, port)
            )
        except OSError as error:
            raise ConfigError(
                f"conduit.serve: cannot listen on {self._config.serve}: {error.strerror}"
            ) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            for carrier in self._server.carriers():
                for pipe in tuple(carrier.pipes.values()):
                    pipe.abort()
            self._server.close()
        for task in tuple(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    @property
    def connections(self) -> int:
        """Boxes connected."""
        return len(self._server.carriers()) if self._server is not None else 0

    def _accept(self, carrier: Carrier, stream: int) -> Pipe | None:
        if len(carrier.pipes) >= PIPES_MAX:
            carrier.reset(stream)
            return None
        pipe = Pipe(carrier, stream)
        task = self._loop.create_task(self._connect(pipe))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return pipe

    async def _connect(self, pipe: Pipe) -> None:
        try:
            await self._loop.create_connection(lambda: pipe, *parse_address(self._config.to))
        except OSError as error:
            logger.warning("conduit.to: %s: %s", self._config.to, error.strerror)
            pipe.abort()


class _Server(QuicServer):
    """Keeps handshakes few: a first packet has to be let in."""

    def __init__(self, configuration: QuicConfiguration, accept: OnStream) -> None:
        super().__init__(
            configuration=configuration,
            create_protocol=lambda quic, stream_handler: Carrier(quic, accept),
        )
        self._each = Allowance(HANDSHAKES_S, HANDSHAKES_BURST)
        self._all = Allowance(ALL_HANDSHAKES_S, ALL_HANDSHAKES_BURST)

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        """Packets of a connection are known by their connection id."""
        if isinstance(data, bytes) and (not _is_first(data) or self._lets_in(data, addr)):
            super().datagram_received(data, addr)

    def carriers(self) -> set[Carrier]:
        """All connections."""
        return {one for one in self._protocols.values() if isinstance(one, Carrier)}

    def _lets_in(self, data: bytes, addr: NetworkAddress) -> bool:
        if data[6 : 6 + data[5]] in self._protocols:
            return True
        now = self._loop.time()
        return (
            self._each.take(f"{addr[0]}:{addr[1]}", now)
            and self._all.take("", now)
            and len(self.carriers()) < CONNECTIONS_MAX
        )


def _is_first(data: bytes) -> bool:
    """An Initial packet of QUIC version 1 (RFC 9000, 17.2.2)."""
    return len(data) > LONG_HEADER_SIZE and data[0] & 0xF0 == 0xC0


def _configuration(config: Config) -> QuicConfiguration:
    """Raises ConfigError."""
    found = QuicConfiguration(
        is_client=False,
        alpn_protocols=ALPN,
        idle_timeout=IDLE_S,
        supported_versions=[QuicProtocolVersion.VERSION_1],
    )
    certificate = resolve_file(config, config.bond.certificate)
    key = resolve_file(config, config.bond.private_key)
    try:
        found.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise ConfigError(f"bond.certificate, bond.private_key: {error}") from error
    return found
