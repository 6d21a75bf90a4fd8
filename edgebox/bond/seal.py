"""Sealing and opening of packets: AEAD, packet numbers, key epochs, replay windows.

One 32-byte secret per direction comes from the key exchange. Each epoch's key is derived from
the epoch's secret, and the next epoch's secret from it (HKDF-Expand, RFC 5869), the old one is
forgotten: a captured box gives away no earlier traffic. The nonce is direction, link, epoch and
the full 64-bit packet number of the link. Packet numbers never restart within a session, so one
replay window per link covers all epochs.
"""

import struct
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from edgebox.bond.wire import HEADER_SIZE, decode_header, encode_header, unwrap
from edgebox.errors import RemoteProtocolError

Suite = Literal["aes-256-gcm", "chacha20-poly1305"]
SUITES: tuple[Suite, ...] = ("aes-256-gcm", "chacha20-poly1305")
SECRET_SIZE = 32
TO_HUB, TO_BOX = 0, 1

REKEY_PACKETS = 1 << 22
"""AES-GCM stays far below its limit of 2^32 packets per key (NIST SP 800-38D, 8.3)."""
REKEY_S = 900.0
KEEP_OLD_S = 10.0
"""An epoch's key opens stragglers this long after its successor was first used."""
WINDOW = 1024
"""Packets a straggler of a link may be behind the newest."""

_NONCE = struct.Struct("!BBHQ")
_EPOCHS = 1 << 16


class ReplayedError(RemoteProtocolError):
    """Authentic, but seen before or too old to tell."""


class Keys:
    """What the key exchange yields; both ends hold the same."""

    __slots__ = ("session", "suite", "to_box", "to_hub")

    def __init__(self, session: int, suite: Suite, to_hub: bytes, to_box: bytes):
        self.session = session
        self.suite: Suite = suite
        self.to_hub = to_hub
        self.to_box = to_box


def _expand(secret: bytes, label: bytes) -> bytes:
    return HKDFExpand(SHA256(), SECRET_SIZE, b"edgebox bond " + label).derive(secret)


def _cipher(suite: Suite, secret: bytes) -> AESGCM | ChaCha20Poly1305:
    key = _expand(secret, b"key")
    return AESGCM(key) if suite == "aes-256-gcm" else ChaCha20Poly1305(key)


class Sealer:
    """Seals one direction. It alone hands out packet numbers: no nonce can come twice."""

    def __init__(self, keys: Keys, direction: int, now: float):
        self.session = keys.session
        self.epoch = 0
        self._suite: Suite = keys.suite
        self._direction = direction
        self._secret = keys.to_hub if direction == TO_HUB else keys.to_box
        self._cipher = _cipher(self._suite, self._secret)
        self._next = [0] * 256
        self._packets = 0
        self._epoch_at = now
        self._epoch_seen = False

    def next_number(self, link: int) -> int:
        """Packet number the next packet of this link will have."""
        return self._next[link]

    def seal(self, link: int, body: bytes, now: float) -> bytes:
        """The whole outer datagram."""
        if self._packets >= REKEY_PACKETS or now - self._epoch_at >= REKEY_S:
            self._advance(now)
        self._packets += 1
        number = self._next[link]
        self._next[link] = number + 1
        header = encode_header(link, self.epoch, self.session, number)
        nonce = _NONCE.pack(self._direction, link, self.epoch, number)
        return header + self._cipher.encrypt(nonce, body, header)

    def acknowledged(self, sent_at: float) -> None:
        """The far end has opened what was sent at this time."""
        if sent_at >= self._epoch_at:
            self._epoch_seen = True

    def _advance(self, now: float) -> None:
        """Step on, but never twice ahead of an opener that knows only its next epoch."""
        if not self._epoch_seen:
            return
        self._secret = _expand(self._secret, b"next")
        self._cipher = _cipher(self._suite, self._secret)
        self.epoch = (self.epoch + 1) % _EPOCHS
        self._packets = 0
        self._epoch_at = now
        self._epoch_seen = False


class _Window:
    """Which packet numbers of one link were opened: bit i stands for `highest - i`."""

    __slots__ = ("bits", "highest")

    def __init__(self) -> None:
        self.highest = -1
        self.bits = 0

    def has(self, number: int) -> bool:
        behind = self.highest - number
        return behind >= 0 and (behind >= WINDOW or bool(self.bits >> behind & 1))

    def add(self, number: int) -> None:
        ahead = number - self.highest
        if ahead > 0:
            self.bits = (self.bits << ahead | 1) & ((1 << WINDOW) - 1) if ahead < WINDOW else 1
            self.highest = number
        else:
            self.bits |= 1 << -ahead


class Opener:
    """Opens one direction; refuses what is damaged, strange or seen before."""

    def __init__(self, keys: Keys, direction: int):
        self.session = keys.session
        self.epoch = 0
        self._suite: Suite = keys.suite
        self._direction = direction
        self._cipher = _cipher(self._suite, self._start(keys))
        self._set_next(_expand(self._start(keys), b"next"))
        self._old: AESGCM | ChaCha20Poly1305 | None = None
        self._old_until = 0.0
        self._windows: dict[int, _Window] = {}

    def _start(self, keys: Keys) -> bytes:
        return keys.to_hub if self._direction == TO_HUB else keys.to_box

    def _set_next(self, secret: bytes) -> None:
        self._next_secret = secret
        self._next_cipher = _cipher(self._suite, secret)

    def open(self, packet: bytes, now: float) -> tuple[int, int, bytes]:
        """Link, full packet number and body. Raises RemoteProtocolError or ReplayedError."""
        link, epoch, session, low = decode_header(packet)
        if session != self.session:
            raise RemoteProtocolError("another session")
        window = self._windows.get(link)
        number = unwrap(low, window.highest + 1 if window else 0)
        if number < 0:
            raise RemoteProtocolError("packet number before the first")
        if window is not None and window.has(number):
            raise ReplayedError("packet seen before")
        if self._old is not None and now >= self._old_until:
            self._old = None
        cipher = self._cipher_of(epoch)
        nonce = _NONCE.pack(self._direction, link, epoch, number)
        try:
            body = cipher.decrypt(nonce, packet[HEADER_SIZE:], packet[:HEADER_SIZE])
        except InvalidTag as error:
            raise RemoteProtocolError("not sealed by the far end") from error
        if cipher is self._next_cipher:
            self._advance(now)
        if window is None:
            window = self._windows[link] = _Window()
        window.add(number)
        return link, number, body

    def _cipher_of(self, epoch: int) -> AESGCM | ChaCha20Poly1305:
        ahead = (epoch - self.epoch) % _EPOCHS
        if ahead == 0:
            return self._cipher
        if ahead == 1:
            return self._next_cipher
        if ahead == _EPOCHS - 1 and self._old is not None:
            return self._old
        raise RemoteProtocolError("key epoch out of reach")

    def _advance(self, now: float) -> None:
        self._old, self._cipher = self._cipher, self._next_cipher
        self._old_until = now + KEEP_OLD_S
        self.epoch = (self.epoch + 1) % _EPOCHS
        self._set_next(_expand(self._next_secret, b"next"))
