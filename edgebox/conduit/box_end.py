"""The vehicle's end: a TCP port for the broker's bridge, and the way to the hub's end.

Who may reach it: what runs on the box, its `listen` being loopback. It listens only while the
hub's end answers; otherwise the bridge is refused at once and takes its second address, straight
to the hub's broker. The hub's end proves itself with the hub's certificate (TLS 1.3 in QUIC,
RFC 9001); boxes prove themselves to the broker behind it.
"""

import asyncio
import logging
import ssl

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion

from edgebox.conduit.carrier import ALPN, IDLE_S, QUIET_S, Carrier
from edgebox.conduit.pipe import Pipe
from edgebox.config import Config, parse_address, resolve_file
from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

ATTEMPT_S = 2.0
"""For a handshake: two round trips, and both lost once."""
RETRY_S = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Between attempts while the bond is up: the hub's end is missing, or starts just now."""
LOOK_S = 0.25
SILENT_S = 8.0
"""The connection is given up; the hub's broker has done so after 7.5 s. Shorter tunnels are
outlived: who is connected by the bridge must not see each of them."""


class BoxEnd:
    """`run` it; `note_bond` says when there is a point in trying."""

    def __init__(self, config: Config):
        self._config = config.conduit
        self._loop = asyncio.get_running_loop()
        self._quic = _configuration(config)
        self._bond_is_up = asyncio.Event()
        self._carrier: Carrier | None = None

    @property
    def is_open(self) -> bool:
        """The bridge can go over the bond."""
        return self._carrier is not None

    @property
    def unsent_bytes(self) -> int:
        """What the box's broker said and the hub's end does not have yet."""
        return self._carrier.unsent_bytes if self._carrier is not None else 0

    def note_bond(self, *, up: bool) -> None:
        """Without a bond nothing is tried, with one at once."""
        if up:
            self._bond_is_up.set()
        else:
            self._bond_is_up.clear()

    async def run(self) -> None:
        """Until cancelled. Raises ConfigError when the port is taken."""
        attempt = 0
        while True:
            if not self._bond_is_up.is_set():
                await self._bond_is_up.wait()
                attempt = 0
            if await self._connect_and_serve():
                attempt = 0
                continue
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1

    async def _connect_and_serve(self) -> bool:
        """One connection from its handshake to its end; False if it did not come about."""
        via = parse_address(self._config.via)
        quic = QuicConnection(configuration=self._quic)
        transport, carrier = await self._loop.create_datagram_endpoint(
            lambda: Carrier(quic, _refuse), remote_addr=via
        )
        carrier.connect(via)
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await carrier.wait_connected()
        except TimeoutError:
            return False
        except ConnectionError:
            logger.warning("no way over the bond: %s", carrier.problem or "no reason given")
            return False
        else:
            await self._serve(carrier)
            return True
        finally:
            carrier.close()
            transport.close()

    async def _serve(self, carrier: Carrier) -> None:
        """Listen until nothing is heard any more."""
        host, port = parse_address(self._config.listen)
        try:
            server = await self._loop.create_server(carrier.open, host, port)
        except OSError as error:
            raise ConfigError(
                f"conduit.listen: cannot listen on {self._config.listen}: {error.strerror}"
            ) from error
        self._carrier = carrier
        logger.info("the hub's broker is reached over the bond")
        try:
            await _until_silent(carrier)
            logger.info("nothing comes back over the bond")
        finally:
            self._carrier = None
            server.close()
            for pipe in tuple(carrier.pipes.values()):
                pipe.abort()


async def _until_silent(carrier: Carrier) -> None:
    loop = asyncio.get_running_loop()
    closed = asyncio.ensure_future(carrier.wait_closed())
    try:
        while not closed.done():
            await asyncio.wait((closed,), timeout=LOOK_S)
            silent_s = loop.time() - carrier.heard_at
            if silent_s > SILENT_S:
                return
            if silent_s > QUIET_S:
                carrier.keep_alive()
    finally:
        closed.cancel()


def _refuse(carrier: Carrier, stream: int) -> Pipe | None:
    """The hub opens none."""
    return None


def _configuration(config: Config) -> QuicConfiguration:
    """Raises ConfigError."""
    authority = resolve_file(config, config.bond.ca)
    if not authority.exists():
        raise ConfigError(f"bond.ca: {authority}: there is no such file")
    found = QuicConfiguration(
        is_client=True,
        alpn_protocols=ALPN,
        idle_timeout=IDLE_S,
        server_name=parse_address(config.bond.key_exchange)[0],
        supported_versions=[QuicProtocolVersion.VERSION_1],
        verify_mode=ssl.CERT_REQUIRED,
    )
    found.load_verify_locations(cafile=str(authority))
    return found
