"""Systematic Cauchy Reed-Solomon erasure code over GF(256), on whole byte strings.

`k` data rows and parity rows `r` = sum of data[i] / (r ^ (128 + i)): any k of them give the data
back, for up to DATA_MAX data and PARITY_MAX parity rows (a Cauchy matrix has no singular square
part; Blömer et al., ICSI TR-95-048). Field polynomial 0x11D. Rows are multiplied by
bytes.translate and added as whole numbers, which costs far less than a loop over bytes.
"""

from collections.abc import Mapping, Sequence

DATA_MAX = 64
PARITY_MAX = 16
_POLYNOMIAL = 0x11D
_COLUMN = 128


def _make_tables() -> tuple[list[int], list[int]]:
    powers, logarithms = [0] * 510, [0] * 256
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value <<= 1
        if value & 0x100:
            value ^= _POLYNOMIAL
    return powers, logarithms


_POWERS, _LOGARITHMS = _make_tables()
_products: dict[int, bytes] = {}


def multiply(one: int, other: int) -> int:
    """Product of two elements."""
    if not one or not other:
        return 0
    return _POWERS[_LOGARITHMS[one] + _LOGARITHMS[other]]


def invert(one: int) -> int:
    """1 / one. Raises ZeroDivisionError for 0."""
    if not one:
        raise ZeroDivisionError("0 has no inverse in GF(256)")
    return _POWERS[255 - _LOGARITHMS[one]]


def coefficient(row: int, column: int) -> int:
    """What data row `column` counts in parity row `row`."""
    return invert(row ^ (_COLUMN + column))


def _times(factor: int, row: bytes) -> bytes:
    table = _products.get(factor)
    if table is None:
        table = _products[factor] = bytes(multiply(factor, value) for value in range(256))
    return row.translate(table)


def _add_up(factors: Sequence[int], rows: Sequence[bytes], size: int) -> bytes:
    """Sum of the rows times their factors, each taken as padded with zeros to `size`."""
    total = 0
    for factor, row in zip(factors, rows, strict=True):
        if factor:
            total ^= int.from_bytes(_times(factor, row), "little")
    return total.to_bytes(size, "little")


def encode(data: Sequence[bytes], row: int) -> bytes:
    """Parity row `row`, as long as the longest data row; shorter ones end in zeros."""
    if len(data) > DATA_MAX or not 0 <= row < PARITY_MAX:
        raise ValueError("more rows than the code has")
    factors = [coefficient(row, column) for column in range(len(data))]
    return _add_up(factors, data, max(map(len, data)))


def decode(
    count: int, data: Mapping[int, bytes], parity: Mapping[int, bytes]
) -> dict[int, bytes] | None:
    """The missing of `count` data rows, padded with zeros; None if there is too little parity.

    All parity rows are equally long; data rows may be shorter.
    """
    missing = [column for column in range(count) if column not in data]
    rows = sorted(parity)[: len(missing)]
    if len(rows) < len(missing):
        return None
    size = len(parity[rows[0]]) if rows else 0
    known = list(data)
    sums = [
        _add_up(
            [1, *(coefficient(row, column) for column in known)],
            [parity[row], *(data[column] for column in known)],
            size,
        )
        for row in rows
    ]
    inverse = _invert([[coefficient(row, column) for column in missing] for row in rows])
    return {
        column: _add_up(factors, sums, size)
        for column, factors in zip(missing, inverse, strict=True)
    }


def _invert(matrix: list[list[int]]) -> list[list[int]]:
    """Gauss and Jordan; a square part of a Cauchy matrix always has an inverse."""
    size = len(matrix)
    rows = [row + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for at in range(size):
        pivot = next(i for i in range(at, size) if rows[i][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        scale = invert(rows[at][at])
        rows[at] = [multiply(scale, value) for value in rows[at]]
        for i in range(size):
            factor = rows[i][at]
            if i != at and factor:
                rows[i] = [
                    value ^ multiply(factor, other)
                    for value, other in zip(rows[i], rows[at], strict=True)
                ]
    return [row[size:] for row in rows]
