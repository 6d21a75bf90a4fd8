"""The short form: seeds, damaged at random, against every parser. `make fuzz` goes further."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

ROUNDS = 1500


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """Bits flipped, pieces cut out, repeated or put in."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 6)):
        at = chance.randint(0, len(data))
        match chance.randrange(5):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = data[at : at + chance.randint(1, 40)]
            case 3:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            case _ if data:
                data[at % len(data)] = chance.choice((0, 1, 127, 128, 255))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_is_taken_or_refused(name: str) -> None:
    target = TARGETS[name]
    chance = random.Random(name)
    for number in range(ROUNDS):
        data = damaged(chance.choice(target.seeds), chance)
        try:
            target.take(data)
        except BaseException as error:
            error.add_note(f"round {number}: {data.hex()}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].take(seed)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TARGETS)), st.binary(max_size=2000))
def test_any_bytes_are_taken_or_refused(name: str, data: bytes) -> None:
    TARGETS[name].take(data)
