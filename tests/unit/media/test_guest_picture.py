"""A guest's camera: packets to frames."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edgebox.media.guest import BITS_PER_S, GIVE_UP_S, PACKETS_MAX, GuestPicture, Packet
from edgebox.media.pipe import Frame

KEY, DELTA = b"\x10\0\0\x9d\x01\x2a", b"\x11\0\0\0\0\0"
"""Beginning of a VP8 frame (RFC 6386, 9.1)."""


class Show:
    """A panel that looks."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.asked = 0
        self.changes = 0
        self.picture = GuestPicture(self.changed)
        self.picture.ask = self.ask
        self.picture.add_sink(self.frames.append)

    def changed(self) -> None:
        self.changes += 1

    def ask(self) -> None:
        self.asked += 1

    def put(self, packets: list[Packet]) -> None:
        for packet in packets:
            self.picture.put(packet)


def frame(
    number: int, first: int, packets: int = 3, *, keyframe: bool = False, at: float = 0.0
) -> list[Packet]:
    parts = [(KEY if keyframe else DELTA) + bytes([number % 256]), *[b"x"] * (packets - 1)]
    return [
        Packet((first + n) % 65_536, number * 3000 % 2**32, n == packets - 1, "VP8", part, at)
        for n, part in enumerate(parts)
    ]


def numbers(show: Show) -> list[int]:
    return [one.data[6] for one in show.frames]


def video(count: int, first: int = 0) -> list[list[Packet]]:
    return [frame(n, first + 3 * n, keyframe=n == 0, at=n / 30) for n in range(count)]


def test_a_frame_goes_out_with_its_last_packet() -> None:
    show = Show()
    for packets in video(5):
        show.put(packets[:-1])
        before = len(show.frames)
        show.put(packets[-1:])
        assert len(show.frames) == before + 1
    assert numbers(show) == [0, 1, 2, 3, 4]
    assert [one.keyframe for one in show.frames] == [True, False, False, False, False]
    assert [one.pts for one in show.frames] == [0, 3000, 6000, 9000, 12_000]


def test_packets_out_of_order_and_wrapping_numbers() -> None:
    show = Show()
    packets = [packet for one in video(40, first=65_500) for packet in one]
    order = list(range(len(packets)))
    seeded = random.Random(3)
    for at in range(1, len(order) - 4, 4):
        order[at : at + 4] = seeded.sample(order[at : at + 4], 4)
    show.put([packets[at] for at in order])
    assert numbers(show) == list(range(40))


def test_what_comes_before_a_keyframe_is_not_shown_and_one_is_asked_for() -> None:
    show = Show()
    show.put(frame(7, 20))
    assert show.frames == []
    assert show.asked == 1
    show.put(frame(8, 23, keyframe=True, at=0.1))
    assert numbers(show) == [8]


def test_a_packet_that_stays_lost_costs_what_depends_on_it_and_no_more() -> None:
    show = Show()
    frames = video(60)
    del frames[10][1]
    frames[40][0] = Packet(120, 40 * 3000, False, "VP8", KEY + bytes([40]), 40 / 30)
    for packets in frames:
        show.put(packets)
    shown = numbers(show)
    assert shown[:10] == list(range(10))
    assert shown[10:] == list(range(40, 60))
    assert show.asked >= 1
    assert show.picture.dropped >= 1


def test_a_packet_that_comes_again_in_time_costs_nothing() -> None:
    show = Show()
    frames = video(20)
    lost = frames[10].pop(1)
    for packets in frames[:14]:
        show.put(packets)
    assert numbers(show) == list(range(10))
    show.put([lost])
    assert numbers(show) == list(range(14))


def test_a_keyframe_that_takes_long_to_arrive_is_not_given_up() -> None:
    show = Show()
    large = frame(0, 0, 100, keyframe=True)
    for place, packet in enumerate(large):
        at = place * 3 * GIVE_UP_S / 100
        show.put([Packet(packet.sequence, 0, packet.marker, "VP8", packet.data, at)])
    assert len(show.frames) == 1
    assert show.asked == 0


def test_somebody_who_begins_to_look_gets_a_keyframe() -> None:
    show = Show()
    for packets in video(3):
        show.put(packets)
    show.picture.request_keyframe()
    show.put(frame(3, 9, at=0.2))
    assert show.asked == 1
    assert numbers(show) == [0, 1, 2, 3], "those who look already go on"


def test_it_shows_only_while_frames_come() -> None:
    show = Show()
    assert not show.picture.shows(0.0)
    show.put(frame(0, 0, keyframe=True, at=10.0))
    assert show.picture.shows(10.5)
    assert not show.picture.shows(12.0)
    assert show.changes == 2


def test_a_flood_is_dropped_and_counted() -> None:
    show = Show()
    data = KEY + bytes(1199)
    for n in range(2000):
        show.picture.put(Packet(n, n * 90, True, "VP8", data, n / 1000))
    passed_bits = sum(len(one.data) * 8 for one in show.frames)
    assert passed_bits <= 3 * BITS_PER_S
    assert show.picture.dropped > 500


@given(
    st.lists(
        st.builds(
            Packet,
            st.integers(0, 65_535),
            st.integers(0, 2**32 - 1),
            st.booleans(),
            st.sampled_from(["VP8", "H264"]),
            st.binary(max_size=20),
            st.floats(0, 5),
        ),
        max_size=200,
    )
)
def test_whatever_arrives_it_stays_within_its_bounds(packets: list[Packet]) -> None:
    show = Show()
    show.put(sorted(packets, key=lambda packet: packet.at))
    assert len(show.picture._packets) <= PACKETS_MAX + 1
    assert len(show.frames) <= len(packets)
