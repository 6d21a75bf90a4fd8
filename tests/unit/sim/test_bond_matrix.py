"""What the matrix says of figures, and where it writes them."""

from pathlib import Path

import pytest

from bench.bond_goals import GOALS, verdicts
from bench.bond_matrix import BEGIN, END, worse, write
from bench.bond_play import BoundRow, Outcome, Row
from edgebox.sim.regimes import find_traces, regimes, seeds_of


def outcome(regime: str, ours_ms: list[float], single_ms: list[float]) -> Outcome:
    rows = [Row("ours", ours_ms, 90.0, [0.01], [4e6]), Row("link 1 alone", single_ms, 1.0)]
    bound = BoundRow(1.0, 1.0, {0.5: 1.0, 0.95: 2.0, 0.99: 3.0}, 5e6)
    return Outcome(regime, "targets", "", rows, bound, 1.0)


def test_goal_says_by_how_much_it_is_missed() -> None:
    delays = [10.0] * 80 + [500.0] * 20
    rows = {row[1]: row for row in verdicts([outcome("LTE driving", delays, delays)])}
    assert rows["frames within 400 ms >= 82.0 %"][2:] == [
        "80.0 %", "100.0 %", "**misses by 2.0 %**",
    ]  # fmt: skip
    better = outcome("LTE driving", [10.0] * 100, delays)
    assert verdicts([better])[0][4] == "holds"


def test_every_goal_names_a_regime_there_is() -> None:
    names = {regime.name for regime in regimes("report", None)}
    assert {goal.regime for goal in GOALS} <= names


def test_worse_than_a_single_link_is_listed() -> None:
    good, bad = [50.0] * 100, [50.0] * 90 + [200.0] * 10
    assert worse(outcome("fibre 50+20", good, bad)) == []
    found = worse(outcome("fibre 50+20", bad, good))
    assert [row[1] for row in found] == ["p95", "p99", ">150 ms"]


def test_only_the_part_between_the_markers_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    page.write_text("nothing to write between")
    with pytest.raises(SystemExit):
        write(page, "new")


def test_splits_share_no_seed() -> None:
    assert not set(seeds_of("development", 50)) & set(seeds_of("report", 50))


def test_without_recorded_traces_there_are_generated_ones(tmp_path: Path) -> None:
    assert find_traces(tmp_path) is None
    kinds = {regime.traces for regime in regimes("report", None)}
    assert kinds == {"", "generated"}
