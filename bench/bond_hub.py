"""How many boxes one hub process bears: `python -m bench.bond_hub [--boxes 50]`.

One real hub process; the boxes are light ones in this process: real keys, seals, sockets and
frames, but no scheduler, so that the hub saturates first. Each box sends pictures at 30 a second
over three links. Offered load rises until less than 99 % comes out. Printed: what came out, the
hub's processor time (one core is 100 %), its memory, and the delay through hub and loopback.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.bond_packet import _cpu_s, _memory_mib
from edgebox.bond.body import decode_body
from edgebox.bond.control import Control, Item, PathChallenge, PathResponse, encode_control
from edgebox.bond.key_client import KeyClient
from edgebox.bond.seal import TO_BOX, TO_HUB, Keys, Opener, Sealer
from edgebox.bond.transport import send_many, udp_socket
from edgebox.bond.wire import Copy, Data, TrafficClass, encode_data, microseconds
from edgebox.config import Config
from edgebox.config.bond import Bond, Link
from edgebox.config.box import Box
from edgebox.errors import RemoteProtocolError
from edgebox.sim.ports import free_port

PAYLOAD = 1100
FPS = 30
LINKS = 3
SECONDS = 4.0
RATES_BPS = (
    100_000,
    300_000,
    600_000,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
    4_000_000,
    5_000_000,
    6_000_000,
    8_000_000,
    10_000_000,
)
ENOUGH = 0.99
_STAMP = struct.Struct("!d")


class LightBox:
    """Seals and sends; proves its addresses, and ignores all else."""

    def __init__(self, keys: Keys, hub: tuple[str, int], destination: str):
        self._sealer = Sealer(keys, TO_HUB, time.monotonic())
        self._opener = Opener(keys, TO_BOX)
        self._hub = hub
        self._destination = destination
        self._sequence = 0
        self._socks = [udp_socket(socket.AF_INET) for _ in range(LINKS)]

    def greet(self) -> None:
        """A ping on each link."""
        now = time.monotonic()
        body = encode_control(microseconds(now), eliciting=True, items=[])
        for link, sock in enumerate(self._socks):
            sock.sendto(self._sealer.seal(link, body, now), self._hub)

    def listen(self, *, prove: bool) -> None:
        """Take what the hub says; `prove`: answer its challenges."""
        for link, sock in enumerate(self._socks):
            with contextlib.suppress(BlockingIOError):
                while packet := sock.recv(2000):
                    if prove:
                        self._answer(link, sock, packet)

    def _answer(self, link: int, sock: socket.socket, packet: bytes) -> None:
        now = time.monotonic()
        try:
            body = decode_body(self._opener.open(packet, now)[2])
        except RemoteProtocolError:
            return
        items: list[Item] = []
        if isinstance(body, Control):
            items = [PathResponse(i.token) for i in body.items if isinstance(i, PathChallenge)]
        if items:
            answer = encode_control(microseconds(now), eliciting=False, items=items)
            sock.sendto(self._sealer.seal(link, answer, now), self._hub)

    def frame(self, packets: int, number: int) -> None:
        """Send one picture over the link whose turn it is."""
        now = time.monotonic()
        link = number % LINKS
        sealed = []
        for place in range(packets):
            payload = _STAMP.pack(now).ljust(PAYLOAD, b"v")
            announce = self._destination if self._sequence < 200 else ""
            data = Data(microseconds(now), TrafficClass.VIDEO, Copy.FIRST, self._sequence, 1,
                        1 if self._sequence else 0, 0, number % 65_536, place, None, announce,
                        payload)  # fmt: skip
            self._sequence += 1
            sealed.append(self._sealer.seal(link, encode_data(data), now))
        send_many(self._socks[link], sealed, self._hub)

    def close(self) -> None:
        """Close its sockets."""
        for sock in self._socks:
            sock.close()


async def _fetch(directory: Path, tcp: int, count: int) -> list[Keys]:
    fetched = []
    for number in range(count):
        bond = Bond(key_exchange=f"127.0.0.1:{tcp}", static_key="key")
        config = Config(box=Box(id=f"box-{number}"), bond=bond, directory=str(directory))
        fetched.append(await KeyClient(config).fetch([Link(name="l", source="127.0.0.1")]))
    return fetched


def _step(boxes: list[LightBox], sink: socket.socket, rate_bps: int) -> tuple[int, list[float]]:
    """Packets sent, and the delay of each that came out."""
    per_second = rate_bps / 8 / PAYLOAD
    owed = [0.0] * len(boxes)
    sent = number = 0
    delays: list[float] = []
    began_at = time.monotonic()
    for number in range(round(SECONDS * FPS)):
        for index, box in enumerate(boxes):
            # Pictures of different boxes do not come at the same moment.
            at = began_at + (number + index / len(boxes)) / FPS
            _drain(sink, delays)
            while (left_s := at - time.monotonic()) > 0:
                select.select([sink], [], [], left_s)
                _drain(sink, delays)
            owed[index] += per_second / FPS
            packets = int(owed[index])
            owed[index] -= packets
            if packets:
                box.frame(packets, number)
                sent += packets
            if number % 3 == 0:
                box.listen(prove=False)
    until = time.monotonic() + 0.5
    while (left_s := until - time.monotonic()) > 0:
        select.select([sink], [], [], left_s)
        _drain(sink, delays)
    return sent, delays


def _drain(sink: socket.socket, delays: list[float]) -> None:
    with contextlib.suppress(BlockingIOError):
        for _ in range(64):
            stamp = _STAMP.unpack_from(sink.recv(2000))[0]
            delays.append(time.monotonic() - stamp)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=50)
    count = parser.parse_args().boxes
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
          f"{os.cpu_count()} CPUs, {count} boxes, {PAYLOAD} byte datagrams")  # fmt: skip
    print(f"{'Mbit/s each':>11} {'packets/s':>10} {'came out':>9} {'hub CPU':>8} {'us/packet':>10} "
          f"{'MiB':>5} {'p50 ms':>7} {'p99 ms':>7}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name, udp_socket(socket.AF_INET) as sink:
        sink.bind(("127.0.0.1", 0))
        _run(Path(name), sink, count)


def _run(directory: Path, sink: socket.socket, count: int) -> None:
    udp, tcp = free_port(), free_port()
    destination = f"127.0.0.1:{sink.getsockname()[1]}"
    (directory / "key").write_text("5a" * 32)
    (directory / "hub.toml").write_text(
        f'[bond]\nrole = "hub"\nlisten = "127.0.0.1:{udp}"\nstatic_key = "key"\n'
        f'key_exchange_listen = "127.0.0.1:{tcp}"\nallow = ["{destination}"]\n'
    )
    command = [sys.executable, "-m", "edgebox", "bond", "-c", str(directory / "hub.toml")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as hub:
        boxes: list[LightBox] = []
        try:
            time.sleep(3)
            at = ("127.0.0.1", udp)
            boxes += [
                LightBox(keys, at, destination)
                for keys in asyncio.run(_fetch(directory, tcp, count))
            ]
            for box in boxes:
                box.greet()
            for _ in range(20):
                time.sleep(0.05)
                for box in boxes:
                    box.listen(prove=True)
            _step(boxes, sink, RATES_BPS[0])
            for rate_bps in RATES_BPS:
                if not _report(hub.pid, boxes, sink, rate_bps):
                    break
        finally:
            for box in boxes:
                box.close()
            hub.terminate()


def _report(hub: int, boxes: list[LightBox], sink: socket.socket, rate_bps: int) -> bool:
    """One row; False when the hub is saturated."""
    before, began_at = _cpu_s(hub), time.monotonic()
    sent, delays = _step(boxes, sink, rate_bps)
    spent, took = _cpu_s(hub) - before, time.monotonic() - began_at
    share = len(delays) / max(1, sent)
    delays.sort()
    p50, p99 = (delays[int(q * (len(delays) - 1))] * 1e3 if delays else 0.0 for q in (0.5, 0.99))
    print(f"{rate_bps / 1e6:11.1f} {sent / took:10.0f} {share:9.1%} {spent / took:8.0%} "
          f"{spent / max(1, sent) * 1e6:10.1f} {_memory_mib(hub):5.0f} {p50:7.1f} {p99:7.1f}",
          flush=True)  # fmt: skip
    return share >= ENOUGH


if __name__ == "__main__":
    main()
