"""A situation to play: links, what happens to them and what is sent.

Actions of a script change links of the network at a moment; a link's own timeline
(`NetworkLink.timeline`) holds what is drawn with it, such as bursts of loss or handovers.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from edgebox.sim.lane import LaneSettings
from edgebox.sim.network import Network, NetworkLink

Action = Callable[[Network], None]
Links = Callable[[random.Random], list[NetworkLink]]


@dataclass(frozen=True)
class Scenario:
    """Links and what happens to them. Times are seconds from the start of the picture."""

    name: str
    links: Links
    script: tuple[tuple[float, Action], ...] = ()
    duration_s: float = 20.0
    bitrate_bps: float | None = None
    """Fixed; None follows the bond's target up to `bitrate_max_bps`."""
    bitrate_max_bps: float = 3_000_000.0
    audio: bool = True


def steady(
    rate_bps: int, delay_ms: float, *, loss: float = 0.0, burst: float = 1.0,
    jitter_ms: float = 2.0, queue_ms: float = 300.0, duplicated: float = 0.0, damaged: float = 0.0,
    reorder: bool = False,
) -> NetworkLink:  # fmt: skip
    """A link of constant rate upwards, three times as much downwards."""
    queue_bytes = max(10_000, round(rate_bps / 8 * queue_ms / 1000))
    up = LaneSettings(
        rate_bps=rate_bps, delay_ms=delay_ms, loss=loss, loss_burst=burst, jitter_ms=jitter_ms,
        queue_bytes=queue_bytes, reorder=reorder,
    )  # fmt: skip
    down = LaneSettings(
        rate_bps=3 * rate_bps, delay_ms=delay_ms, loss=loss, loss_burst=burst,
        jitter_ms=jitter_ms, queue_bytes=3 * queue_bytes, reorder=reorder,
    )  # fmt: skip
    return NetworkLink(up, down, duplicated=duplicated, damaged=damaged)


def cut(link: int, *directions: str) -> Action:
    """Swallow everything, both ways unless told otherwise."""

    def act(network: Network) -> None:
        for direction in directions or ("up", "down"):
            network.links[link].change(direction, network.now, cut=True)

    return act


def mend(link: int) -> Action:
    """End of a cut."""

    def act(network: Network) -> None:
        for direction in ("up", "down"):
            network.links[link].change(direction, network.now, cut=False)

    return act


def rate(link: int, rate_bps: int) -> Action:
    """Another rate upwards."""
    return lambda network: network.links[link].change("up", network.now, rate_bps=rate_bps)


def together(*actions: Action) -> Action:
    """Several at the same moment."""

    def act(network: Network) -> None:
        for action in actions:
            action(network)

    return act


def busiest(network: Network) -> int:
    """The link that has carried most upwards."""
    return max(
        range(len(network.links)),
        key=lambda one: network.links[one].lanes["up"].counters.passed_bytes,
    )


def cut_busiest(network: Network) -> None:
    """Cut the link that has carried most, both ways."""
    cut(busiest(network))(network)


def cut_busiest_reverse(network: Network) -> None:
    """Only its way back."""
    cut(busiest(network), "down")(network)


def rebind_all(network: Network) -> None:
    """The carriers' NATs give every link another port."""
    for link in range(len(network.links)):
        network.rebind(link)


def suspend(direction: str, seconds: float) -> Action:
    """The end that sends in this direction sleeps, and its clock with it."""
    return lambda network: network.freeze(direction, seconds, suspended=True)


def stop(direction: str, seconds: float) -> Action:
    """The end that sends in this direction is not run; its clock goes on."""
    return lambda network: network.freeze(direction, seconds, suspended=False)


def jump(direction: str, seconds: float) -> Action:
    """The clock of the end that sends in this direction is ahead from now on."""
    return lambda network: network.jump(direction, seconds)


def narrow_mtu(link: int, size: int) -> Action:
    """From now on larger IP packets vanish on this link, both ways."""
    return lambda network: network.links[link].mtu.update(up=size, down=size)


def replay(network: Network) -> None:
    """A stranger sends what he has overheard, once more."""
    for direction, link, packet in list(network.captured):
        network.inject(direction, link, packet)
