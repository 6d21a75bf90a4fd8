"""The far end's half of parity: lost datagrams out of parity rows and what did arrive.

Bounded: the last KEPT datagrams, BLOCKS_MAX incomplete blocks, ROWS_MAX rows of each.
"""

from collections import OrderedDict

from edgebox.bond.galois import PARITY_MAX, decode
from edgebox.bond.wire import WRAP, Data, Parity, decode_symbol, encode_symbol
from edgebox.errors import RemoteProtocolError

KEPT = 256
BLOCKS_MAX = 16


class _Block:
    __slots__ = ("missing", "rows", "sequences")

    def __init__(self, sequences: list[int], missing: set[int]):
        self.sequences = sequences
        self.missing = missing
        self.rows: dict[int, Parity] = {}


class Recovery:
    """Fed with everything that arrives, of one direction."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Data] = OrderedDict()
        self._blocks: OrderedDict[tuple[int, int], _Block] = OrderedDict()
        self._awaited: dict[int, tuple[int, int]] = {}
        self.recovered = 0

    def add(self, data: Data) -> list[Data]:
        """A datagram arrived; returns others that can be made out now.

        Raises RemoteProtocolError when parity makes no sense.
        """
        kept = self._kept
        kept[data.sequence] = data
        if len(kept) > KEPT:
            kept.popitem(last=False)
        key = self._awaited.pop(data.sequence, None) if self._awaited else None
        if key is None:
            return []
        self._blocks[key].missing.discard(data.sequence)
        return self._solve(key)

    def add_parity(self, parity: Parity) -> list[Data]:
        """A parity row arrived; as `add`."""
        key = (parity.base, parity.members)
        block = self._blocks.get(key)
        if block is None:
            sequences = parity.sequences()
            missing = {one for one in sequences if one not in self._kept}
            if not missing or missing & self._awaited.keys():
                return []
            block = self._blocks[key] = _Block(sequences, missing)
            self._awaited.update(dict.fromkeys(missing, key))
            if len(self._blocks) > BLOCKS_MAX:
                self._forget(next(iter(self._blocks)))
        if len(block.rows) < PARITY_MAX:
            block.rows[parity.row] = parity
        return self._solve(key)

    def _solve(self, key: tuple[int, int]) -> list[Data]:
        block = self._blocks[key]
        if len(block.rows) < len(block.missing):
            return []
        self._forget(key)
        if not block.missing or not block.rows:
            return []
        known = {
            column: encode_symbol(self._kept[sequence])
            for column, sequence in enumerate(block.sequences)
            if sequence in self._kept
        }
        size = len(next(iter(block.rows.values())).payload)
        if any(len(symbol) > size for symbol in known.values()):
            raise RemoteProtocolError("parity shorter than what it protects")
        rows = {row: one.payload for row, one in block.rows.items() if len(one.payload) == size}
        symbols = decode(len(block.sequences), known, rows)
        if symbols is None:
            return []
        sent_us = next(iter(block.rows.values())).sent_us
        found = [
            decode_symbol(symbol, block.sequences[column] % WRAP, sent_us)
            for column, symbol in symbols.items()
        ]
        self.recovered += len(found)
        return found

    def _forget(self, key: tuple[int, int]) -> None:
        for sequence in self._blocks.pop(key).missing:
            self._awaited.pop(sequence, None)
