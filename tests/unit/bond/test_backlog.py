"""What waits for a link, and what is left out."""

from edgebox.bond.backlog import BACKLOG_BYTES, FRESH_S, GIVE_UP_S, USEFUL_S, Backlog
from edgebox.bond.classify import Seen
from edgebox.bond.datagram import UNSENT_S, Datagram, Flow, Frame
from edgebox.bond.wire import Fragment, TrafficClass


def picture(number: int, now: float, packets: int = 3, size: int = 1000) -> list[Datagram]:
    frame = Frame(number, now, is_whole=True)
    return [
        Datagram(1, b"v" * size, Seen(TrafficClass.VIDEO, number, place), frame, now)
        for place in range(packets)
    ]


def picture_in_pieces(number: int, now: float, packets: int = 2, each: int = 3) -> list[Datagram]:
    """Each packet is cut into `each` pieces of 500 bytes."""
    frame = Frame(number, now, is_whole=True)
    return [
        Datagram(
            1, b"v" * 500, Seen(TrafficClass.VIDEO, number, packet), frame, now,
            Fragment(packet, place, each),
        )
        for packet in range(packets)
        for place in range(each)
    ]  # fmt: skip


def numbers(backlog: Backlog) -> list[int]:
    """Frames of all that waits."""
    found = []
    while backlog:
        found.append(backlog.head().frame)
        backlog.pop()
    return found


def test_what_comes_first_goes_first() -> None:
    backlog = Backlog()
    for datagram in [*picture(1, 0.0, 2), *picture(2, 0.033, 1)]:
        backlog.add(datagram)
    assert backlog.bytes == 3000
    assert numbers(backlog) == [1, 1, 2]
    assert backlog.bytes == 0


def test_frames_of_two_cameras_may_mix() -> None:
    backlog = Backlog()
    one, other = picture(1, 0.0, 2), picture(2, 0.0, 2)
    for datagram in (one[0], other[0], one[1], other[1]):
        backlog.add(datagram)
    assert numbers(backlog) == [1, 1, 2, 2]


def test_frame_that_comes_too_late_is_left_out_whole() -> None:
    backlog = Backlog()
    for datagram in [*picture(1, 0.0), *picture(2, 0.15)]:
        backlog.add(datagram)
    # 24 kbit at 1 Mbit/s and 30 ms of way: the first would be there after 204 ms.
    backlog.expire(0.15, 1e6, 0.030)
    assert backlog.dropped == 3
    assert numbers(backlog) == [2, 2, 2]


def test_frame_in_time_stays() -> None:
    backlog = Backlog()
    for datagram in [*picture(1, 0.0), *picture(2, 0.033)]:
        backlog.add(datagram)
    backlog.expire(0.1, 1e6, 0.030)
    assert backlog.dropped == 0


def test_frame_begun_gets_more_time() -> None:
    backlog = Backlog()
    for datagram in [*picture(1, 0.0), *picture(2, 0.15)]:
        backlog.add(datagram)
    backlog.pop()
    backlog.expire(USEFUL_S + 0.01, 1e6, 0.030)
    assert backlog.head().frame == 1
    backlog.expire(GIVE_UP_S, 1e6, 0.030)
    assert numbers(backlog) == [2, 2, 2]


def test_only_frame_stays_even_when_it_is_late() -> None:
    backlog = Backlog()
    for datagram in picture(1, 0.0, 40):
        backlog.add(datagram)
    backlog.expire(USEFUL_S, 100_000, 0.030)
    assert backlog.head().frame == 1
    backlog.expire(GIVE_UP_S, 100_000, 0.030)
    assert not backlog


def test_datagram_of_which_pieces_have_gone_is_sent_to_its_end() -> None:
    """Or the pieces would have gone for nothing, frame after frame."""
    backlog = Backlog()
    one = picture_in_pieces(1, 0.0)
    for datagram in [*one, *picture_in_pieces(2, 0.067)]:
        backlog.add(datagram)
    backlog.pop()
    backlog.expire(0.1, 50_000, 0.150)
    backlog.add(one[-1])
    assert backlog.dropped == 4
    assert backlog.bytes == (2 + 6) * 500
    assert [backlog.head().place, backlog.head().fragment] == [0, one[1].fragment]
    backlog.expire(0.1, 50_000, 0.150)
    assert numbers(backlog) == [1, 1, 2, 2, 2, 2, 2, 2]


def test_datagram_too_late_is_dropped_though_pieces_have_gone() -> None:
    backlog = Backlog()
    for datagram in picture_in_pieces(1, 0.0):
        backlog.add(datagram)
    backlog.pop()
    backlog.expire(UNSENT_S[TrafficClass.VIDEO] - 0.001, 50_000, 0.150)
    assert backlog.head().frame == 1
    backlog.expire(UNSENT_S[TrafficClass.VIDEO], 50_000, 0.150)
    assert not backlog
    assert backlog.bytes == 0


def test_datagram_whose_pieces_are_just_being_added_stays_whole() -> None:
    backlog = Backlog()
    pieces = picture_in_pieces(1, 0.0, packets=1)
    backlog.add(pieces[0])
    backlog.pop()
    backlog.add(pieces[1])
    backlog.expire(GIVE_UP_S, 50_000, 0.150)
    backlog.add(pieces[2])
    backlog.expire(GIVE_UP_S, 50_000, 0.150)
    assert backlog.dropped == 0
    assert numbers(backlog) == [1, 1]


def test_rest_of_a_frame_left_out_is_not_taken_any_more() -> None:
    backlog = Backlog()
    one, other = picture(1, 0.0, 3), picture(2, 0.3)
    for datagram in [one[0], one[1], *other]:
        backlog.add(datagram)
    backlog.expire(0.3, 1e6, 0.030)
    backlog.add(one[2])
    assert numbers(backlog) == [2, 2, 2]
    assert backlog.dropped == 3


def test_other_traffic_expires_packet_by_packet() -> None:
    backlog = Backlog()
    burst = Frame(5, 0.0, is_whole=False)
    seen = Seen(TrafficClass.DEFAULT, 5, 0)
    for at in (0.0, 0.4):
        backlog.add(Datagram(1, b"x", seen, burst, at))
    backlog.expire(UNSENT_S[TrafficClass.DEFAULT], 1e6, 0.030)
    assert backlog.dropped == 1
    assert not burst.dropped
    assert backlog.head().accepted_at == 0.4


def test_too_much_drops_the_oldest_frames() -> None:
    backlog = Backlog()
    for number in range(100):
        for datagram in picture(number, number / 30):
            backlog.add(datagram)
    assert backlog.bytes <= BACKLOG_BYTES
    assert numbers(backlog)[-1] == 99


def test_fresh_frames_are_not_judged() -> None:
    backlog = Backlog()
    assert backlog.is_judged_at == float("inf")
    backlog.add(picture(1, 5.0)[0])
    assert backlog.is_judged_at == 5.0 + FRESH_S


def test_flow_keeps_frames_that_take_turns_apart() -> None:
    flow = Flow("", 0.0)
    one = flow.frame_of(Seen(TrafficClass.VIDEO, 1, 0), 0.0)
    other = flow.frame_of(Seen(TrafficClass.VIDEO, 2, 0), 0.0)
    assert flow.frame_of(Seen(TrafficClass.VIDEO, 1, 1), 0.001) is one
    assert flow.frame_of(Seen(TrafficClass.VIDEO, 2, 1), 0.001) is other
    sound = Seen(TrafficClass.AUDIO, 3, 0)
    assert flow.frame_of(sound, 0.0) is not flow.frame_of(sound, 0.0)


def test_frame_on_its_way_out_is_no_backlog() -> None:
    backlog = Backlog()
    backlog.add(picture(1, 5.0)[0])
    assert backlog.stale_bytes(5.01) == 0
    assert backlog.stale_bytes(5.05) == 1000
