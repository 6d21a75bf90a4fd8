"""libopus as we call it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.errors import RemoteProtocolError
from edgebox.media.sound.device import BLOCK, murmur
from edgebox.media.sound.opus import Decoder, Encoder, samples_in

SECOND = murmur(0, 48_000).astype(np.int16)
BLOCKS = [SECOND[at : at + BLOCK] for at in range(0, 48_000, BLOCK)]


def test_sound_comes_back() -> None:
    encoder, decoder = Encoder(), Decoder()
    encoder.tune(32_000, 5)
    heard = np.concatenate([decoder.decode(encoder.encode(block)) for block in BLOCKS])
    lag = 312  # 6.5 ms look-ahead (RFC 6716, 2.1.3 and the encoder's own)
    similar = np.corrcoef(SECOND[: 48_000 - lag], heard[lag:])[0, 1]
    assert len(heard) == 48_000
    assert similar > 0.8


def test_the_rate_changes_while_it_runs() -> None:
    encoder = Encoder()
    sizes = {}
    for bitrate_bps in (40_000, 12_000, 40_000):
        encoder.tune(bitrate_bps, 5)
        sizes[bitrate_bps] = sum(len(encoder.encode(block)) for block in BLOCKS)
    assert sizes[12_000] < 0.5 * sizes[40_000]


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5, 6])
def test_packets_of_20_to_120_ms(blocks: int) -> None:
    encoder = Encoder()
    encoder.tune(12_000, 5)
    packet = encoder.encode(SECOND[: blocks * BLOCK])
    assert samples_in(packet) == blocks * BLOCK


def test_silence_costs_nothing() -> None:
    encoder = Encoder()
    encoder.tune(24_000, 5)
    sizes = [len(encoder.encode(np.zeros(BLOCK, np.int16))) for _ in range(100)]
    assert sum(size > 2 for size in sizes[50:]) < 5


def test_a_lost_packet_is_in_the_next_one() -> None:
    encoder, decoder, ideal = Encoder(), Decoder(), Decoder()
    encoder.tune(24_000, 30)
    packets = [encoder.encode(block) for block in BLOCKS]
    right = np.concatenate([ideal.decode(packet) for packet in packets])
    got, guessed = [], Decoder()
    guesses = []
    for at, packet in enumerate(packets):
        lost = at in {10, 20, 30, 40}
        got.append(decoder.recover(packets[at + 1], BLOCK) if lost else decoder.decode(packet))
        guesses.append(guessed.conceal(BLOCK) if lost else guessed.decode(packet))
    mended = np.concatenate(got).astype(float)
    concealed = np.concatenate(guesses).astype(float)
    assert np.mean((mended - right) ** 2) < 0.7 * np.mean((concealed - right) ** 2)


@given(st.binary(max_size=200))
def test_any_bytes_are_sound_or_refused(data: bytes) -> None:
    try:
        count = samples_in(data)
        assert len(Decoder().decode(data)) == count
    except RemoteProtocolError:
        return
