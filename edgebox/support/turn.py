"""One TURN allocation, made and given back at once: the core, without I/O and without a clock.

RFC 8656 (Allocate 3, Refresh 4) over RFC 8489, long-term credentials. First an Allocate without
credentials: the server's refusal (401) holds realm and nonce. Then one with them, and after its
success a Refresh with lifetime 0, which ends the allocation.

    message     type u16, length u16 of what follows the header, cookie u32, transaction 12 bytes
    attribute   type u16, length u16, value, padding to 4 bytes
"""

import hashlib
import hmac
import struct
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.messages.session import TurnCredentials

COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_ALLOCATE, _REFRESH, _SUCCESS, _ERROR = 0x0003, 0x0004, 0x0100, 0x0110
_USERNAME, _INTEGRITY, _ERROR_CODE, _LIFETIME = 0x0006, 0x0008, 0x0009, 0x000D
_REALM, _NONCE, _TRANSPORT = 0x0014, 0x0015, 0x0019
_UDP = bytes((17, 0, 0, 0))
UNAUTHORIZED, STALE_NONCE = 401, 438
DATAGRAM_MAX = 2048

State = Literal["asking", "challenged", "allocated", "returned", "refused"]


class Trial:
    """`request` is what to send now, again and again until `receive` brings something else.

    Ends `challenged` (it answers, but there are no credentials to go on with), `returned` or
    `refused` with the server's `code`.
    """

    def __init__(self, credentials: TurnCredentials | None, transactions: list[bytes]):
        """`transactions`: random ids of 12 bytes, one for each request, at least four."""
        self.state: State = "asking"
        self.code = 0
        self._credentials = credentials
        self._transactions = iter(transactions)
        self._transaction = next(self._transactions)
        self._realm = b""
        self._nonce = b""
        self._renewed = False

    @property
    def request(self) -> bytes | None:
        """None: it is over."""
        if self.state == "asking":
            attributes = _attribute(_TRANSPORT, _UDP)
            return self._message(_ALLOCATE, attributes)
        if self.state == "allocated":
            return self._message(_REFRESH, _attribute(_LIFETIME, bytes(4)))
        return None

    def receive(self, data: bytes) -> None:
        """A datagram came. Raises RemoteProtocolError; what answers something else is ignored."""
        kind, transaction, attributes = parse(data)
        if transaction != self._transaction or self.request is None:
            return
        asked = _ALLOCATE if self.state == "asking" else _REFRESH
        if kind == asked | _SUCCESS:
            self.state = "allocated" if asked == _ALLOCATE else "returned"
            self._transaction = next(self._transactions)
        elif kind == asked | _ERROR:
            self._refused(_code(attributes), attributes)

    def _refused(self, code: int, attributes: dict[int, bytes]) -> None:
        if self.state == "allocated":
            self.state = "returned"  # it ends by itself; that it was given counts
            return
        first = code == UNAUTHORIZED and not self._nonce
        if not first and not (code == STALE_NONCE and not self._renewed):
            self.state, self.code = "refused", code
            return
        self._renewed = self._renewed or code == STALE_NONCE
        self._realm = attributes.get(_REALM, self._realm)
        self._nonce = attributes.get(_NONCE, b"")
        if not self._realm or not self._nonce:
            raise RemoteProtocolError("TURN: a challenge without realm or nonce")
        self._transaction = next(self._transactions)
        if self._credentials is None:
            self.state, self.code = "challenged", code

    def _message(self, kind: int, attributes: bytes) -> bytes:
        if not self._nonce or self._credentials is None:
            return _HEADER.pack(kind, len(attributes), COOKIE, self._transaction) + attributes
        name = self._credentials.username.encode()
        attributes += _attribute(_USERNAME, name) + _attribute(_REALM, self._realm)
        attributes += _attribute(_NONCE, self._nonce)
        password = self._credentials.password.encode()
        key = hashlib.md5(b":".join((name, self._realm, password)), usedforsecurity=False).digest()
        # The length counts the integrity attribute, which is not there yet (RFC 8489, 14.5).
        header = _HEADER.pack(kind, len(attributes) + 24, COOKIE, self._transaction)
        digest = hmac.new(key, header + attributes, hashlib.sha1).digest()
        return header + attributes + _attribute(_INTEGRITY, digest)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def parse(data: bytes) -> tuple[int, bytes, dict[int, bytes]]:
    """Type, transaction and attributes (the first of each kind). Raises RemoteProtocolError."""
    if len(data) < _HEADER.size or len(data) > DATAGRAM_MAX:
        raise RemoteProtocolError("TURN: no STUN message")
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if cookie != COOKIE or kind & 0xC000 or length % 4 or length != len(data) - _HEADER.size:
        raise RemoteProtocolError("TURN: no STUN message")
    attributes: dict[int, bytes] = {}
    at = _HEADER.size
    while at < len(data):
        name, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        if at + size > len(data):
            raise RemoteProtocolError("TURN: an attribute longer than its message")
        attributes.setdefault(name, data[at : at + size])
        at += size + -size % 4
    return kind, transaction, attributes


def _code(attributes: dict[int, bytes]) -> int:
    """ERROR-CODE: 21 bits reserved, class 3 bits, number 8 bits, reason (RFC 8489, 14.8)."""
    value = attributes.get(_ERROR_CODE, b"")
    if len(value) < 4:
        raise RemoteProtocolError("TURN: a refusal without a code")
    return (value[2] & 0x07) * 100 + value[3]
