"""The erasure code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.galois import (
    DATA_MAX,
    PARITY_MAX,
    coefficient,
    decode,
    encode,
    invert,
    multiply,
)

rows = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12)


def test_field_is_the_one_of_reed_and_solomon() -> None:
    assert multiply(0x80, 2) == 0x1D
    assert multiply(0, 7) == 0
    assert all(multiply(value, invert(value)) == 1 for value in range(1, 256))
    with pytest.raises(ZeroDivisionError):
        invert(0)


def test_rows_of_the_protocol_page() -> None:
    assert coefficient(0, 0) == invert(128)
    assert encode([b"\x80"], 0) == b"\x01"
    assert encode([b"ab", b"c"], 1).hex() == "465e"


@given(rows, st.data())
def test_any_rows_of_enough_give_the_data_back(data: list[bytes], choice: st.DataObject) -> None:
    lost = choice.draw(st.sets(st.sampled_from(range(len(data))), max_size=PARITY_MAX))
    numbers = choice.draw(st.permutations(range(PARITY_MAX)).map(lambda order: order[: len(lost)]))
    size = max(map(len, data))
    known = {i: row for i, row in enumerate(data) if i not in lost}
    found = decode(len(data), known, {number: encode(data, number) for number in numbers})
    assert found == {i: data[i].ljust(size, b"\0") for i in lost}


def test_too_little_parity_gives_nothing() -> None:
    data = [b"one", b"two", b"six"]
    assert decode(3, {0: b"one"}, {4: encode(data, 4)}) is None


def test_code_has_an_end() -> None:
    with pytest.raises(ValueError, match="more rows"):
        encode([b"x"] * (DATA_MAX + 1), 0)
    with pytest.raises(ValueError, match="more rows"):
        encode([b"x"], PARITY_MAX)
