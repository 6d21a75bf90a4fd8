"""Packets that are not let in."""

from edgebox.media.flood import LASTING_S, PER_S, Flood


def test_only_many_for_long_are_a_flood() -> None:
    flood = Flood()
    assert not flood.goes_on(0, 10.0)
    assert not flood.goes_on(5 * PER_S, 11.0)
    assert not flood.goes_on(5 * PER_S, 12.0)  # over
    count = 5 * PER_S
    for second in range(1, int(LASTING_S)):
        count += PER_S + 1
        assert not flood.goes_on(count, 12.0 + second)
    assert flood.goes_on(count + PER_S + 1, 12.0 + LASTING_S)


def test_a_few_for_ever_are_none() -> None:
    flood = Flood()
    assert not any(flood.goes_on(PER_S * second, second) for second in range(100))
