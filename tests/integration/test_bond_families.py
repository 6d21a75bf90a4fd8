"""Links of different families to one hub, and the figures both ends offer."""

import asyncio
import socket
import urllib.request
from pathlib import Path

import msgspec

from edgebox.bond import hub_service, service
from edgebox.config.bond import Link
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.test_bond_service import (
    Ports,
    box_config,
    hub_config,
    running,
    statuses,
    until,
)


async def fetched(port: int) -> str:
    def fetch() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text: bytes = answer.read()
            return text.decode()

    return await asyncio.to_thread(fetch)


async def test_ipv4_and_ipv6_links_reach_one_hub_and_figures_tell(
    broker: Broker, tmp_path: Path
) -> None:
    ports = Ports()
    box_port, hub_port = free_port(), free_port()
    links = (
        Link(name="four", source="127.0.0.2"),
        Link(name="six", source="::1", remote=f"[::1]:{ports.udp}", price_per_gb=9.0),
    )
    config = box_config(tmp_path, broker.address, ports, links)
    box_bond = msgspec.structs.replace(config.bond, metrics_listen=f"127.0.0.1:{box_port}")
    config = msgspec.structs.replace(config, bond=box_bond)
    far = hub_config(tmp_path, ports)
    hub_bond = msgspec.structs.replace(
        far.bond, listen=f"[::]:{ports.udp}", metrics_listen=f"127.0.0.1:{hub_port}"
    )
    far = msgspec.structs.replace(far, bond=hub_bond)
    hub = asyncio.create_task(hub_service.run(far))
    box = asyncio.create_task(service.run(config))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        async with running(hub, box), statuses(broker.address) as seen, asyncio.timeout(20):
            status = await until(seen, "up")
            while {link.state for link in status.links} != {"up"}:
                status = await seen.get()
            client.sendto(b"\x04hello", ("127.0.0.1", ports.listen))
            while 'flows{box="b1"} 1' not in (of_hub := await fetched(hub_port)):
                await asyncio.sleep(0.05)
            while "edgebox_bond_sent_total 1" not in (of_box := await fetched(box_port)):
                await asyncio.sleep(0.05)
    assert 'edgebox_bond_link_state{link="six",state="up"} 1' in of_box
    assert 'edgebox_bond_link_round_trip_seconds{link="four"} 0.' in of_box
    assert 'edgebox_bond_link_bytes_total{link="six",direction="up"}' in of_box
    assert "capacity_bits_per_second{" not in of_box, "nothing has been measured yet"
    assert "edgebox_hub_bond_sessions 1" in of_hub
    for text in (of_box, of_hub):
        assert "127.0.0" not in text
        assert "::1" not in text
