"""Sealing: authentic packets open once, everything else is refused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond import seal
from edgebox.bond.seal import SUITES, TO_BOX, TO_HUB, Keys, Opener, ReplayedError, Sealer, Suite
from edgebox.errors import RemoteProtocolError


def keys(suite: Suite = "aes-256-gcm", session: int = 5) -> Keys:
    return Keys(session, suite, b"h" * 32, b"b" * 32)


@pytest.mark.parametrize("suite", SUITES)
def test_sealed_packet_opens_to_its_body(suite: Suite) -> None:
    sealer, opener = Sealer(keys(suite), TO_HUB, 0.0), Opener(keys(suite), TO_HUB)
    for number in range(3):
        packet = sealer.seal(2, b"body %d" % number, 1.0)
        assert opener.open(packet, 1.0) == (2, number, b"body %d" % number)
    assert b"body" not in packet


def test_packet_opens_only_once() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    packet = sealer.seal(0, b"x", 0.0)
    opener.open(packet, 0.0)
    with pytest.raises(ReplayedError):
        opener.open(packet, 0.0)


def test_other_direction_session_or_secret_does_not_open() -> None:
    packet = Sealer(keys(), TO_HUB, 0.0).seal(0, b"x", 0.0)
    strangers = [
        Opener(keys(), TO_BOX),
        Opener(keys(session=6), TO_HUB),
        Opener(Keys(5, "aes-256-gcm", b"?" * 32, b"b" * 32), TO_HUB),
        Opener(keys("chacha20-poly1305"), TO_HUB),
    ]
    for opener in strangers:
        with pytest.raises(RemoteProtocolError):
            opener.open(packet, 0.0)


@given(st.data())
def test_any_damage_is_refused(data: st.DataObject) -> None:
    packet = Sealer(keys(), TO_HUB, 0.0).seal(0, b"some body", 0.0)
    bit = data.draw(st.integers(0, len(packet) * 8 - 1))
    damaged = bytearray(packet)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RemoteProtocolError):
        Opener(keys(), TO_HUB).open(bytes(damaged), 0.0)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(packet: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Opener(keys(), TO_HUB).open(packet, 0.0)


def test_strangers_do_not_move_the_window() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    first = sealer.seal(0, b"first", 0.0)
    forged = bytearray(first)
    forged[8:12] = b"\x00\xff\xff\xff"
    with pytest.raises(RemoteProtocolError):
        opener.open(bytes(forged), 0.0)
    assert opener.open(first, 0.0)[2] == b"first"


def test_disorder_within_the_window_opens_and_older_does_not() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    packets = [sealer.seal(0, b"x", 0.0) for _ in range(seal.WINDOW + 2)]
    opener.open(packets[-1], 0.0)
    assert opener.open(packets[2], 0.0)[1] == 2
    for too_old in (packets[0], packets[1]):
        with pytest.raises(ReplayedError):
            opener.open(too_old, 0.0)


def test_shuffled_and_repeated_packets_open_once_each() -> None:
    chance = random.Random(1)
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    packets = [sealer.seal(chance.randrange(4), b"x", 0.0) for _ in range(500)] * 3
    chance.shuffle(packets)
    opened = []
    for packet in packets:
        try:
            opened.append(opener.open(packet, 0.0)[:2])
        except ReplayedError:
            continue
    assert len(opened) == len(set(opened)) == 500


def test_epochs_follow_each_other_without_interruption() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    for step in range(5):
        now = step * (seal.REKEY_S + 1)
        straggler = sealer.seal(1, b"straggler", now - 0.5)
        opener.open(sealer.seal(0, b"known", now - 0.5), now - 0.5)
        sealer.acknowledged(now - 0.5)
        assert opener.open(sealer.seal(0, b"x", now), now)[2] == b"x"
        assert opener.open(straggler, now + 1)[2] == b"straggler"
        assert sealer.epoch == opener.epoch == step


def test_old_epoch_closes() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    straggler = sealer.seal(1, b"x", 0.0)
    sealer.acknowledged(0.0)
    opener.open(sealer.seal(0, b"x", 1000.0), 1000.0)
    with pytest.raises(RemoteProtocolError):
        opener.open(straggler, 1000.0 + seal.KEEP_OLD_S + 1)


def test_sealer_never_runs_two_epochs_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "REKEY_PACKETS", 10)
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    lost = [sealer.seal(0, b"x", 0.0) for _ in range(100)]
    assert sealer.epoch == 0
    opener.open(lost[-1], 0.0)
    sealer.acknowledged(0.0)
    assert opener.open(sealer.seal(0, b"y", 1.0), 1.0)[2] == b"y"
    assert sealer.epoch == 1


def test_packet_numbers_beyond_32_bits_open() -> None:
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    sealer._next[0] = (1 << 31) - 1
    for number in ((1 << 31) - 1, (1 << 32) - 2, (1 << 32) - 1, 1 << 32, (1 << 32) + 5):
        sealer._next[0] = number
        assert opener.open(sealer.seal(0, b"x", 0.0), 0.0)[1] == number


def test_next_secret_does_not_give_away_the_one_before() -> None:
    sealer = Sealer(keys(), TO_HUB, 0.0)
    before = sealer._secret
    sealer.acknowledged(0.0)
    sealer.seal(0, b"x", 1000.0)
    assert sealer._secret != before


def test_key_of_an_epoch_gone_by_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "REKEY_PACKETS", 1)
    sealer, opener = Sealer(keys(), TO_HUB, 0.0), Opener(keys(), TO_HUB)
    opener.open(sealer.seal(0, b"x", 0.0), 0.0)
    sealer.acknowledged(0.0)
    opener.open(sealer.seal(0, b"x", 1.0), 1.0)
    assert opener.epoch == 1
    assert opener._old is not None
    opener.open(sealer.seal(0, b"x", 20.0), 20.0)
    assert opener._old is None
