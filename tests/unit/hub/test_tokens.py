"""Names, secrets and TURN passwords of the hub."""

import base64
import hashlib
import hmac

from edgebox.hub import tokens


def test_token_has_enough_random_bits_and_is_stored_as_a_hash_only() -> None:
    made = {tokens.make_token() for _ in range(1000)}
    assert len(made) == 1000
    assert all(tokens.TOKEN.fullmatch(token) for token in made)
    one = made.pop()
    assert tokens.hash_token(one) == hashlib.sha256(one.encode()).hexdigest()


def test_turn_password_is_what_coturn_expects() -> None:
    made = tokens.make_turn_credentials(b"north", "ab12", 1_000_000.7)
    assert made.username == f"{1_000_000 + 4 * 3600}:ab12"
    expected = hmac.new(b"north", made.username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(made.password) == expected


def test_peer_names_its_participant_and_nothing_else_does() -> None:
    participant = tokens.make_id()
    peer = tokens.make_peer(participant, "0123456789abcdef")
    assert tokens.participant_of(peer) == participant
    for other in ("cabin", "", peer[1:], peer + "0", peer.upper(), f"r{participant}-"):
        assert tokens.participant_of(other) is None
