"""Who hears what."""

import itertools

import msgspec
import numpy as np
import pytest

from edgebox.media.sound.device import BLOCK
from edgebox.media.sound.mixer import Mixed, Mixer
from edgebox.media.sound.opus import Decoder, Encoder, Samples
from edgebox.media.sound.records import EVERYBODY, FAR, Orders

STEP_S = 0.02
TONES = {0: 440.0, 1: 1000.0, 2: 1700.0}
"""Of the cabin and of two guests, far enough apart to tell who is in a mix."""


def tone(who: int, block: int) -> Samples:
    t = (block * BLOCK + np.arange(BLOCK)) / 48_000
    # The cabin's comes and goes as speech does, or it would be taken for noise.
    loudness = 6000 * (1 if who or block % 20 < 12 else 0)
    return (loudness * np.sin(2 * np.pi * TONES[who] * t)).astype(np.int16)


def run(
    orders: Orders, *, talking: set[int], seconds: float = 2.0, cabin: bool = True
) -> dict[int, set[int]]:
    """Who is heard in each mix, and in the cabin itself under -1."""
    mixer = Mixer()
    mixer.obey(orders)
    encoders = {guest: Encoder() for guest in talking}
    for encoder in encoders.values():
        encoder.tune(32_000, 5)
    decoders: dict[int, Decoder] = {}
    heard: dict[int, list[Samples]] = {-1: []}
    for block in range(int(seconds / STEP_S)):
        now = 100 + block * STEP_S
        for guest, encoder in encoders.items():
            mixer.packet(guest, block, block * BLOCK, encoder.encode(tone(guest, block)), now)
        far, packets = mixer.step(tone(0, block) if cabin else None, now)
        heard[-1].append(far)
        for packet in packets:
            decoder = decoders.setdefault(packet.mix, Decoder())
            heard.setdefault(packet.mix, []).append(decoder.decode(packet.data))
    return {mix: voices_in(np.concatenate(parts)) for mix, parts in heard.items()}


def voices_in(samples: Samples) -> set[int]:
    spectrum = np.abs(np.fft.rfft(samples.astype(float))) / len(samples)
    found = set()
    for who, hz in TONES.items():
        at = round(hz * len(samples) / 48_000)
        if spectrum[at - 3 : at + 4].max() > 100:
            found.add(who)
    return found


def test_nobody_hears_themselves_and_everybody_hears_the_others() -> None:
    orders = Orders(live=True, speaking=(1, 2), mixes=(EVERYBODY, 1, 2))
    assert run(orders, talking={1, 2}) == {
        -1: {1, 2},
        EVERYBODY: {0, 1, 2},
        1: {0, 2},
        2: {0, 1},
    }


def test_a_muted_cabin_is_in_no_mix_and_still_hears() -> None:
    orders = Orders(live=True, muted=True, speaking=(1, 2), mixes=(EVERYBODY, 1, 2))
    assert run(orders, talking={1, 2}) == {-1: {1, 2}, EVERYBODY: {1, 2}, 1: {2}, 2: {1}}


def test_a_muted_cabin_alone_with_one_guest_sends_nothing_at_all() -> None:
    orders = Orders(live=True, muted=True, speaking=(1,), mixes=(1,))
    assert run(orders, talking={1}) == {-1: {1}}


@pytest.mark.parametrize("muted", [False, True])
def test_a_headset_hears_remote_help_and_nobody_near_it(muted: bool) -> None:
    """Guest 2 wears one: the doctor hears them, they hear the doctor, and no microphone near."""
    orders = Orders(live=True, muted=muted, speaking=(1, 2), near=(2,), mixes=(1, FAR))
    expected = {-1: {1}, FAR: {1}} | ({} if muted else {1: {0, 2}})
    assert run(orders, talking={1, 2}) == expected


def test_a_headset_is_sent_nothing_while_remote_help_is_silent() -> None:
    orders = Orders(live=True, speaking=(1, 2), near=(2,), mixes=(FAR,))
    assert run(orders, talking={2}) == {-1: set()}


def test_who_may_not_speak_is_heard_nowhere() -> None:
    orders = Orders(live=True, speaking=(1,), mixes=(1, 2))
    assert run(orders, talking={1, 2}) == {-1: {1}, 1: {0}, 2: {0, 1}}


@pytest.mark.parametrize("live", [True, False])
def test_nothing_is_sent_while_there_is_no_session(live: bool) -> None:
    orders = Orders(live=live, mixes=(EVERYBODY,))
    assert (EVERYBODY in run(orders, talking=set())) == live


def test_the_technician_hears_the_microphone_alone_and_only_while_the_crew_talks() -> None:
    """Guest 1 is the technician, guest 2 wears a headset."""
    call = Orders(speaking=(1, 2), near=(2,), mixes=(FAR,), caller=1)
    assert run(call, talking={1, 2}) == {-1: {1}}
    talk = msgspec.structs.replace(call, talk=True)
    assert run(talk, talking={1, 2}) == {-1: {1}, 1: {0}}
    assert run(talk, talking={1, 2}, cabin=False) == {-1: {1}}
    assert run(msgspec.structs.replace(talk, muted=True), talking={1}) == {-1: {1}}


def test_a_session_has_no_mix_for_the_technician() -> None:
    orders = Orders(live=True, speaking=(1, 2), mixes=(2,), caller=1, talk=True)
    assert 1 not in run(orders, talking={1, 2})


def test_nothing_of_one_press_is_left_for_the_next() -> None:
    mixer = Mixer()
    talk = Orders(caller=1, talk=True, packet_ms=120)
    for _ in range(3):
        mixer.obey(talk)
        assert [p for b in range(5) for p in mixer.step(tone(0, b), 100 + b * STEP_S)[1]] == []
        mixer.obey(msgspec.structs.replace(talk, talk=False))
        mixer.step(tone(0, 0), 101)


def test_guests_hear_each_other_without_a_microphone() -> None:
    orders = Orders(live=True, speaking=(1, 2), mixes=(1, 2))
    assert run(orders, talking={1, 2}, cabin=False) == {-1: {1, 2}, 1: {2}, 2: {1}}


@pytest.mark.parametrize("packet_ms", [20, 40, 60, 120])
def test_packets_follow_each_other_without_gap(packet_ms: int) -> None:
    mixer = Mixer()
    mixer.obey(Orders(live=True, mixes=(EVERYBODY,), packet_ms=packet_ms))
    packets: list[Mixed] = []
    for block in range(60):
        packets += mixer.step(tone(0, 0), 100 + block * STEP_S)[1]
    steps = {b.pts - a.pts for a, b in itertools.pairwise(packets)}
    assert steps == {packet_ms * 48}


def test_time_stamps_follow_the_clock_when_the_sound_card_does_not() -> None:
    mixer = Mixer()
    mixer.obey(Orders(live=True, mixes=(EVERYBODY,)))
    now = 100.0
    for _ in range(3000):
        now += STEP_S * 1.002  # a card that is slow by 2 in 1000
        for packet in mixer.step(tone(0, 0), now)[1]:
            assert abs(packet.pts / 48_000 - (now - STEP_S)) < 0.05


def test_a_voice_is_noticed_and_silence_is_none() -> None:
    mixer = Mixer()
    mixer.obey(Orders(live=True, speaking=(1, 2), mixes=(1, 2)))
    loud, quiet = Encoder(), Encoder()
    now = 0.0
    for block in range(25):
        now = 100 + block * STEP_S
        mixer.packet(1, block, block * BLOCK, loud.encode(tone(1, block)), now)
        mixer.packet(2, block, block * BLOCK, quiet.encode(np.zeros(BLOCK, np.int16)), now)
        mixer.step(None, now)
    assert mixer.voices(now) == (1,)
    for _ in range(200):
        now += STEP_S
        mixer.step(None, now)
    assert mixer.voices(now) == ()


def test_junk_of_a_guest_is_counted_and_hurts_nobody() -> None:
    mixer = Mixer()
    mixer.obey(Orders(live=True, speaking=(1,), mixes=(1,)))
    for block in range(20):
        now = 100 + block * STEP_S
        mixer.packet(1, block, block * BLOCK, b"\xff\xff\xff", now)
        mixer.packet(9, block, block * BLOCK, b"\xff", now)
        mixer.step(tone(0, block), now)
    assert mixer.counters[2] == 20
