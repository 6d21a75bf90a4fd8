"""What one peer may ask for."""

from edgebox.bond.budget import Budget


def test_burst_then_rate() -> None:
    budget = Budget(10, 5, 100.0)
    assert [budget.take(1, 100.0) for _ in range(6)] == [True] * 5 + [False]
    assert budget.take(1, 100.125)
    assert not budget.take(1, 100.125)


def test_never_more_than_the_burst_is_saved() -> None:
    budget = Budget(10, 5, 0.0)
    taken = sum(budget.take(1, 1e6) for _ in range(100))
    assert taken == 5


def test_refusal_costs_nothing() -> None:
    budget = Budget(10, 5, 0.0)
    assert not budget.take(6, 0.0)
    assert budget.take(5, 0.0)


def test_wait_is_as_long_as_it_takes() -> None:
    budget = Budget(10, 5, 0.0)
    assert budget.wait_s(5, 0.0) == 0
    budget.take(5, 0.0)
    assert budget.wait_s(1, 0.0) == 0.1
    assert budget.wait_s(1, 0.125) == 0
