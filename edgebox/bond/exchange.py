"""Session keys: fetched by the box over TCP, freshly drawn by the hub for each session.

Ordinarily over TLS 1.3 with certificates of the fleet's authority on both sides: whoever may
reach the hub's port learns nothing and gets nothing without such a certificate, and keys of past
sessions stay secret when a private key is stolen later. The box is who its certificate's common
name says.

In a laboratory a static key may replace the certificates: both ends prove by HMAC that they hold
it and derive the session's keys from it and two fresh random numbers (HKDF, RFC 5869). That is
not forward secret. A replayed request yields keys that nobody can use.

Messages are one line of JSON each way; docs/PROTOCOL.md has the fields.
"""

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edgebox.bond.budget import Budget
from edgebox.bond.revocation import Identity
from edgebox.bond.seal import SECRET_SIZE, SUITES, Keys, Suite
from edgebox.bond.transport import Address, bind_to_link
from edgebox.bond.wire import WRAP
from edgebox.config import Config, Link, parse_address, read_secret, resolve_file
from edgebox.errors import ConfigError, EdgeboxError

logger = logging.getLogger(__name__)

TRY_S = 5.0
"""One attempt: TCP, TLS and the answer, also over a satellite."""
STAGGER_S = 0.3
"""The next link is tried when the one before has not answered by then."""
LINE_MAX = 2048
CONNECTIONS_MAX = 256
CONNECTIONS_PER_HOST = 8
"""One stranger who holds connections open must not keep all boxes out."""
ACCEPTS_S, ACCEPTS_BURST = 100, 200
"""Connections taken a second: a handshake costs about a millisecond, so at most a tenth of a
processor, which strangers may fill but not exceed. A fleet of 2,000 is back within 20 s."""
NONCE_SIZE = 32
BOX_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class ExchangeError(EdgeboxError):
    """No keys this time; the text says why."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """From the box."""

    suites: tuple[Suite, ...]
    """Preferred first; a hub that knows none of them says nothing."""
    box: str = ""
    """Static key only."""
    nonce: str = ""
    proof: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """From the hub."""

    session: Annotated[int, msgspec.Meta(ge=0, lt=WRAP)]
    suite: Suite
    to_hub: str = ""
    """TLS only: secrets in hex."""
    to_box: str = ""
    nonce: str = ""
    """Static key only."""
    proof: str = ""


def preferred_suites(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[Suite, ...]:
    """AES where the processor has instructions for it, else ChaCha20."""
    try:
        flags = cpuinfo.read_text(encoding="ascii", errors="replace")
    except OSError:
        flags = ""
    has_aes = re.search(r"^(flags|Features)\s*:.*\baes\b", flags, re.MULTILINE)
    return SUITES if has_aes else SUITES[::-1]


def static_secret(config: Config) -> bytes | None:
    """The laboratory key, if configured. Raises ConfigError."""
    if not config.bond.static_key:
        return None
    text = read_secret(config, config.bond.static_key)
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_SIZE:
        raise ConfigError("bond.static_key: the file must hold 32 bytes in hex (64 digits)")
    return secret


def tls_context(config: Config) -> ssl.SSLContext:
    """For this end's role. Raises ConfigError."""
    bond = config.bond
    is_hub = bond.role == "hub"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_hub else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = not is_hub
    # The common name is a box's: a box of the hub's name must not pass for the hub.
    context.hostname_checks_common_name = False
    try:
        context.load_verify_locations(resolve_file(config, bond.ca))
        context.load_cert_chain(
            resolve_file(config, bond.certificate), resolve_file(config, bond.private_key)
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"bond: ca, certificate or private_key: {error}") from error
    return context


# Static key


def _proof(secret: bytes, who: str, *parts: str) -> str:
    text = "\n".join((who, *parts)).encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


def _static_keys(secret: bytes, box_nonce: str, hub_nonce: str, answer: Answer) -> Keys:
    salt = f"{box_nonce}\n{hub_nonce}\n{answer.session}".encode()
    both = HKDF(SHA256(), 2 * SECRET_SIZE, salt, b"edgebox bond static").derive(secret)
    return Keys(answer.session, answer.suite, both[:SECRET_SIZE], both[SECRET_SIZE:])


# Box


class KeyClient:
    """Fetches keys for a box."""

    def __init__(self, config: Config):
        self._address = config.bond.key_exchange
        self._box = config.box.id
        self._static = static_secret(config)
        self._context = None if self._static else tls_context(config)

    async def fetch(self, links: Sequence[Link]) -> Keys:
        """Ask over each of these links, the next when one is slow. Raises ExchangeError."""
        if not links:
            raise ExchangeError("no link to ask for session keys on")
        waiting: set[asyncio.Task[Keys]] = set()
        problems: list[str] = []
        left = list(links)
        try:
            while left or waiting:
                if left:
                    waiting.add(asyncio.create_task(self._fetch_on(left.pop(0))))
                done, waiting = await asyncio.wait(
                    waiting,
                    timeout=STAGGER_S if left else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    if task.exception() is None:
                        return task.result()
                    problems.append(str(task.exception()))
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        raise ExchangeError("; ".join(dict.fromkeys(problems)))

    async def _fetch_on(self, link: Link) -> Keys:
        try:
            async with asyncio.timeout(TRY_S):
                return await self._ask(link)
        except TimeoutError as error:
            raise ExchangeError(f"{link.name}: the hub does not answer") from error
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ExchangeError(f"{link.name}: {error}") from error
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise ExchangeError(f"{link.name}: the hub answers nonsense: {error}") from error

    async def _ask(self, link: Link) -> Keys:
        host, _ = parse_address(self._address)
        sock = await _connect(link, await resolve(self._address, socket.SOCK_STREAM))
        try:
            reader, writer = await asyncio.open_connection(
                sock=sock,
                ssl=self._context,
                server_hostname=host if self._context else None,
                limit=LINE_MAX,
            )
        except BaseException:
            sock.close()
            raise
        try:
            request = self._request()
            writer.write(msgspec.json.encode(request) + b"\n")
            line = await reader.readuntil(b"\n")
            return self._take(request, msgspec.json.decode(line, type=Answer))
        finally:
            writer.transport.abort()

    def _request(self) -> Request:
        suites = preferred_suites()
        if self._static is None:
            return Request(suites=suites)
        nonce = secrets.token_hex(NONCE_SIZE)
        proof = _proof(self._static, "box", self._box, nonce, *suites)
        return Request(suites=suites, box=self._box, nonce=nonce, proof=proof)

    def _take(self, request: Request, answer: Answer) -> Keys:
        if self._static is None:
            to_hub, to_box = bytes.fromhex(answer.to_hub), bytes.fromhex(answer.to_box)
            if len(to_hub) != SECRET_SIZE or len(to_box) != SECRET_SIZE:
                raise ValueError("secrets of a wrong size")
            return Keys(answer.session, answer.suite, to_hub, to_box)
        proof = _answer_proof(self._static, request, answer)
        if not hmac.compare_digest(proof.encode(), answer.proof.encode()):
            raise ExchangeError("the hub does not hold our static key")
        return _static_keys(self._static, request.nonce, answer.nonce, answer)


def _answer_proof(secret: bytes, request: Request, answer: Answer) -> str:
    return _proof(secret, "hub", request.nonce, answer.nonce, str(answer.session), answer.suite)


async def resolve(address: str, kind: socket.SocketKind) -> list[tuple[int, Address]]:
    """Family and socket address of each answer. Raises OSError."""
    host, port = parse_address(address)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return [(entry[0], entry[4]) for entry in found]


async def _connect(link: Link, addresses: list[tuple[int, Address]]) -> socket.socket:
    """A TCP connection that leaves by this link. Raises OSError."""
    problem: OSError = OSError("no address of the hub fits this link")
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            bind_to_link(sock, link)
            await asyncio.get_running_loop().sock_connect(sock, address)
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


# Hub


class KeyServer:
    """Listens for boxes. Open to the Internet: see the module's text for who gets what."""

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
            keys = _static_keys(self._static, request.nonce, nonce, answer)
            proof = _answer_proof(self._static, request, answer)
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
            proof = _proof(self._static, "box", request.box, request.nonce, *request.suites)
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
