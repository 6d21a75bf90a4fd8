"""Byte layout: what is encoded decodes to the same, and any bytes are survived."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.body import decode_body
from edgebox.bond.control import (
    Ack,
    Control,
    FlowRefused,
    FlowUnknown,
    Item,
    LinkUse,
    PathChallenge,
    PathResponse,
    encode_control,
)
from edgebox.bond.wire import (
    ANNOUNCE_MAX,
    HALF,
    OUTER_MAX,
    OVERHEAD,
    PAYLOAD_MAX,
    WRAP,
    Copy,
    Data,
    Fragment,
    TrafficClass,
    decode_header,
    difference,
    encode_data,
    encode_header,
    microseconds,
    session_of,
    unwrap,
)
from edgebox.errors import RemoteProtocolError

PAGE = Path(__file__).parents[3] / "docs/PROTOCOL.md"
u8 = st.integers(0, 255)
u16 = st.integers(0, 65_535)
u32 = st.integers(0, WRAP - 1)
u64 = st.integers(0, (1 << 64) - 1)
fragments = st.integers(1, 255).flatmap(
    lambda total: st.builds(Fragment, u16, st.integers(0, total - 1), st.just(total))
)
datas = st.builds(
    Data,
    sent_us=u32,
    traffic_class=st.sampled_from(TrafficClass),
    copy=st.sampled_from(Copy),
    sequence=u32,
    flow=u32,
    back=u16,
    age=u16,
    frame=u16,
    place=u8,
    fragment=st.none() | fragments,
    announce=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=ANNOUNCE_MAX),
    payload=st.binary(max_size=PAYLOAD_MAX),
)
items = st.one_of(
    st.builds(Ack, st.integers(0, 15), u32, u64, u32, u32, u32),
    st.builds(FlowRefused, u32),
    st.builds(FlowUnknown, u32),
    st.builds(LinkUse, u8, u8),
    st.builds(PathChallenge, st.binary(min_size=8, max_size=8)),
    st.builds(PathResponse, st.binary(min_size=8, max_size=8)),
)


@given(datas)
def test_data_comes_back_as_it_went(data: Data) -> None:
    assert decode_body(encode_data(data)) == data


@given(u32, st.booleans(), st.lists(items, max_size=8), st.integers(0, 1100))
def test_control_comes_back_as_it_went(
    sent_us: int, eliciting: bool, content: list[Item], pad_to: int
) -> None:
    body = encode_control(sent_us, eliciting=eliciting, items=content, pad_to=pad_to)
    assert len(body) >= pad_to
    assert decode_body(body) == Control(sent_us, eliciting, tuple(content))


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda kind, rest: bytes((kind,)) + rest, st.integers(0, 3), st.binary(max_size=200)
    )
)
def test_any_body_is_decoded_or_refused(body: bytes) -> None:
    try:
        decoded = decode_body(body)
    except RemoteProtocolError:
        return
    assert isinstance(decoded, Data | Control)


@given(datas, st.data())
def test_cut_data_is_refused_or_shorter(data: Data, draw: st.DataObject) -> None:
    body = encode_data(data)
    cut = body[: draw.draw(st.integers(0, len(body) - 1))]
    try:
        decoded = decode_body(cut)
    except RemoteProtocolError:
        return
    assert isinstance(decoded, Data)
    assert data.payload.startswith(decoded.payload)


@given(st.binary(max_size=60))
def test_any_header_is_decoded_or_refused(packet: bytes) -> None:
    session = session_of(packet)
    try:
        header = decode_header(packet)
    except RemoteProtocolError:
        return
    assert header.session == session


def test_header_keeps_the_low_bits_of_the_number() -> None:
    packet = encode_header(3, 9, 0xDEADBEEF, (5 << 32) + 7) + bytes(17)
    assert decode_header(packet) == (3, 9, 0xDEADBEEF, 7)
    assert session_of(packet) == 0xDEADBEEF


def test_item_of_a_later_version_is_skipped() -> None:
    body = encode_control(1, eliciting=False, items=[FlowRefused(5)])
    later = body[:6] + bytes((200, 3)) + b"abc" + body[6:]
    assert decode_body(later) == Control(1, False, (FlowRefused(5),))


@pytest.mark.parametrize("size", [0, 24, 26])
def test_acknowledgement_of_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_body(b"\x01\x00\x00\x00\x00\x01" + bytes((1, size)) + bytes(size))


@given(u32, st.integers(-(HALF - 1), HALF - 1))
def test_difference_survives_the_wrap(start: int, step: int) -> None:
    assert difference((start + step) % WRAP, start) == step


@given(st.integers(0, 1 << 60), st.integers(-(HALF - 1), HALF - 1))
def test_unwrap_finds_the_full_number(near: int, step: int) -> None:
    assert unwrap((near + step) % WRAP, near) == near + step


def test_clock_wraps_after_71_minutes() -> None:
    before, after = microseconds(4294.967290), microseconds(4294.967300)
    assert difference(after, before) in {9, 10, 11}


def test_outer_datagram_fits_the_least_ipv6_mtu() -> None:
    assert OUTER_MAX + 40 + 8 < 1280
    assert PAYLOAD_MAX + OVERHEAD == OUTER_MAX


def test_example_of_the_protocol_page_is_true() -> None:
    page = PAGE.read_text()
    line = page.rpartition("    00 02")[2].splitlines()[0]
    body = bytes.fromhex("00 02" + line)
    data = Data(1, TrafficClass.VIDEO, Copy.FIRST, 5, 77, 1, 0, 3, 2, None, "", b"hi")
    assert encode_data(data) == body
    assert decode_body(body) == data


def test_figures_of_the_protocol_page_are_true() -> None:
    page = PAGE.read_text()
    for figure in (f"at most {OUTER_MAX} bytes", f"over {PAYLOAD_MAX} bytes", "25 bytes, one for"):
        assert figure in page, figure


@pytest.mark.parametrize("text", ["a:1\nforged line", "a :1", "a:1\x7f", "\x00"])
def test_announcement_that_would_forge_a_log_line_is_refused(text: str) -> None:
    data = Data(0, TrafficClass.VIDEO, Copy.FIRST, 0, 1, 0, 0, 0, 0, None, text, b"")
    with pytest.raises(RemoteProtocolError):
        decode_body(encode_data(data))
