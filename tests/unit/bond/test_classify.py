"""Recognising sound, pictures and control in what SRTP and TURN leave readable."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.classify import STREAMS_MAX, Classifier
from edgebox.bond.wire import TrafficClass


def rtp(size: int, *, timestamp: int = 0, ssrc: int = 1, second: int = 96) -> bytes:
    return struct.pack("!BBHII", 0x80, second, 1, timestamp, ssrc) + bytes(size - 12)


def channel_data(payload: bytes) -> bytes:
    return struct.pack("!HH", 0x4001, len(payload)) + payload


def classes(*payloads: bytes) -> list[TrafficClass]:
    one = Classifier()
    return [one.classify(payload, 1.0).traffic_class for payload in payloads]


def test_small_packets_with_moving_timestamps_are_sound() -> None:
    packets = [channel_data(rtp(80, timestamp=960 * n)) for n in range(50)]
    assert set(classes(*packets)) == {TrafficClass.AUDIO}


def test_one_large_packet_makes_its_source_a_picture() -> None:
    assert classes(rtp(100), rtp(1000, timestamp=1), rtp(60, timestamp=2)) == [
        TrafficClass.AUDIO,
        TrafficClass.VIDEO,
        TrafficClass.VIDEO,
    ]


def test_two_packets_of_one_moment_are_a_picture() -> None:
    assert classes(rtp(200, timestamp=7), rtp(200, timestamp=7))[1] is TrafficClass.VIDEO


def test_sources_of_one_flow_are_told_apart() -> None:
    assert classes(rtp(1000, ssrc=1), rtp(80, ssrc=2)) == [TrafficClass.VIDEO, TrafficClass.AUDIO]


def test_rtcp_stun_and_dtls_are_control() -> None:
    stun = struct.pack("!HH", 1, 8) + b"\x21\x12\xa4\x42" + bytes(20)
    payloads = (rtp(60, second=200), channel_data(rtp(60, second=206)), stun, bytes((22,)) * 300)
    assert set(classes(*payloads)) == {TrafficClass.CONTROL}


def test_data_in_a_stun_indication_is_not_sent_twice() -> None:
    stun = struct.pack("!HH", 0x16, 1000) + b"\x21\x12\xa4\x42" + bytes(1000)
    assert classes(stun) == [TrafficClass.DEFAULT]


def test_unknown_traffic_is_default() -> None:
    wireguard = b"\x04\x00\x00\x00" + bytes(100)
    assert set(classes(wireguard, b"", b"\x00", b"hello", b"\x40\x00")) == {TrafficClass.DEFAULT}


def test_frames_follow_the_timestamp() -> None:
    one = Classifier()
    seen = [one.classify(rtp(1000, timestamp=t), 1.0)[1:3] for t in (5, 5, 5, 9, 9)]
    assert seen == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


def test_bursts_of_unknown_traffic_are_frames() -> None:
    one = Classifier()
    seen = [one.classify(b"data", now).frame for now in (1.0, 1.001, 1.002, 1.010)]
    assert seen == [1, 1, 1, 2]


def test_many_sources_do_not_fill_memory() -> None:
    one = Classifier()
    for ssrc in range(1000):
        one.classify(rtp(100, ssrc=ssrc), 1.0)
    assert len(one._streams) == STREAMS_MAX


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_have_a_class(payloads: list[bytes]) -> None:
    one = Classifier()
    for payload in payloads:
        seen = one.classify(payload, 1.0)
        assert 0 <= seen.place <= 255
        assert 0 <= seen.frame < 65_536


def test_endless_burst_is_cut_and_its_end_is_known() -> None:
    classifier = Classifier()
    seen = [classifier.classify(b"\xf0" + bytes(900), 5.0 + 0.001 * n) for n in range(200)]
    assert [one.place for one in seen[:65]] == [*range(64), 0]
    assert [n for n, one in enumerate(seen) if one.is_last] == [63, 127, 191]
    assert len({one.frame for one in seen}) == 4


def test_quic_is_no_channel_data() -> None:
    """A short header (RFC 9000, 17.3.1) whose connection id looks like RTP behind four bytes."""
    packet = bytes((0x41, 1, 2, 3, 0x80, 200)) + bytes(200)
    assert Classifier().classify(packet, 0.0).traffic_class is TrafficClass.DEFAULT
