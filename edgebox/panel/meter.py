"""The link meters: from the bond's ten reports a second to bars that stand still when nothing
happens.

All bars share one scale, so that a weak link looks weak beside a strong one. The scale rises at
once and falls only when it is clearly too large.
"""

from edgebox.config.bond import Link
from edgebox.messages.bond import BondStatus, LinkStatus
from edgebox.messages.vehicle import Modem, Modems
from edgebox.panel.people import plain
from edgebox.panel.view import LinkView

STEPS_BPS = (1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000)
FALL_BELOW = 0.8
"""Share of the next smaller step at which the scale follows downwards."""
REFRESH_S = 0.5
"""Numbers that change faster cannot be read; a change of state is shown at once."""


class Meters:
    """Holds what the meters show between two reports."""

    def __init__(self, links: tuple[Link, ...]):
        self._known = [(link.name, link.label or link.name) for link in links]
        self._interfaces = {link.name: link.interface or link.name for link in links}
        self._modems: dict[str, Modem] = {}
        self._scale_bps = STEPS_BPS[0]
        self._shown: tuple[LinkStatus, ...] = ()
        self._states: tuple[tuple[str, str], ...] = ()
        self._refreshed_at = float("-inf")

    def receive(self, status: BondStatus, now: float) -> None:
        """Take one report."""
        states = tuple((link.name, link.state) for link in status.links)
        if states == self._states and now - self._refreshed_at < REFRESH_S:
            return
        self._states, self._refreshed_at = states, now
        self._rescale(max((link.capacity_bps for link in status.links), default=0))
        self._known = [(link.name, link.label or link.name) for link in status.links]
        self._shown = status.links

    def receive_modems(self, modems: Modems) -> None:
        """Take what the modems say of themselves."""
        self._modems = {modem.interface: modem for modem in modems.modems}

    def views(self, *, known: bool) -> tuple[LinkView, ...]:
        """One for each link, in the bond's order; without numbers unless they are `known`."""
        if known:
            return tuple(self._draw(link) for link in self._shown)
        return tuple(LinkView(label=label, state="unknown") for _, label in self._known)

    def locked(self) -> tuple[str, ...]:
        """Labels of the links whose SIM card wants a code."""
        return tuple(
            label
            for name, label in self._known
            if (modem := self._modem(name)) is not None and modem.state == "locked"
        )

    def _modem(self, link: str) -> Modem | None:
        return self._modems.get(self._interfaces.get(link, link))

    def _draw(self, link: LinkStatus) -> LinkView:
        label = link.label or link.name
        if link.state in {"down", "absent"}:
            return LinkView(label=label, state=link.state)
        modem = self._modem(link.name)
        return LinkView(
            label=plain(modem.operator if modem is not None else "") or label,
            state=link.state,
            generation=modem.generation if modem is not None else "",
            capacity_percent=self._percent(link.capacity_bps),
            sent_percent=self._percent(min(link.sent_bps, max(link.capacity_bps, 1))),
            capacity_bps=round_rate(link.capacity_bps),
            sent_bps=round_rate(link.sent_bps),
            rtt_ms=None if link.rtt_ms is None else round_rtt(link.rtt_ms),
        )

    def _percent(self, rate_bps: int) -> int:
        share = min(max(rate_bps, 0) / self._scale_bps, 1.0)
        return round(100 * share)

    def _rescale(self, largest_bps: int) -> None:
        fitting = next((step for step in STEPS_BPS if step >= largest_bps), STEPS_BPS[-1])
        if fitting > self._scale_bps or largest_bps < FALL_BELOW * fitting:
            self._scale_bps = fitting


def round_rate(rate_bps: int) -> int:
    """Two digits that matter, never finer than 10 kbit/s."""
    unit = 10_000
    while rate_bps >= 100 * unit:
        unit *= 10
    return round(rate_bps / unit) * unit


def round_rtt(rtt_ms: float) -> int:
    """Steps of 5 ms below 100 ms, of 10 ms above."""
    step = 5 if rtt_ms < 100 else 10
    return max(round(rtt_ms / step) * step, 1)
