"""Who plays in the matrix: the bond and its rivals, each a way to make two ends."""

import random
from collections.abc import Sequence
from functools import partial

from edgebox.sim.bond_run import DESTINATION, FLOW, OURS, BoxEnd, Contender, HubEnd
from edgebox.sim.network import NetworkLink
from edgebox.sim.rival_ends import Choice, RivalBox, RivalHub
from edgebox.sim.rivals import duplicate, least_in_flight, minimum_rtt, only_link, static_weights

SINGLE = "link {} alone"


def contenders(weights: Sequence[float]) -> list[Contender]:
    """Ours first. `weights`: what the links are said to carry."""
    found = [OURS]
    found += [
        _rival(SINGLE.format(number + 1), only_link, (number,)) for number in range(len(weights))
    ]
    found += [
        _rival("duplicate everything", duplicate),
        _rival("least in flight (srtla)", least_in_flight),
        _rival("minimum RTT", minimum_rtt),
        _rival_made("static weights", partial(static_weights, weights)),
    ]
    return found


def _rival(name: str, choice: Choice, links: tuple[int, ...] | None = None) -> Contender:
    return Contender(name, partial(_ends, choice), _first_bytes, links)


def _rival_made(name: str, choice: "partial[Choice]") -> Contender:
    return Contender(name, partial(_ends_made, choice), _first_bytes)


def _ends(
    choice: Choice, links: list[NetworkLink], chance: random.Random, box_now: float, hub_now: float
) -> tuple[BoxEnd, HubEnd]:
    return RivalBox(choice, box_now), RivalHub(DESTINATION, FLOW, hub_now)


def _ends_made(
    choice: "partial[Choice]", links: list[NetworkLink], chance: random.Random, box_now: float,
    hub_now: float,
) -> tuple[BoxEnd, HubEnd]:  # fmt: skip
    return _ends(choice(), links, chance, box_now, hub_now)


def _first_bytes(box: RivalBox) -> int:
    return box.bytes_total - box.bytes_extra
