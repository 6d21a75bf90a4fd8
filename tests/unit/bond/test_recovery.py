"""Lost datagrams out of parity, and what a hostile end can do with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.body import decode_body
from edgebox.bond.galois import encode
from edgebox.bond.recovery import BLOCKS_MAX, KEPT, Recovery
from edgebox.bond.wire import (
    WRAP,
    Copy,
    Data,
    Fragment,
    Parity,
    TrafficClass,
    decode_symbol,
    encode_parity,
    encode_symbol,
)
from edgebox.errors import RemoteProtocolError


def data(sequence: int, payload: bytes, fragment: Fragment | None = None) -> Data:
    return Data(
        7, TrafficClass.VIDEO, Copy.FIRST, sequence % WRAP, 77, 1, 0, 3, sequence % 256, fragment,
        "", payload,
    )  # fmt: skip


def parity(members: list[Data], row: int) -> Parity:
    base = members[0].sequence
    bits = sum(1 << ((one.sequence - base) % WRAP) for one in members)
    payload = encode([encode_symbol(one) for one in members], row)
    return Parity(7, TrafficClass.VIDEO, base, bits, row, payload)


def test_one_lost_datagram_comes_back() -> None:
    recovery = Recovery()
    frame = [data(10, b"first"), data(11, b"second, longer"), data(12, b"3")]
    assert recovery.add(frame[0]) == recovery.add(frame[2]) == []
    assert recovery.add_parity(parity(frame, 0)) == [frame[1]]
    assert recovery.recovered == 1


def test_data_after_the_parity_completes_it() -> None:
    recovery = Recovery()
    frame = [data(n, bytes([n]) * n) for n in range(1, 6)]
    assert recovery.add_parity(parity(frame, 2)) == []
    for one in frame[:3]:
        assert recovery.add(one) == []
    assert recovery.add(frame[3]) == [frame[4]]


def test_two_rows_bring_two_back_and_sequence_numbers_wrap() -> None:
    recovery = Recovery()
    frame = [data(n, b"x" * (n % 7 + 1)) for n in range(WRAP - 2, WRAP + 3)]
    for one in frame[:3]:
        recovery.add(one)
    assert recovery.add_parity(parity(frame, 0)) == []
    assert recovery.add_parity(parity(frame, 5)) == frame[3:]


def test_members_need_not_follow_each_other() -> None:
    recovery = Recovery()
    frame = [data(5, b"a"), data(9, b"b", Fragment(4, 1, 3)), data(68, b"c")]
    recovery.add(frame[0])
    recovery.add(frame[2])
    assert recovery.add_parity(parity(frame, 0)) == [frame[1]]


def test_parity_shorter_than_what_it_protects_is_refused() -> None:
    recovery = Recovery()
    frame = [data(10, b"x" * 400), data(11, b"y")]
    recovery.add(frame[0])
    with pytest.raises(RemoteProtocolError):
        recovery.add_parity(parity(frame, 0)._replace(payload=b"short, but long enough to be one"))


def test_needless_parity_is_not_kept() -> None:
    recovery = Recovery()
    frame = [data(1, b"a"), data(2, b"b")]
    for one in frame:
        recovery.add(one)
    assert recovery.add_parity(parity(frame, 0)) == []
    assert not recovery._blocks


def test_same_row_twice_is_one_row() -> None:
    recovery = Recovery()
    frame = [data(1, b"a"), data(2, b"b")]
    assert recovery.add_parity(parity(frame, 0)) == []
    assert recovery.add_parity(parity(frame, 0)) == []


def test_state_is_bounded() -> None:
    recovery = Recovery()
    for n in range(0, 100_000, 100):
        recovery.add(data(n, b"x"))
        recovery.add_parity(parity([data(n + i, b"y") for i in range(1, 60)], 0))
    assert len(recovery._kept) == KEPT
    assert len(recovery._blocks) == BLOCKS_MAX
    assert len(recovery._awaited) == BLOCKS_MAX * 59


def test_parity_that_does_not_fit_is_refused() -> None:
    recovery = Recovery()
    frame = [data(1, b"a"), data(2, b"b")]
    recovery.add(frame[0])
    with pytest.raises(RemoteProtocolError):
        recovery.add_parity(parity(frame, 0)._replace(payload=b"\xff" * 20))
    assert not recovery._blocks


@given(st.lists(st.tuples(st.integers(0, 8), st.binary(max_size=60)), max_size=20))
def test_any_parity_gives_datagrams_or_one_error(parts: list[tuple[int, bytes]]) -> None:
    recovery = Recovery()
    for sequence, raw in parts:
        try:
            recovery.add(data(sequence, raw))
            decoded = decode_body(b"\x02" + raw)
            assert isinstance(decoded, Parity)
            found = recovery.add_parity(decoded)
        except RemoteProtocolError:
            continue
        assert all(isinstance(one, Data) for one in found)


@given(st.binary(max_size=80))
def test_any_symbol_is_a_datagram_or_one_error(symbol: bytes) -> None:
    try:
        found = decode_symbol(symbol, 1, 2)
    except RemoteProtocolError:
        return
    assert encode_symbol(found) == symbol.rstrip(b"\0").ljust(len(encode_symbol(found)), b"\0")


def test_parity_goes_there_and_comes_back() -> None:
    one = parity([data(8, b"abc"), data(70, b"d")], 3)
    assert decode_body(encode_parity(one)) == one


@pytest.mark.parametrize("at_and_value", [(1, 4), (17, 0), (18, 16)])
def test_rows_outside_the_code_are_refused(at_and_value: tuple[int, int]) -> None:
    body = bytearray(encode_parity(parity([data(8, b"abc"), data(9, b"d")], 3)))
    body[at_and_value[0]] = at_and_value[1]
    with pytest.raises(RemoteProtocolError):
        decode_body(bytes(body))
