"""Has the boxes' pages certified by a public authority: `edgebox headset-certificates`, once a day.

A box asks by a signing request that is retained at the hub's broker (headset/certificate.py); its
key never leaves it. What is asked is checked here: exactly the fleet's name and the box's own below
it, so that a box that was taken over gets a certificate for nothing else. An ACME client that is
well kept by others (certbot, lego; RFC 8555, DNS-01) has it signed; what comes of it is checked
again and retained for the box. docs/decisions/0009-headset-certificate.md.

It listens to nobody. It speaks to the hub's broker on its Unix socket, and the ACME client to the
authority and to who keeps the DNS.
"""

import asyncio
import contextlib
import logging
import shlex
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import ConfigError, DeviceError, RemoteProtocolError
from edgebox.messages.headset import (
    CERTIFICATE_WISH,
    ISSUED_CERTIFICATE,
    CertificateWish,
    IssuedCertificate,
)

logger = logging.getLogger(__name__)

GATHER_S = 3.0
"""What is retained has come by then."""
RENEW_AFTER = 1 / 3
"""Of a certificate's time; at half of it the box raises the alarm."""
ROUND_MAX = 6
"""Certificates a day: Let's Encrypt gives 50 new ones a week for one registered domain."""
CLIENT_S = 900.0
"""A DNS change takes minutes to be seen everywhere."""


def read_request(pem: str, box: str, name: str) -> x509.CertificateSigningRequest:
    """A box's request (PKCS 10, RFC 2986): its own signature, P-256, and these two names only.

    Raises RemoteProtocolError.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        signed = request.is_signature_valid
        key = request.public_key()
        subject = [value.value for value in request.subject]
        extensions = list(request.extensions)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise RemoteProtocolError(f"not a signing request: {error}"[:200]) from error
    if not signed:
        raise RemoteProtocolError("not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RemoteProtocolError("not a key of P-256")
    asked = [one.value for one in extensions]
    if len(asked) != 1 or not isinstance(asked[0], x509.SubjectAlternativeName):
        raise RemoteProtocolError("asks for something else than names")
    names = [one.value for one in asked[0] if isinstance(one, x509.DNSName)]
    if len(names) != len(list(asked[0])) or set(names) != {name, f"{box}.{name}"}:
        raise RemoteProtocolError("asks for other names than its own")
    if subject != [name[:64]]:
        raise RemoteProtocolError("has another subject")
    return request


def read_chain(pem: str, request: x509.CertificateSigningRequest, name: str) -> x509.Certificate:
    """What came of it: of this key and for this name. Raises RemoteProtocolError."""
    try:
        found = x509.load_pem_x509_certificates(pem.encode())[0]
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = names.get_values_for_type(x509.DNSName)
        same = found.public_key() == request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise RemoteProtocolError(f"not a certificate: {error}"[:200]) from error
    if not same:
        raise RemoteProtocolError("of another key")
    if name not in listed:
        raise RemoteProtocolError(f"not for {name}")
    return found


def is_due(chain: str, request: x509.CertificateSigningRequest, name: str, now_utc: float) -> bool:
    """Whether a certificate has to be fetched. `chain`: the one the box has; empty: none."""
    try:
        found = read_chain(chain, request, name)
    except RemoteProtocolError:
        return True
    begins = found.not_valid_before_utc.timestamp()
    ends = found.not_valid_after_utc.timestamp()
    return now_utc >= begins + (ends - begins) * RENEW_AFTER


class Round:
    """One look at what boxes ask for."""

    def __init__(self, bus: Bus, client: Sequence[str], name: str):
        """`client`: words of the ACME client's command; `{csr}` and `{chain}` are files."""
        self._bus = bus
        self._client = client
        self._name = name
        self._wishes: dict[str, str] = {}
        self._chains: dict[str, str] = {}

    async def run(self) -> tuple[int, int]:
        """How many were fetched, and how many could not be. What fails is tried the next day."""
        await self._bus.subscribe(CERTIFICATE_WISH, self._take_wish)
        await self._bus.subscribe(ISSUED_CERTIFICATE, self._take_chain)
        await self._bus.connected.wait()
        await asyncio.sleep(GATHER_S)
        due = self._due(time.time())
        fetched = 0
        for box, request in due[:ROUND_MAX]:
            fetched += await self._fetch(box, request)
        if len(due) > ROUND_MAX:
            logger.info("%d wait for the next round", len(due) - ROUND_MAX)
        return fetched, len(due[:ROUND_MAX]) - fetched

    async def _take_wish(self, wish: CertificateWish, keys: dict[str, str]) -> None:
        self._wishes[keys["box"]] = wish.request

    async def _take_chain(self, issued: IssuedCertificate, keys: dict[str, str]) -> None:
        self._chains[keys["box"]] = issued.chain

    def _due(self, now_utc: float) -> list[tuple[str, x509.CertificateSigningRequest]]:
        """Those without any first."""
        found = []
        for box, pem in sorted(self._wishes.items(), key=lambda one: one[0] in self._chains):
            try:
                request = read_request(pem, box, self._name)
            except RemoteProtocolError as error:
                logger.warning("%s: its request is not handed on: %s", box, error)
                continue
            if is_due(self._chains.get(box, ""), request, self._name, now_utc):
                found.append((box, request))
        return found

    async def _fetch(self, box: str, request: x509.CertificateSigningRequest) -> bool:
        with tempfile.TemporaryDirectory(prefix="edgebox-csr-") as name:
            directory = Path(name)
            (directory / "csr.pem").write_text(self._wishes[box])
            if not await self._sign(box, directory):
                return False
            try:
                chain = (directory / "chain.pem").read_text()
                read_chain(chain, request, self._name)
            except (OSError, UnicodeDecodeError, RemoteProtocolError) as error:
                logger.error("%s: what the ACME client left is not used: %s", box, error)
                return False
        if not await self._bus.publish(ISSUED_CERTIFICATE, IssuedCertificate(chain=chain), box=box):
            logger.error("%s: the broker is away", box)
            return False
        logger.info("%s: certified", box)
        return True

    async def _sign(self, box: str, directory: Path) -> bool:
        """Run the ACME client in a directory of its own. Raises DeviceError if there is none."""
        csr, chain = str(directory / "csr.pem"), str(directory / "chain.pem")
        words = [word.replace("{csr}", csr).replace("{chain}", chain) for word in self._client]
        try:
            process = await asyncio.create_subprocess_exec(
                *words, cwd=directory, stdin=asyncio.subprocess.DEVNULL
            )
        except OSError as error:
            raise DeviceError(f"hub.headset_acme: {words[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(CLIENT_S):
                status = await process.wait()
        except TimeoutError:
            logger.error("%s: the ACME client took more than %g s", box, CLIENT_S)
            return False
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if status != 0:
            logger.error("%s: the ACME client ended with %d", box, status)
        return status == 0


async def run(config: Config) -> tuple[int, int]:
    """One round: how many were fetched, how many failed. Raises ConfigError or DeviceError."""
    try:
        client = shlex.split(config.hub.headset_acme)
    except ValueError as error:
        raise ConfigError(f"hub.headset_acme: {error}") from error
    if not client:
        raise ConfigError("hub.headset_acme: say which ACME client has requests signed")
    if not all(place in config.hub.headset_acme for place in ("{csr}", "{chain}")):
        raise ConfigError("hub.headset_acme: {csr} and {chain} must stand in it")
    async with Bus(config.hub.bus, "hub-certificates") as bus:
        return await Round(bus, client, config.headset.name).run()
