"""The vehicle's figures for Prometheus. Names of links, never addresses or people."""

from collections.abc import Iterable, Iterator

from edgebox.bond.box import BoxEnd
from edgebox.bond.status import Reporter
from edgebox.host.metrics import Family
from edgebox.messages.bond import BondCounters, LinkStatus

STATES = ("up", "suspect", "down", "absent")
COUNTERS = {
    "sent": "Datagrams taken in.",
    "delivered": "Datagrams that came out.",
    "duplicated": "Copies sent at once or to measure.",
    "rescued": "Copies sent for what was lost or late.",
    "expired": "Datagrams dropped because they could not be in time.",
    "late": "Datagrams that came out late.",
    "garbage": "Packets that were damaged or not sealed by the far end.",
    "replayed": "Packets seen before.",
    "refused": "Flows the hub does not serve.",
}


def collect(box: BoxEnd, reporter: Reporter) -> Iterator[Family]:
    """The vehicle's end."""
    status = reporter.latest
    if status is None:
        return
    yield _one("edgebox_bond_up", "1: keys, and a link that answers.", status.state == "up")
    yield _one("edgebox_bond_target_bits_per_second", "What encoders may send.", status.target_bps)
    yield _one("edgebox_bond_redundancy_ratio", "Share of copies and parity.", status.redundancy)
    yield from _counters(status.counters)
    links = status.links
    yield Family(
        "edgebox_bond_link_state",
        "gauge",
        "1 for the state the link is in.",
        [
            ({"link": link.name, "state": state}, float(link.state == state))
            for link in links
            for state in STATES
        ],
    )
    yield _links("round_trip_seconds", "Smoothed round trip.", _known(links, "rtt"))
    yield _links("queue_seconds", "Queueing delay towards the hub.", _known(links, "queue"))
    yield _links("loss_ratio", "Loss towards the hub.", [(one.name, one.loss) for one in links])
    yield _links(
        "capacity_bits_per_second",
        "Measured capacity towards the hub; absent while it is not measured.",
        [(one.name, one.capacity_bps) for one in links if one.measured_utc is not None],
    )
    yield _links("mtu_bytes", "Largest UDP payload known to pass.", [
        (one.name, one.mtu_bytes) for one in links if one.mtu_bytes])  # fmt: skip
    yield _links(
        "month_bytes", "Carried this month.", [(one.name, one.used_bytes) for one in links]
    )
    yield _links("cap_bytes", "Monthly cap.", [(n.name, n.cap_bytes) for n in links if n.cap_bytes])
    yield Family(
        "edgebox_bond_link_bytes_total",
        "counter",
        "Bytes carried since the start, with IP headers.",
        [
            ({"link": link.config.name, "direction": direction}, float(count))
            for link in box.links
            for direction, count in (("up", link.bytes_sent), ("down", link.bytes_received))
        ],
    )


def _one(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [({}, float(value))])


def _counters(counters: BondCounters) -> Iterator[Family]:
    for name, text in COUNTERS.items():
        value = float(getattr(counters, name))
        yield Family(f"edgebox_bond_{name}_total", "counter", text, [({}, value)])


def _links(name: str, text: str, values: Iterable[tuple[str, float]]) -> Family:
    samples = [({"link": link}, float(value)) for link, value in values]
    return Family(f"edgebox_bond_link_{name}", "gauge", text, samples)


def _known(links: Iterable[LinkStatus], what: str) -> Iterator[tuple[str, float]]:
    """Delays of links that answer."""
    for link in links:
        if link.rtt_ms is not None:
            yield link.name, (link.rtt_ms if what == "rtt" else link.queue_ms) / 1e3
