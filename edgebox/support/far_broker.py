"""The hub's broker, reached by the support service itself: over which link, believed by what.

It is TCP, which the bond does not carry, so it leaves by one link: those the bond calls up first,
the quickest of them before the others, then every other one, then wherever the system's own routes
lead (a depot's network). A link whose monthly volume is used up comes last of the links.

TLS 1.3 with certificates of the fleet on both sides. With a clock by which its own certificate is
not good the box can judge no dates: then the hub's certificate is believed by the authority and the
name alone, and the hub, whose clock is right, judges the box's. That leaves one thing open:
somebody with an old private key of the hub's, on the way of a box with such a clock.
"""

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from cryptography import x509

from edgebox.config import Config, parse_address, resolve_file
from edgebox.config.bond import Link
from edgebox.errors import ConfigError
from edgebox.messages.bond import BondStatus

PORT = 8884
CONNECT_S = 4.0
"""TCP, and then TLS again: a link that is dead in silence must not keep the next one waiting."""
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h; the ssl module has no name for it."""
NOT_YET, EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED, X509_STORE_CTX_get_error(3)."""
RANK = {"up": 0, "suspect": 1, "down": 2, "absent": 3}

Address = tuple[int, Any]
"""Family, and as the socket module has it."""


def address_of(config: Config) -> str:
    """host:port."""
    host = parse_address(config.bond.key_exchange)[0]
    host = f"[{host}]" if ":" in host else host
    return config.support.direct or f"{host}:{PORT}"


def in_order(links: Sequence[Link], bond: BondStatus | None) -> list[Link]:
    """Best first. `bond`: None if it says nothing."""
    said = {one.name: one for one in bond.links} if bond is not None else {}

    def rank(link: Link) -> tuple[bool, int, float]:
        one = said.get(link.name)
        if one is None:
            return False, RANK["down"], float("inf")
        rtt_ms = float("inf") if one.rtt_ms is None else one.rtt_ms
        return one.use == "closed", RANK[one.state], rtt_ms

    return sorted(links, key=rank)


class FarBroker:
    """Connects; `dial` runs in a thread."""

    def __init__(self, config: Config, bond: Callable[[], BondStatus | None]):
        """Raises ConfigError if this box has no certificates to show."""
        self.address = address_of(config)
        self._links = config.bond.link
        self._bond = bond
        self._addresses: list[Address] = []
        self._tls, is_wrong = tls_context(config, time.time())
        self.clock: Literal["", "wrong"] = "wrong" if is_wrong else ""
        self.over = ""
        """The link of the last connection."""
        self.refused_dates = False
        """The last try failed at the hub's certificate, and at its dates alone."""

    def dial(self) -> ssl.SSLSocket:
        """A connection, by the first link that gets there. Raises OSError."""
        problems: list[str] = []
        self._look_up()
        self.refused_dates = False
        for link in (*in_order(self._links, self._bond()), None):
            for family, address in self._addresses:
                try:
                    made = self._connect(link, family, address)
                except ssl.SSLCertVerificationError as error:
                    self.refused_dates = error.verify_code in {NOT_YET, EXPIRED}
                    problems.append(f"{_name(link)}: {error.verify_message}")
                except OSError as error:
                    problems.append(f"{_name(link)}: {error}")
                else:
                    self.over = _name(link) if link is not None else ""
                    return made
        raise OSError("; ".join(dict.fromkeys(problems)) or f"{self.address}: no address")

    def _look_up(self) -> None:
        """What was found last stays good while nobody answers: TLS proves who is there."""
        host, port = parse_address(self.address)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return
        self._addresses = [(one[0], one[4]) for one in found]

    def _connect(self, link: Link | None, family: int, address: Any) -> ssl.SSLSocket:
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.settimeout(CONNECT_S)
            if link is not None:
                _bind(plain, link)
            plain.connect(address)
            host = parse_address(self.address)[0]
            secured = self._tls.wrap_socket(
                plain, server_hostname=host, do_handshake_on_connect=False
            )
        except BaseException:
            plain.close()
            raise
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured


def _bind(sock: socket.socket, link: Link) -> None:
    """Leave by this link only. Raises OSError when it cannot."""
    if link.interface:
        name = link.interface.encode() + b"\0"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
    else:
        sock.bind((link.source, 0))


def _name(link: Link | None) -> str:
    return (link.label or link.name) if link is not None else "system's route"


def tls_context(config: Config, now_utc: float) -> tuple[ssl.SSLContext, bool]:
    """And whether the clock shows a time at which our own certificate is not good.

    Raises ConfigError.
    """
    bond = config.bond
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The common name is a box's: a box of the hub's name must not pass for the hub.
    context.hostname_checks_common_name = False
    try:
        certificate = resolve_file(config, bond.certificate)
        context.load_verify_locations(resolve_file(config, bond.ca))
        context.load_cert_chain(certificate, resolve_file(config, bond.private_key))
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ssl.SSLError, ValueError) as error:
        raise ConfigError(f"bond: ca, certificate or private_key: {error}") from error
    good = own.not_valid_before_utc.timestamp() <= now_utc < own.not_valid_after_utc.timestamp()
    if not good:
        context.verify_flags |= ssl.VerifyFlags(NO_CHECK_TIME)
    return context, not good
