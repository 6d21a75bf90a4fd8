"""Random names and secrets, and TURN passwords. Only hashes of secrets are stored.

A token holds 192 random bits, so a plain SHA-256 is enough and finding it by its hash compares in
no time an attacker could learn from.
"""

import base64
import hashlib
import hmac
import re
import secrets

from edgebox.messages.session import TurnCredentials

TURN_TTL_S = 4 * 3600
"""coturn asks for the password when an allocation is made; a running one goes on after it."""
TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
PEER = re.compile(r"r([0-9a-f]{16})-([0-9a-f]{16})")
PAGE = re.compile(r"[0-9a-f]{16}")


def make_token() -> str:
    """A secret for a link or a cookie: 32 characters, 192 bits."""
    return secrets.token_urlsafe(24)


def make_id() -> str:
    """A name for a room or a participant: 16 hex digits. Not a secret."""
    return secrets.token_hex(8)


def hash_token(token: str) -> str:
    """What is stored and looked up: SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_peer(participant: str, page: str) -> str:
    """Name of one page's connection. The page chooses its part only, so it can take no other's."""
    return f"r{participant}-{page}"


def participant_of(peer: str) -> str | None:
    """The participant a peer belongs to; None if the hub did not make that name."""
    found = PEER.fullmatch(peer)
    return found.group(1) if found else None


def make_turn_credentials(
    secret: bytes, user: str, now_utc: float, *, ttl_s: int = TURN_TTL_S
) -> TurnCredentials:
    """Time-limited TURN credentials: draft-uberti-behave-turn-rest-00, section 2.2.

    The user name is `<expiry in UTC seconds>:<user>`, the password base64(HMAC-SHA1(secret, name)).
    """
    username = f"{int(now_utc) + ttl_s}:{user}"
    digest = hmac.new(secret, username.encode(), hashlib.sha1).digest()
    return TurnCredentials(username=username, password=base64.b64encode(digest).decode())
