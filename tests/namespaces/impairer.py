"""The mobile networks between box and hub: a process that carries Ethernet frames.

    box: lte0 ==veth== b-lte0 | this process, two lanes | h-lte0 ==veth== lte0: hub

Frames are read and written as they are (packet(7)), so IPv4, IPv6 and ICMP all pass; the lanes are
the simulator's own (edgebox.sim.lane), so what a test sees here and there differs by the machine
alone. Commands come as lines of JSON on standard input; each is answered by one line.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import time
from typing import Any

import msgspec

from edgebox.sim.lane import HEADER_BYTES, Lane, LaneSettings

ETHERNET = 14
FRAME_MAX = 65_535
BURST = 64
OUTGOING = 4
"""packet(7), PACKET_OUTGOING: what we have written ourselves comes back as this."""
REOPEN_S = 0.02
UDP = 17
ETH_P_ALL = 3
RCVBUFFORCE = 33


class Wire:
    """One interface; it may vanish and come back."""

    def __init__(self, name: str, on_frame: Any):
        self.name = name
        self._on_frame = on_frame
        self._sock: socket.socket | None = None
        self._open()

    def _open(self) -> None:
        # Closing a packet socket waits for the kernel's other processors: none is made in vain.
        try:
            socket.if_nametoindex(self.name)
        except OSError:
            asyncio.get_running_loop().call_later(REOPEN_S, self._open)
            return
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setblocking(False)
        with contextlib.suppress(PermissionError):  # root of a user namespace is not enough
            sock.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 4_000_000)
        sock.bind((self.name, ETH_P_ALL))
        self._sock = sock
        asyncio.get_running_loop().add_reader(sock, self._read)

    def _read(self) -> None:
        sock = self._sock
        if sock is None:
            return
        for _ in range(BURST):
            try:
                frame, address = sock.recvfrom(FRAME_MAX)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                self._open()
                return
            if address[2] != OUTGOING:
                self._on_frame(frame)

    def write(self, frame: bytes) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.send(frame)

    def close(self) -> None:
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None


class Link:
    """Both directions of one mobile network, with the NAT of its carrier."""

    def __init__(self, name: str, up: LaneSettings, down: LaneSettings, seed: str):
        now = time.monotonic()
        self.lanes: dict[str, Lane[bytes]] = {
            "up": Lane(up, random.Random(f"{seed} up"), now),
            "down": Lane(down, random.Random(f"{seed} down"), now),
        }
        self.mtu = {"up": 65_535, "down": 65_535}
        self._shift = 0
        """What the NAT adds to the box's port now."""
        self._box = Wire(f"b-{name}", lambda frame: self._offer("up", frame))
        self._hub = Wire(f"h-{name}", lambda frame: self._offer("down", frame))
        self._timer: asyncio.TimerHandle | None = None

    def rebind(self, shift: int) -> None:
        """The carrier gives the box another port."""
        self._shift = shift

    def change(self, direction: str, changes: dict[str, Any]) -> None:
        lane = self.lanes[direction]
        lane.change(msgspec.structs.replace(lane.settings, **changes), time.monotonic())
        self._pump()

    def _offer(self, direction: str, frame: bytes) -> None:
        size = len(frame) - ETHERNET
        if size <= self.mtu[direction]:
            passed = _translated(frame, direction, self._shift)
            if passed is not None:
                self.lanes[direction].offer(passed, max(0, size - HEADER_BYTES), time.monotonic())
        self._pump()

    def _pump(self) -> None:
        now = time.monotonic()
        for frame in self.lanes["up"].take(now):
            self._hub.write(frame)
        for frame in self.lanes["down"].take(now):
            self._box.write(frame)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        moments = [at for lane in self.lanes.values() if (at := lane.next_at()) is not None]
        if moments:
            self._timer = asyncio.get_running_loop().call_at(min(moments), self._pump)


def _translated(frame: bytes, direction: str, shift: int) -> bytes | None:
    """IPv4 UDP with the NAT's port; None for what an old mapping would have let in."""
    if frame[12:14] != b"\x08\x00" or frame[ETHERNET + 9] != UDP or not shift:
        return frame
    at = ETHERNET + (frame[ETHERNET] & 15) * 4 + (0 if direction == "up" else 2)
    port = int.from_bytes(frame[at : at + 2], "big")
    port = port ^ shift if direction == "up" or port ^ shift >= 1024 else 0
    checksum = ETHERNET + (frame[ETHERNET] & 15) * 4 + 6
    changed = bytearray(frame)
    changed[at : at + 2] = struct.pack("!H", port)
    changed[checksum : checksum + 2] = b"\0\0"
    return bytes(changed)


async def main() -> None:
    """Until standard input ends."""
    links: dict[str, Link] = {}
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        answer = _obey(links, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _obey(links: dict[str, Link], command: dict[str, Any]) -> Any:
    name = command.get("link", "")
    match command["do"]:
        case "open":
            up, down = (msgspec.convert(command[way], LaneSettings) for way in ("up", "down"))
            links[name] = Link(name, up, down, command["seed"])
        case "change":
            links[name].change(command["way"], command["changes"])
        case "mtu":
            links[name].mtu[command["way"]] = command["bytes"]
        case "rebind":
            links[name].rebind(command["shift"])
        case "passed":
            return {
                name: {way: lane.counters.passed_bytes for way, lane in link.lanes.items()}
                for name, link in links.items()
            }
    return "done"


if __name__ == "__main__":
    asyncio.run(main())
