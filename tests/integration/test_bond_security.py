"""The far end against boxes and strangers that mean harm, with real sockets and certificates."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from edgebox.bond import far_end as far_end_module
from edgebox.bond import hub_metrics
from edgebox.bond.box import BoxEnd
from edgebox.bond.control import encode_control
from edgebox.bond.exchange import ExchangeError
from edgebox.bond.far_end import FarEnd
from edgebox.bond.hub_box import FLOWS_PER_BOX, SESSIONS_PER_BOX
from edgebox.bond.key_client import KeyClient
from edgebox.bond.seal import TO_HUB, Keys, Sealer
from edgebox.bond.transport import udp_socket
from edgebox.bond.wire import Copy, Data, TrafficClass, encode_data
from edgebox.config import Config
from edgebox.config.bond import Bond, Forward, Link
from edgebox.config.box import Box
from edgebox.host.daemons import TlsFiles
from edgebox.host.metrics import exposition
from edgebox.sim import pki
from tests.integration.test_bond_service import Ports, running

LINK = Link(name="l", source="127.0.0.2")


class Fleet:
    """A hub, and boxes with certificates of their own."""

    def __init__(self, directory: Path):
        self.ports = Ports()
        self.directory = directory
        self.revoked = directory / "revoked"
        self.revoked.write_text("")
        files = pki.hub_credentials(directory / "pki", ["127.0.0.1"])
        self.hub = FarEnd(Config(directory=str(directory), bond=self._bond(
            files, role="hub", listen=f"127.0.0.1:{self.ports.udp}", revoked="revoked",
            key_exchange_listen=f"127.0.0.1:{self.ports.tcp}",
            allow=(f"127.0.0.1:{self.ports.sink}",),
        )))  # fmt: skip

    def _bond(self, files: TlsFiles, **rest: Any) -> Bond:
        names = {"ca": files.ca, "certificate": files.certificate, "private_key": files.private_key}
        changes: dict[str, Any] = {key: str(path) for key, path in names.items()}
        return msgspec.structs.replace(Bond(), **changes, **rest)

    def box_config(self, name: str, listen: int = 0) -> Config:
        to = f"127.0.0.1:{self.ports.sink}"
        forward = Forward(name="f", listen=f"127.0.0.1:{listen or self.ports.listen}", to=to)
        files = pki.box_credentials(self.directory / "pki", name)
        bond = self._bond(
            files, hub=f"127.0.0.1:{self.ports.udp}", usage_file=f"{name}.json",
            key_exchange=f"127.0.0.1:{self.ports.tcp}", link=(LINK,), forward=(forward,),
        )  # fmt: skip
        return Config(box=Box(id=name), bond=bond, directory=str(self.directory))

    async def keys(self, name: str) -> Keys:
        return await KeyClient(self.box_config(name)).fetch([LINK])

    def serial(self, name: str) -> int:
        pem = (self.directory / "pki" / f"{name}.pem").read_bytes()
        return x509.load_pem_x509_certificate(pem).serial_number


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    one = Fleet(tmp_path)
    ready = asyncio.Event()
    async with running(asyncio.create_task(one.hub.run(ready=ready.set))):
        await asyncio.wait_for(ready.wait(), 5)
        yield one


class Attacker:
    """A box's keys in somebody's own program: seals what it likes."""

    def __init__(self, fleet: Fleet, keys: Keys):
        self._hub = ("127.0.0.1", fleet.ports.udp)
        self._to = f"127.0.0.1:{fleet.ports.sink}"
        self.sealer = Sealer(keys, TO_HUB, 0.0)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.2", 0))
        self.sock.setblocking(False)
        self.sequence = 0

    def data(self, payload: bytes, flow: int = 1, to: str = "") -> bytes:
        self.sequence += 1
        data = Data(0, TrafficClass.DEFAULT, Copy.FIRST, self.sequence, flow, 0, 0, 0, 0, None,
                    to or self._to, payload)  # fmt: skip
        return self.sealer.seal(0, encode_data(data), 0.0)

    def send(self, packet: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self.sock.sendto(packet, self._hub)


@contextlib.contextmanager
def sink_of(fleet: Fleet) -> Iterator[socket.socket]:
    with udp_socket(socket.AF_INET) as sink:
        sink.bind(("127.0.0.1", fleet.ports.sink))
        yield sink


async def settle(seconds: float = 0.05) -> None:
    await asyncio.sleep(seconds)


def received(sink: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(sink.recv(2000))
    return found


async def test_flood_of_one_box_leaves_the_others_served(fleet: Fleet) -> None:
    attacker = Attacker(fleet, await fleet.keys("evil"))
    good = Attacker(fleet, await fleet.keys("good"))
    flood = [attacker.data(b"flood" + bytes(200)) for _ in range(3000)]
    with sink_of(fleet) as sink, attacker.sock, good.sock:
        came: set[bytes] = set()
        for number in range(60):
            for packet in flood[number * 50 : number * 50 + 50]:
                attacker.send(packet)
            for _ in range(300):
                attacker.send(flood[0])
            good.send(good.data(b"good %d" % number))
            await settle(0.005)
            came.update(packet for packet in received(sink) if packet.startswith(b"good"))
        await settle()
        came.update(packet for packet in received(sink) if packet.startswith(b"good"))
    evil = next(box for box in fleet.hub.boxes() if box.name == "evil")
    assert evil.over_budget > 10_000
    assert len(came) >= 57
    assert next(box for box in fleet.hub.boxes() if box.name == "good").over_budget == 0


async def test_box_that_opens_flows_without_end_keeps_to_its_share(fleet: Fleet) -> None:
    attacker = Attacker(fleet, await fleet.keys("evil"))
    good = Attacker(fleet, await fleet.keys("good"))
    with sink_of(fleet) as sink, attacker.sock, good.sock:
        for flow in range(2000):
            attacker.send(attacker.data(b"x", flow=flow))
            if flow % 100 == 0:
                await settle(0.02)
        good.send(good.data(b"good"))
        await settle()
        assert b"good" in received(sink)
    evil = next(box for box in fleet.hub.boxes() if box.name == "evil")
    assert len(evil.flows) <= FLOWS_PER_BOX
    [session] = evil.sessions
    assert len(session.connection._destinations) <= FLOWS_PER_BOX


async def test_box_that_asks_for_keys_without_end_gets_few(fleet: Fleet) -> None:
    client = KeyClient(fleet.box_config("evil"))
    given = 0
    for _ in range(14):
        with contextlib.suppress(ExchangeError):
            await client.fetch([LINK])
            given += 1
    assert 0 < given < 14
    evil = next(box for box in fleet.hub.boxes() if box.name == "evil")
    assert len(evil.sessions) <= SESSIONS_PER_BOX
    await fleet.keys("good")


async def test_stranger_who_knows_a_session_number_does_not_use_up_its_share(
    fleet: Fleet,
) -> None:
    box = Attacker(fleet, await fleet.keys("good"))
    stranger = Attacker(fleet, Keys(box.sealer.session, "aes-256-gcm", bytes(32), bytes(32)))
    with sink_of(fleet) as sink, box.sock, stranger.sock:
        box.send(box.data(b"first"))
        await settle()
        for number in range(20):
            for _ in range(400):
                stranger.send(stranger.data(b"forged"))
            box.send(box.data(b"good %d" % number))
            await settle(0.005)
        await settle()
        came = received(sink)
        with pytest.raises(BlockingIOError):
            stranger.sock.recv(100)
    [one] = fleet.hub.boxes()
    assert one.over_budget == 0
    assert b"forged" not in came
    assert len([payload for payload in came if payload.startswith(b"good")]) >= 19


async def test_captured_packets_played_again_do_nothing(fleet: Fleet) -> None:
    box = Attacker(fleet, await fleet.keys("good"))
    captured = [box.data(b"%d" % number) for number in range(50)]
    with (
        sink_of(fleet) as sink,
        box.sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        for packet in captured:
            box.send(packet)
        await settle()
        assert len(received(sink)) == 50
        while True:
            try:
                box.sock.recv(2000)
            except BlockingIOError:
                break
        other.setblocking(False)
        for packet in captured:
            other.sendto(packet, ("127.0.0.1", fleet.ports.udp))
        await settle()
        assert received(sink) == []
        with pytest.raises(BlockingIOError):
            other.recv(2000)
    [session] = fleet.hub.boxes()[0].sessions
    assert session.connection.counters.replayed == 50


async def test_damaged_strange_and_truncated_packets_are_counted_and_not_answered(
    fleet: Fleet,
) -> None:
    box = Attacker(fleet, await fleet.keys("good"))
    other = Attacker(fleet, await fleet.keys("other"))
    packet = box.data(b"payload")
    wrong_box = bytearray(other.data(b"payload"))
    wrong_box[4:8] = packet[4:8]
    old_key = bytearray(packet)
    old_key[2:4] = b"\x00\x09"
    bad = [packet[:-1], packet[:30], packet[:-16], bytes(wrong_box), bytes(old_key), packet + b"x"]
    with sink_of(fleet) as sink, box.sock, other.sock:
        for one in bad:
            box.send(one)
        await settle()
        assert received(sink) == []
        with pytest.raises(BlockingIOError):
            box.sock.recv(2000)
        [session] = next(one for one in fleet.hub.boxes() if one.name == "good").sessions
        assert session.connection.counters.garbage == len(bad)
        box.send(packet)
        await settle()
        assert received(sink) == [b"payload"]


# Shutting out


@pytest.mark.parametrize("by", ["box", "serial"])
async def test_revoked_box_loses_its_sessions_and_gets_no_keys(
    fleet: Fleet, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_end_module, "SWEEP_S", 0.05)
    await asyncio.sleep(0)
    box = BoxEnd(fleet.box_config("stolen"))
    box.open()
    good = Attacker(fleet, await fleet.keys("good"))
    good.send(good.sealer.seal(0, encode_control(0, eliciting=True, items=[]), 0.0))
    async with running(asyncio.create_task(box.run())), asyncio.timeout(10):
        while box.connection is None:
            await asyncio.sleep(0.02)
        line = "stolen" if by == "box" else f"serial:{fleet.serial('stolen'):X}"
        fleet.revoked.write_text(f"# reported on Monday\n{line}\n")
        while any(one.sessions for one in fleet.hub.boxes() if one.name == "stolen"):
            await asyncio.sleep(0.02)
        before = fleet.hub.refused_exchanges
        while fleet.hub.refused_exchanges == before:
            await asyncio.sleep(0.02)
        assert [one.name for one in fleet.hub.boxes() if one.sessions] == ["good"]
        fleet.revoked.write_text("")
        while not any(one.sessions for one in fleet.hub.boxes() if one.name == "stolen"):
            await asyncio.sleep(0.02)
    good.sock.close()


async def test_session_ends_with_its_certificate(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_end_module, "SWEEP_S", 0.05)
    box = Attacker(fleet, await fleet.keys("old"))
    box.send(box.sealer.seal(0, encode_control(0, eliciting=True, items=[]), 0.0))
    box.sock.close()
    [session] = fleet.hub.boxes()[0].sessions
    assert session.identity.expires_utc > time.time() + 86_400
    session.identity = session.identity._replace(expires_utc=time.time() - 1)
    async with asyncio.timeout(5):
        while fleet.hub.session_count:
            await asyncio.sleep(0.02)


async def test_hub_figures_name_boxes_and_no_addresses(fleet: Fleet) -> None:
    box = Attacker(fleet, await fleet.keys("good"))
    with sink_of(fleet), box.sock:
        box.send(box.data(b"x"))
        box.send(os.urandom(100))
        await settle()
        text = exposition(hub_metrics.collect(fleet.hub)).decode()
    assert 'edgebox_hub_bond_box_packets_total{box="good"} 1' in text
    assert 'edgebox_hub_bond_box_flows{box="good"} 1' in text
    assert "edgebox_hub_bond_strangers_total 1" in text
    assert "127.0.0" not in text


async def test_server_that_moves_is_followed(fleet: Fleet) -> None:
    box = Attacker(fleet, await fleet.keys("good"))
    destination = f"127.0.0.1:{fleet.ports.sink}"
    with (
        sink_of(fleet) as sink,
        box.sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as moved,
    ):
        moved.bind(("127.0.0.1", 0))
        moved.setblocking(False)
        box.send(box.data(b"before"))
        await settle()
        assert received(sink) == [b"before"]
        found: list[tuple[int, Any]] = [(socket.AF_INET, fleet.hub._allowed[destination][1])]
        fleet.hub._follow(destination, found)
        assert fleet.hub.boxes()[0].flows
        fleet.hub._follow(destination, [(socket.AF_INET, moved.getsockname())])
        box.send(box.data(b"after"))
        await settle()
        assert received(moved) == [b"after"]
        assert received(sink) == []
