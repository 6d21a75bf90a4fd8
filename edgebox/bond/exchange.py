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
import hashlib
import hmac
import re
import socket
import ssl
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edgebox.bond.seal import SECRET_SIZE, SUITES, Keys, Suite
from edgebox.bond.transport import Address
from edgebox.bond.wire import WRAP
from edgebox.config import Config, parse_address, read_secret, resolve_file
from edgebox.errors import ConfigError, EdgeboxError

TRY_S = 5.0
"""One attempt: TCP, TLS and the answer, also over a satellite."""
LINE_MAX = 2048
NONCE_SIZE = 32


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


def proof_of(secret: bytes, who: str, *parts: str) -> str:
    """HMAC-SHA256 in hex: `who` ("box" or "hub") holds the static key."""
    text = "\n".join((who, *parts)).encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


def static_keys(secret: bytes, box_nonce: str, hub_nonce: str, answer: Answer) -> Keys:
    """The session's, from the static key and both random numbers."""
    salt = f"{box_nonce}\n{hub_nonce}\n{answer.session}".encode()
    both = HKDF(SHA256(), 2 * SECRET_SIZE, salt, b"edgebox bond static").derive(secret)
    return Keys(answer.session, answer.suite, both[:SECRET_SIZE], both[SECRET_SIZE:])


def answer_proof(secret: bytes, request: Request, answer: Answer) -> str:
    """The hub's, over what was asked and answered."""
    return proof_of(secret, "hub", request.nonce, answer.nonce, str(answer.session), answer.suite)


async def resolve(address: str, kind: socket.SocketKind) -> list[tuple[int, Address]]:
    """Family and socket address of each answer. Raises OSError."""
    host, port = parse_address(address)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return [(entry[0], entry[4]) for entry in found]
