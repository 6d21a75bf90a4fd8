"""The hub's figures for Prometheus. Names of boxes, never addresses or people."""

from collections.abc import Iterable, Iterator

from edgebox.bond.far_end import FarEnd
from edgebox.host.metrics import Family


def collect(hub: FarEnd) -> Iterator[Family]:
    """The far end of all boxes."""
    boxes = hub.boxes()
    yield _one("edgebox_hub_bond_sessions", "Sessions.", hub.session_count)
    yield _one("edgebox_hub_bond_boxes", "Boxes with a session or a flow.", len(boxes))
    for name, text, value in (
        ("strangers", "Packets that name no session.", hub.strangers),
        ("refused_datagrams", "Datagrams to addresses that are not allowed.", hub.refused),
        ("refused_exchanges", "Key exchanges that led to nothing.", hub.refused_exchanges),
        ("sessions_started", "Key exchanges that led to a session.", hub.sessions_started),
    ):
        yield Family(f"edgebox_hub_bond_{name}_total", "counter", text, [({}, float(value))])
    yield _boxes("packets_total", "Packets that came.", [(b.name, b.packets_in) for b in boxes])
    yield _boxes("bytes_total", "Bytes that came.", [(b.name, b.bytes_in) for b in boxes])
    yield _boxes("sent_bytes_total", "Bytes sent.", [(b.name, b.bytes_out) for b in boxes])
    yield _boxes(
        "over_budget_total",
        "Packets dropped because the box sent more than its share.",
        [(b.name, b.over_budget) for b in boxes],
    )
    yield Family(
        "edgebox_hub_bond_box_flows",
        "gauge",
        "Open flows.",
        [({"box": box.name}, float(len(box.flows))) for box in boxes],
    )


def _one(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [({}, float(value))])


def _boxes(name: str, text: str, values: Iterable[tuple[str, float]]) -> Family:
    samples = [({"box": box}, float(value)) for box, value in values]
    return Family(f"edgebox_hub_bond_box_{name}", "counter", text, samples)
