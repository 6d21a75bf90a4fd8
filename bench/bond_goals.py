"""The bond's goals, and whether a played matrix reaches them. Used by bench.bond_matrix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.bond_play import Outcome, as_ms, as_share, idle_bps

CLEAN = ("steady 4+3+2", "fibre 50+20", "single link")
"""Regimes without loss, where nothing needs repair."""
REDUNDANCY_MAX = 0.10
CLEAN_REDUNDANCY_MAX = 0.02
GAP_MAX_MS = 150.0
IDLE_MAX_BPS = 20_000.0


@dataclass(frozen=True)
class Goal:
    """One figure of one regime."""

    regime: str
    what: str
    limit: float
    ours: Callable[[Outcome], float]
    bound: Callable[[Outcome], float] | None
    shown: Callable[[float], str]
    at_least: bool = False

    def row(self, outcome: Outcome) -> list[str]:
        """For the table."""
        reached = self.ours(outcome)
        holds = reached >= self.limit if self.at_least else reached <= self.limit
        missing = abs(reached - self.limit)
        return [
            self.regime,
            f"{self.what} {'>=' if self.at_least else '<='} {self.shown(self.limit)}",
            self.shown(reached),
            self.shown(self.bound(outcome)) if self.bound else "",
            "holds" if holds else f"**misses by {self.shown(missing)}**",
        ]


def _within_400(regime: str, share: float) -> Goal:
    return Goal(
        regime, "frames within 400 ms", share,
        lambda one: one.ours().within(400), lambda one: one.bound.within_400, as_share,
        at_least=True,
    )  # fmt: skip


def _percentile(regime: str, share: float, limit_ms: float) -> Goal:
    return Goal(
        regime, f"p{100 * share:.0f}", limit_ms,
        lambda one: one.ours().percentile_ms(share), lambda one: one.bound.percentile_ms(share),
        as_ms,
    )  # fmt: skip


def _late(regime: str, limit: float) -> Goal:
    return Goal(
        regime, "later than 150 ms", limit,
        lambda one: 1 - one.ours().within(150), lambda one: 1 - one.bound.within_150, as_share,
    )  # fmt: skip


def _extra(regime: str, limit: float) -> Goal:
    return Goal(regime, "extra", limit, lambda one: one.ours().mean_extra, None, as_share)


def _gap(regime: str) -> Goal:
    return Goal(regime, "gap", GAP_MAX_MS, lambda one: one.ours().gap_ms, None, as_ms)


def _rate(regime: str, share: float) -> Goal:
    return Goal(
        regime, "share of the bound's rate", share,
        lambda one: one.ours().mean_rate_bps / one.bound.rate_bps, lambda one: 1.0, as_share,
        at_least=True,
    )  # fmt: skip


GOALS = (
    _within_400("steady 4+3+2", 1.0),
    _within_400("best link cut for 15 s", 0.99),
    _within_400("LTE driving", 0.82),
    _within_400("LTE driving, bursts, blackout", 0.80),
    _within_400("400 kbit/s left for 10 s", 0.75),
    _percentile("urban 4 Mbit/s", 0.95, 110),
    _percentile("urban 4 Mbit/s", 0.99, 200),
    _late("urban 4 Mbit/s", 0.02),
    _extra("urban 4 Mbit/s", 0.10),
    _percentile("weak 1 Mbit/s", 0.95, 140),
    _percentile("weak 1 Mbit/s", 0.99, 600),
    _late("weak 1 Mbit/s", 0.05),
    _extra("weak 1 Mbit/s", 0.30),
    _rate("urban, adaptive", 0.80),
    _late("urban, adaptive", 0.03),
    _percentile("urban, adaptive", 0.99, 200),
    *(_gap(f"link {number} of 3 dies, 60 % load") for number in (1, 2, 3)),
    _gap("way back of the busiest dies"),
    *(_extra(regime, CLEAN_REDUNDANCY_MAX) for regime in CLEAN),
)
HEADER = ["regime", "goal", "ours", "bound", ""]


def verdicts(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A row for each goal whose regime was played, for the average of all, and for idle links."""
    by_name = {outcome.regime: outcome for outcome in outcomes}
    rows = [goal.row(by_name[goal.regime]) for goal in GOALS if goal.regime in by_name]
    mean = sum(outcome.ours().mean_extra for outcome in outcomes) / max(1, len(outcomes))
    rows.append(_most("average of all", "extra", mean, REDUNDANCY_MAX, as_share))
    rows.append(_most("idle metered link", "both ways", max(idle_bps()), IDLE_MAX_BPS, _as_kbps))
    return rows


def _most(
    regime: str, what: str, reached: float, limit: float, shown: Callable[[float], str]
) -> list[str]:
    verdict = "holds" if reached <= limit else f"**misses by {shown(reached - limit)}**"
    return [regime, f"{what} <= {shown(limit)}", shown(reached), "", verdict]


def _as_kbps(value: float) -> str:
    return f"{value / 1000:.1f} kbit/s"
