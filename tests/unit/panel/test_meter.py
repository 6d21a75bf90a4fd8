"""Bars that stand still when nothing happens and jump when a link does."""

from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages.bond import LinkStatus
from edgebox.panel.meter import REFRESH_S, Meters, round_rate, round_rtt
from edgebox.panel.view import LinkView
from tests.unit.panel.heard import CONFIG, bond, link


def shown(*links: LinkStatus) -> tuple[LinkView, ...]:
    meters = Meters(CONFIG.bond.link)
    meters.receive(bond(*links), 0.0)
    return meters.views(known=True)


def test_bars_share_one_scale() -> None:
    strong, weak = shown(link("a", capacity_bps=4_000_000), link("b", capacity_bps=500_000))
    assert (strong.capacity_percent, weak.capacity_percent) == (80, 10)
    assert strong.sent_percent == 20


def test_numbers_rest_between_refreshes() -> None:
    meters = Meters(CONFIG.bond.link)
    meters.receive(bond(link("a", sent_bps=1_000_000)), 0.0)
    first = meters.views(known=True)
    meters.receive(bond(link("a", sent_bps=2_000_000)), REFRESH_S - 0.1)
    assert meters.views(known=True) == first
    meters.receive(bond(link("a", sent_bps=2_000_000)), REFRESH_S)
    assert meters.views(known=True) != first


def test_change_of_state_is_shown_at_once() -> None:
    meters = Meters(CONFIG.bond.link)
    meters.receive(bond(link("a")), 0.0)
    meters.receive(bond(link("a", state="down")), 0.1)
    assert meters.views(known=True)[0].state == "down"


def test_link_without_coverage_has_no_numbers() -> None:
    for state in ("down", "absent"):
        (view,) = shown(link("a", state=state))
        assert view.capacity_bps is view.sent_bps is view.rtt_ms is None
        assert view.capacity_percent == view.sent_percent == 0


def test_scale_rises_at_once_and_falls_when_clearly_too_large() -> None:
    meters = Meters(CONFIG.bond.link)

    def bar(capacity_bps: int, now: float) -> int:
        meters.receive(bond(link("a", capacity_bps=capacity_bps)), now)
        return meters.views(known=True)[0].capacity_percent

    assert bar(2_100_000, 0.0) == 42
    assert bar(1_900_000, 1.0) == 38, "just below the step: no jump"
    assert bar(1_500_000, 2.0) == 75


def test_rounding_is_calm() -> None:
    assert round_rate(1_234_567) == 1_200_000
    assert round_rate(44_000) == 40_000
    assert round_rate(0) == 0
    assert [round_rtt(rtt) for rtt in (0.2, 41.0, 43.0, 614.0)] == [1, 40, 45, 610]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["up", "suspect", "down", "absent"]),
            st.integers(-1, 10**10),
            st.integers(-1, 10**10),
            st.none() | st.floats(0, 10_000),
        ),
        max_size=6,
    )
)
def test_any_report_gives_bars_within_their_frame(
    reports: list[tuple[str, int, int, float | None]],
) -> None:
    links = [
        link(f"l{i}", state=state, capacity_bps=capacity, sent_bps=sent, rtt_ms=rtt)
        for i, (state, capacity, sent, rtt) in enumerate(reports)
    ]
    for view in shown(*links) if links else ():
        assert 0 <= view.sent_percent <= 100
        assert 0 <= view.capacity_percent <= 100
