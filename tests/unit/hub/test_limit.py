"""How often an address may do a thing."""

from edgebox.hub import limit
from edgebox.hub.limit import Limiter


def test_burst_then_the_rate() -> None:
    limiter = Limiter(2.0, 3.0)
    assert [limiter.take("a", 10.0) for _ in range(4)] == [True, True, True, False]
    assert not limiter.take("a", 10.4)
    assert limiter.take("a", 10.6)
    assert not limiter.take("a", 10.6)


def test_one_address_does_not_hold_back_another() -> None:
    limiter = Limiter(1.0, 1.0)
    assert limiter.take("a", 0.0)
    assert not limiter.take("a", 0.0)
    assert limiter.take("b", 0.0)


def test_memory_is_bounded_and_a_flood_shares_one_bucket() -> None:
    limiter = Limiter(0.001, 2.0)
    for number in range(limit.KEYS_MAX + 100):
        limiter.take(str(number), 0.0)
    assert len(limiter._buckets) <= limit.KEYS_MAX + 1
    assert not limiter.take("one more", 0.0)
    # A long time later all of them are as good as new and forgotten.
    assert limiter.take("one more", 1e6)
    assert len(limiter._buckets) < 10
