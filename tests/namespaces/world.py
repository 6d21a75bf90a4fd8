"""A vehicle, its mobile networks and a hub on one machine: three network namespaces.

Namespaces are held by processes and have no names, every process dies with the one that runs the
test (prctl(2), PR_SET_PDEATHSIG), and interfaces die with their namespace: nothing is left behind,
however a test ends. Needs root, or to be root of a user namespace of its own.
"""

import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec

from edgebox.sim.network import NetworkLink
from edgebox.sim.rtp_stream import RtpStream

PORT = 4500
KEYS = 4443
SINK = 3478
LISTEN = 5000
HUB_V4, HUB_V6 = "10.77.255.1", "fd77:ff::1"
START_S = 15.0
CLONE_NEWNET = 0x4000_0000
RCVBUFFORCE = 33
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Why namespaces cannot be had here; empty if they can."""
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if made.returncode == 0 else "may not make network namespaces: run as root"


def dying_with_us() -> None:
    """Before exec in a child."""
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)
    hurry()


def hurry() -> None:
    """Before other work on this machine: a pause of the impairer would look like a queue."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)


def put_session_first(nice: str) -> None:
    """sched(7), autogroup: between terminal sessions this counts, not the processes' own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(nice)


class Namespace:
    """A network namespace, as long as its process lives."""

    def __init__(self, name: str):
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sleep", "infinity"], preexec_fn=dying_with_us
        )
        own = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + START_S
        while self._file.readlink() == own:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        self.ip("link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """Of the process that holds it."""
        return self._holder.pid

    @property
    def _file(self) -> Path:
        return Path(f"/proc/{self.pid}/ns/net")

    def command(self, *words: str) -> list[str]:
        """To run in it."""
        return ["nsenter", "--target", str(self.pid), "--net", *words]

    def ip(self, *words: str) -> None:
        """ip(8) in it; raises CalledProcessError."""
        subprocess.run(self.command("ip", *words), check=True, capture_output=True)

    def start(self, *words: str, **how: Any) -> subprocess.Popen[bytes]:
        """A process in it."""
        return subprocess.Popen(self.command(*words), preexec_fn=dying_with_us, **how)

    def socket(self, family: int, kind: int) -> socket.socket:
        """A socket of it, made here: a socket stays in the namespace of the thread that made it."""
        made: list[socket.socket] = []

        def make() -> None:
            with self._file.open("rb") as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.socket(family, kind))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def close(self) -> None:
        """End it and, with it, its interfaces."""
        self._holder.kill()
        self._holder.wait()


@dataclass
class Figures:
    """What came of a stream of pictures."""

    video: RtpStream
    start: float
    end: float

    def within(self, limit_s: float) -> float:
        """Share of frames complete so long after capture."""
        delays = [frame.delay_s for frame in self.video.window(self.start, self.end)]
        return sum(delay <= limit_s for delay in delays) / max(1, len(delays))

    def gap_s(self) -> float:
        """Longest time without a new frame."""
        return self.video.longest_gap_s(self.start, self.end)


@dataclass
class World:
    """Use as a context; `plug` links first, then `start_ends`."""

    directory: Path
    bus: str = ""
    families: dict[str, str] = field(default_factory=dict)
    """Links and their kind: `4`, `6`."""

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        self.box, self.middle, self.hub = (Namespace(name) for name in ("box", "middle", "hub"))
        for one in (self.box, self.middle, self.hub):
            self._stack.callback(one.close)
        self.hub.ip("addr", "add", f"{HUB_V4}/32", "dev", "lo")
        self.hub.ip("addr", "add", f"{HUB_V6}/128", "dev", "lo", "nodad")
        self._impairer = self.middle.start(
            sys.executable, "-m", "tests.namespaces.impairer",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._stack.callback(self._end, self._impairer)
        (self.directory / "key").write_text("5a" * 32)
        self._stack.callback(os.setpriority, os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
        hurry()
        self._stack.callback(put_session_first, "0")
        put_session_first("-15")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.kill()
        process.wait()

    # Links

    def plug(self, name: str, link: NetworkLink, family: str = "4") -> None:
        """A modem appears, with a mobile network behind it."""
        self.families[name] = family
        number = list(self.families).index(name)
        self._plug_in(name, number)
        settings = {way: msgspec.to_builtins(one) for way, one in
                    (("up", link.up), ("down", link.down))}  # fmt: skip
        self.tell(do="open", link=name, seed=f"{name} {number}", **settings)
        self._wire(name, number, family)

    def unplug(self, name: str) -> None:
        """Pull the modem out."""
        self.box.ip("link", "del", name)

    def switch(self, name: str, how: str) -> None:
        """The interface goes `down` or comes `up`, where its routes have to be set anew."""
        self.box.ip("link", "set", name, how)
        if how == "up":
            self._wire_box(name, list(self.families).index(name), self.families[name])

    def plug_again(self, name: str) -> None:
        """Put it back: another interface of the same name."""
        number = list(self.families).index(name)
        self.middle.ip("link", "add", f"b-{name}", "address", _mac(number, 2), "type", "veth",
                       "peer", "name", name, "address", _mac(number, 1),
                       "netns", str(self.box.pid))  # fmt: skip
        self.middle.ip("link", "set", f"b-{name}", "up")
        self._offload(self.box, name)
        self.box.ip("link", "set", name, "up")
        self._wire_box(name, number, self.families[name])

    def _plug_in(self, name: str, number: int) -> None:
        for end, namespace, place in (("b", self.box, 1), ("h", self.hub, 3)):
            self.middle.ip("link", "add", f"{end}-{name}", "address", _mac(number, place + 1),
                           "type", "veth", "peer", "name", name, "address", _mac(number, place),
                           "netns", str(namespace.pid))  # fmt: skip
            self.middle.ip("link", "set", f"{end}-{name}", "up")
            self._offload(namespace, name)
            namespace.ip("link", "set", name, "up")

    def _offload(self, namespace: Namespace, name: str) -> None:
        words = (sys.executable, "-m", "tests.namespaces.offload", name)
        subprocess.run(namespace.command(*words), check=True)

    def _wire(self, name: str, number: int, family: str) -> None:
        near, far, prefix = _addresses(number, family)
        self._set(self.hub, name, f"{far}/{prefix}")
        self.hub.ip("neigh", "replace", near, "lladdr", _mac(number, 1), "dev", name,
                    "nud", "permanent")  # fmt: skip
        self._wire_box(name, number, family)

    def _wire_box(self, name: str, number: int, family: str) -> None:
        near, far, prefix = _addresses(number, family)
        self._set(self.box, name, f"{near}/{prefix}")
        self.box.ip("neigh", "replace", far, "lladdr", _mac(number, 3), "dev", name,
                    "nud", "permanent")  # fmt: skip
        hub = f"{HUB_V4}/32" if family == "4" else f"{HUB_V6}/128"
        self.box.ip("route", "replace", hub, "via", far, "dev", name, "metric", str(100 + number))

    def _set(self, namespace: Namespace, name: str, address: str) -> None:
        nodad = ["nodad"] if ":" in address else []
        namespace.ip("addr", "replace", address, "dev", name, *nodad)

    def renumber(self, name: str) -> None:
        """The carrier gives the modem another address."""
        number = list(self.families).index(name)
        near, far, _ = _addresses(number, "4")
        other = near[:-1] + "9"
        self.hub.ip("neigh", "replace", other, "lladdr", _mac(number, 1), "dev", name,
                    "nud", "permanent")  # fmt: skip
        self.box.ip("addr", "del", f"{near}/24", "dev", name)
        self.box.ip("addr", "add", f"{other}/24", "dev", name)
        self.box.ip("neigh", "replace", far, "lladdr", _mac(number, 3), "dev", name,
                    "nud", "permanent")  # fmt: skip
        self.box.ip("route", "replace", f"{HUB_V4}/32", "via", far, "dev", name,
                    "metric", str(100 + number))  # fmt: skip

    def tell(self, **command: Any) -> Any:
        """A command to the impairer, and its answer."""
        assert self._impairer.stdin is not None
        assert self._impairer.stdout is not None
        self._impairer.stdin.write(json.dumps(command).encode() + b"\n")
        self._impairer.stdin.flush()
        return json.loads(self._impairer.stdout.readline())

    def change(self, name: str, *ways: str, **changes: Any) -> None:
        """Other settings of a link, of both directions unless told."""
        for way in ways or ("up", "down"):
            self.tell(do="change", link=name, way=way, changes=changes)

    def busiest(self) -> str:
        """The link that has carried most upwards."""
        passed: dict[str, dict[str, int]] = self.tell(do="passed")
        return max(passed, key=lambda name: passed[name]["up"])

    # Ends

    def start_ends(self) -> None:
        """Box and hub as real processes; returns when a datagram comes through."""
        (self.directory / "hub.toml").write_text(
            f'[bond]\nrole = "hub"\nlisten = "[::]:{PORT}"\nstatic_key = "key"\n'
            f'key_exchange_listen = "[::]:{KEYS}"\nallow = ["127.0.0.1:{SINK}"]\n'
        )
        (self.directory / "box.toml").write_text(self._box_toml())
        for name, namespace in (("hub", self.hub), ("box", self.box)):
            self._start_end(name, namespace)
        self.client = self.box.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stack.callback(self.client.close)
        self.sink = self.hub.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stack.callback(self.sink.close)
        with contextlib.suppress(PermissionError):
            self.sink.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 4_000_000)
        self.sink.bind(("127.0.0.1", SINK))
        self.sink.setblocking(False)
        self.wait_until_through()

    def _start_end(self, name: str, namespace: Namespace) -> None:
        with (self.directory / f"{name}.log").open("wb") as log:
            process = namespace.start(
                sys.executable, "-m", "edgebox", "bond", "-c", f"{self.directory}/{name}.toml",
                stderr=log,
            )  # fmt: skip
        self._stack.callback(self._end, process)

    def _box_toml(self) -> str:
        links = "".join(
            f'[[bond.link]]\nname = "{name}"\ninterface = "{name}"\n'
            + (f'remote = "[{HUB_V6}]:{PORT}"\n' if family == "6" else "")
            for name, family in self.families.items()
        )
        return (
            f'[bus]\naddress = "{self.bus or self.directory / "none"}"\n[bond]\n'
            f'hub = "{HUB_V4}:{PORT}"\nkey_exchange = "{HUB_V4}:{KEYS}"\nstatic_key = "key"\n'
            f'usage_file = "usage.json"\n{links}[[bond.forward]]\nname = "f"\n'
            f'listen = "127.0.0.1:{LISTEN}"\nto = "127.0.0.1:{SINK}"\n'
        )

    def wait_until_through(self, limit_s: float = START_S) -> float:
        """Seconds until a datagram has come through."""
        began_at = time.monotonic()
        while True:
            mark = os.urandom(8)
            self.client.sendto(b"\x04" + mark, ("127.0.0.1", LISTEN))
            time.sleep(0.05)
            if any(payload.endswith(mark) for payload in self.arrivals()):
                return time.monotonic() - began_at
            assert time.monotonic() < began_at + limit_s, self.logs()

    def arrivals(self) -> Iterator[bytes]:
        """What has come out at the hub."""
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self.sink.recv(65_535)

    def logs(self) -> str:
        """Of both ends."""
        return "\n".join((self.directory / f"{name}.log").read_text() for name in ("box", "hub"))

    def watch(
        self, bitrate_bps: float, seconds: float, script: dict[float, Any] | None = None
    ) -> Figures:
        """Send pictures for so long; `script`: what to do at which second."""
        video = RtpStream(random.Random(7))
        start = now = time.monotonic()
        left = sorted((script or {}).items())
        next_at = start
        while now < start + seconds + 1.0:
            while left and now >= start + left[0][0]:
                left.pop(0)[1]()
            if start + seconds > now >= next_at:
                for packet in video.capture(bitrate_bps, now):
                    self.client.sendto(packet, ("127.0.0.1", LISTEN))
                next_at += 1 / video.fps
            for payload in self.arrivals():
                if len(payload) > 20 and payload[0] == 0x40:
                    video.arrive(payload, time.monotonic())
            time.sleep(0.001)
            now = time.monotonic()
        return Figures(video, start, start + seconds)


def _mac(number: int, place: int) -> str:
    return f"02:77:00:00:{number:02x}:{place:02x}"


def _addresses(number: int, family: str) -> tuple[str, str, int]:
    """Of box and hub on a link, and the prefix length."""
    if family == "4":
        return f"10.77.{number}.1", f"10.77.{number}.2", 24
    return f"fd77:{number}::1", f"fd77:{number}::2", 64
