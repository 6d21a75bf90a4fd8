"""The box's end of the key exchange (exchange.py)."""

import asyncio
import hmac
import secrets
import socket
from collections.abc import Sequence

import msgspec

from edgebox.bond.exchange import (
    LINE_MAX,
    NONCE_SIZE,
    TRY_S,
    Answer,
    ExchangeError,
    Request,
    answer_proof,
    preferred_suites,
    proof_of,
    resolve,
    static_keys,
    static_secret,
    tls_context,
)
from edgebox.bond.seal import SECRET_SIZE, Keys
from edgebox.bond.transport import Address, bind_to_link
from edgebox.config import Config, parse_address
from edgebox.config.bond import Link

STAGGER_S = 0.3
"""The next link is tried when the one before has not answered by then."""


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
        proof = proof_of(self._static, "box", self._box, nonce, *suites)
        return Request(suites=suites, box=self._box, nonce=nonce, proof=proof)

    def _take(self, request: Request, answer: Answer) -> Keys:
        if self._static is None:
            to_hub, to_box = bytes.fromhex(answer.to_hub), bytes.fromhex(answer.to_box)
            if len(to_hub) != SECRET_SIZE or len(to_box) != SECRET_SIZE:
                raise ValueError("secrets of a wrong size")
            return Keys(answer.session, answer.suite, to_hub, to_box)
        proof = answer_proof(self._static, request, answer)
        if not hmac.compare_digest(proof.encode(), answer.proof.encode()):
            raise ExchangeError("the hub does not hold our static key")
        return static_keys(self._static, request.nonce, answer.nonce, answer)


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
