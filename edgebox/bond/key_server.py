"""The hub's end of the key exchange (exchange.py).

Who may reach it: the whole Internet. Who gets keys: boxes with a certificate of the fleet's
authority that is not shut out, or, in a laboratory, who holds the static key. How many others
may hold on, and how often they may try, is bounded here.
"""

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import re
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Callable

import msgspec

from edgebox.bond.budget import Budget
from edgebox.bond.exchange import (
    LINE_MAX,
    NONCE_SIZE,
    TRY_S,
    Answer,
    Request,
    answer_proof,
    proof_of,
    static_keys,
    static_secret,
    tls_context,
)
from edgebox.bond.revocation import Identity
from edgebox.bond.seal import SECRET_SIZE, Keys
from edgebox.bond.transport import Address
from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 256
CONNECTIONS_PER_HOST = 8
"""One stranger who holds connections open must not keep all boxes out."""
ACCEPTS_S, ACCEPTS_BURST = 100, 200
"""Connections taken a second: a handshake costs about a millisecond, so at most a tenth of a
processor, which strangers may fill but not exceed. A fleet of 2,000 is back within 20 s."""
BOX_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class KeyServer:
    """Listens for boxes. See the module's text for who gets what."""

    def __init__(
        self,
        config: Config,
        free_session: Callable[[], int],
        accept: Callable[[Identity, Keys], bool],
    ):
        """`free_session()` gives an unused id; `accept` keeps the session, or refuses."""
        self._free_session = free_session
        self._accept = accept
        self._static = static_secret(config)
        self._context = None if self._static else tls_context(config)
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        self._hosts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pace = Budget(ACCEPTS_S, ACCEPTS_BURST, 0.0)
        self.refused = 0

    async def run(self, sock: socket.socket) -> None:
        """Serve on this listener until cancelled; it is closed then."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._slots.acquire()
                await self._wait_for_turn(loop)
                client, host = await _accept(loop, sock)
                self._hosts[host] += 1
                task = asyncio.create_task(self._serve(client, self._hosts[host]), name=host)
                self._tasks.add(task)
                task.add_done_callback(self._done)
        finally:
            sock.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _wait_for_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handshakes are dear: strangers must not keep packets of boxes waiting."""
        wait_s = self._pace.wait_s(1, loop.time())
        if wait_s:
            await asyncio.sleep(wait_s)
        self._pace.take(1, loop.time())

    def _done(self, task: asyncio.Task[None]) -> None:
        host = task.get_name()
        self._tasks.discard(task)
        self._slots.release()
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]

    async def _serve(self, client: socket.socket, of_host: int) -> None:
        if of_host > CONNECTIONS_PER_HOST:
            self.refused += 1
            client.close()
            return
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_MAX)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = None
        try:
            async with asyncio.timeout(TRY_S):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: protocol, client, ssl=self._context
                )
                line = await reader.readuntil(b"\n")
                answer = self._answer(line, transport)
                if answer is not None:
                    transport.write(msgspec.json.encode(answer) + b"\n")
                    await _until_closed(reader)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            self.refused += 1
        finally:
            if transport is not None:
                transport.abort()
            client.close()

    def _answer(self, line: bytes, transport: asyncio.Transport) -> Answer | None:
        """None: say nothing."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.refused += 1
            return None
        identity = self._identity(request, transport)
        if identity is None or not request.suites:
            self.refused += 1
            return None
        suite = request.suites[0]
        session = self._free_session()
        if self._static is not None:
            nonce = secrets.token_hex(NONCE_SIZE)
            answer = Answer(session=session, suite=suite, nonce=nonce)
            keys = static_keys(self._static, request.nonce, nonce, answer)
            proof = answer_proof(self._static, request, answer)
            answer = msgspec.structs.replace(answer, proof=proof)
        else:
            to_hub, to_box = secrets.token_bytes(SECRET_SIZE), secrets.token_bytes(SECRET_SIZE)
            keys = Keys(session, suite, to_hub, to_box)
            answer = Answer(session=session, suite=suite, to_hub=to_hub.hex(), to_box=to_box.hex())
        if not self._accept(identity, keys):
            self.refused += 1
            return None
        return answer

    def _identity(self, request: Request, transport: asyncio.Transport) -> Identity | None:
        if self._static is not None:
            proof = proof_of(self._static, "box", request.box, request.nonce, *request.suites)
            is_ours = hmac.compare_digest(proof.encode(), request.proof.encode())
            identity = Identity(request.box if is_ours else "")
        else:
            identity = _identity_of(transport.get_extra_info("peercert"))
        return identity if BOX_ID.fullmatch(identity.box) else None


def listening_socket(address: str) -> socket.socket:
    """A non-blocking TCP listener. Raises ConfigError when the port is taken."""
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(f"{address}: cannot listen: {error.strerror}") from error
    sock.listen(128)
    sock.setblocking(False)
    return sock


async def _accept(
    loop: asyncio.AbstractEventLoop, sock: socket.socket
) -> tuple[socket.socket, str]:
    """The next connection and its host; out of file descriptors, it comes a little later."""
    while True:
        try:
            client, address = await loop.sock_accept(sock)
        except OSError as error:
            logger.warning("key exchange: cannot accept: %s", error)
            await asyncio.sleep(0.1)
        else:
            return client, host_of(address)


def host_of(address: Address) -> str:
    """Who connects, for counting: an IPv4 address, or an IPv6 /64, which is one customer's."""
    ip = ipaddress.ip_address(address[0])
    if ip.version == 4:
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), 64), strict=False))


async def _until_closed(reader: asyncio.StreamReader) -> None:
    """The box closes when it has the answer."""
    with contextlib.suppress(OSError):
        await reader.read(1)


def _identity_of(certificate: object) -> Identity:
    """Of `ssl.SSLSocket.getpeercert`; an empty name without exactly one common name."""
    if not isinstance(certificate, dict):
        return Identity("")
    subject = certificate.get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return Identity(
        names[0] if len(names) == 1 else "",
        int(certificate["serialNumber"], 16),
        ssl.cert_time_to_seconds(certificate["notAfter"]),
    )
