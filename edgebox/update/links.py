"""Which link a bundle is fetched by. Pure.

Links that cost nothing carry it: no price, no monthly cap. Others only where the configuration says
so, the cheapest first, and one with a cap only while the month's volume and what is still to come
stay below half of it, because the bond does not count these bytes. Of equal ones the fastest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgebox.config.bond import Link
from edgebox.messages.bond import LinkStatus

CAP_SHARE = 0.5


@dataclass(frozen=True)
class Choice:
    """A link, or why there is none."""

    link: Link | None
    why: Literal["", "no-link", "metered"] = ""


def choose(
    configured: Sequence[Link],
    links: Sequence[LinkStatus],
    *,
    metered: bool,
    missing_bytes: int,
) -> Choice:
    """`links`: as the bond says now. `metered`: whether links that cost may be used."""
    by_name = {link.name: link for link in configured}
    up = [one for one in links if one.state == "up" and one.name in by_name]
    if not up:
        return Choice(None, "no-link")
    fit = [one for one in up if _is_free(one) or (metered and _has_room(one, missing_bytes))]
    if not fit:
        return Choice(None, "metered")
    best = min(fit, key=lambda one: (one.price_per_gb, one.cap_bytes > 0, -one.capacity_bps))
    return Choice(by_name[best.name])


def _is_free(one: LinkStatus) -> bool:
    return one.price_per_gb == 0 and one.cap_bytes == 0


def _has_room(one: LinkStatus, missing_bytes: int) -> bool:
    if one.use != "ordinary":
        return False
    return not one.cap_bytes or one.used_bytes + missing_bytes <= CAP_SHARE * one.cap_bytes
