"""CPU per packet of each end's whole path: `python -m bench.bond_packet`.

One process is driven at a time, with real sockets and system calls on loopback: the box takes
datagrams from a client, classifies, schedules, seals and sends; the hub receives, opens, orders
and forwards. Acknowledgements are included. Processor time of the end's own process, from /proc.
"""

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgebox.bond.exchange import preferred_suites

RATES_BPS = (2_500_000, 10_000_000, 20_000_000)
PAYLOAD = 1100
SECONDS = 5.0
LINKS = 3


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _cpu_s(pid: int) -> float:
    """User and system time (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _write_configs(directory: Path, sink: int) -> tuple[Path, Path, int]:
    udp, tcp, listen = _free(socket.SOCK_DGRAM), _free(socket.SOCK_STREAM), _free(socket.SOCK_DGRAM)
    (directory / "key").write_text(os.urandom(32).hex())
    links = "".join(
        f'[[bond.link]]\nname = "l{number}"\nsource = "127.0.0.{number + 2}"\n'
        for number in range(LINKS)
    )
    hub, box = directory / "hub.toml", directory / "box.toml"
    hub.write_text(
        f'[bond]\nrole = "hub"\nlisten = "127.0.0.1:{udp}"\nstatic_key = "key"\n'
        f'key_exchange_listen = "127.0.0.1:{tcp}"\nallow = ["127.0.0.1:{sink}"]\n'
    )
    box.write_text(
        f'[bus]\naddress = "{directory}/none"\n[bond]\nhub = "127.0.0.1:{udp}"\n'
        f'key_exchange = "127.0.0.1:{tcp}"\nstatic_key = "key"\n{links}'
        f'[[bond.forward]]\nname = "f"\nlisten = "127.0.0.1:{listen}"\nto = "127.0.0.1:{sink}"\n'
    )
    return box, hub, listen


def _rtp(number: int, frame: int) -> bytes:
    return b"\x80\x60" + number.to_bytes(4, "big")[2:] + frame.to_bytes(4, "big") + b"ssrc"


def _pour(client: socket.socket, sink: socket.socket, target: int, rate_bps: int) -> int:
    """Frames at 30 a second for SECONDS; returns the packets that came out."""
    per_frame = max(1, round(rate_bps / 30 / 8 / PAYLOAD))
    arrived, number = 0, 0
    began_at = time.monotonic()
    for frame in range(round(SECONDS * 30)):
        for _ in range(per_frame):
            number += 1
            client.sendto(_rtp(number, frame).ljust(PAYLOAD, b"v"), ("127.0.0.1", target))
        while time.monotonic() < began_at + (frame + 1) / 30:
            arrived += _drain(sink)
            time.sleep(0.001)
    time.sleep(0.3)
    return arrived + _drain(sink)


def _drain(sink: socket.socket) -> int:
    count = 0
    while True:
        try:
            count += len(sink.recv(4096)) >= PAYLOAD
        except BlockingIOError:
            return count


def main() -> None:
    """Print a table."""
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, ")
    print(
        f"{preferred_suites()[0]}, {LINKS} links, {PAYLOAD} byte datagrams, {os.cpu_count()} CPUs"
    )
    print(f"{'Mbit/s':>7} {'packets':>8} {'out':>7} {'box us':>7} {'hub us':>7}  box/hub MiB")
    with tempfile.TemporaryDirectory() as name:
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        sink.bind(("127.0.0.1", 0))
        sink.setblocking(False)
        box_toml, hub_toml, listen = _write_configs(Path(name), sink.getsockname()[1])
        command = [sys.executable, "-m", "edgebox", "bond", "--config"]
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
            subprocess.Popen([*command, str(hub_toml)], stderr=subprocess.DEVNULL) as hub,
            subprocess.Popen([*command, str(box_toml)], stderr=subprocess.DEVNULL) as box,
        ):
            time.sleep(3)
            _pour(client, sink, listen, RATES_BPS[0])
            for rate_bps in RATES_BPS:
                before = _cpu_s(box.pid), _cpu_s(hub.pid)
                sent = round(SECONDS * 30) * max(1, round(rate_bps / 30 / 8 / PAYLOAD))
                arrived = _pour(client, sink, listen, rate_bps)
                spent = _cpu_s(box.pid) - before[0], _cpu_s(hub.pid) - before[1]
                print(
                    f"{rate_bps / 1e6:7.1f} {sent:8d} {arrived / sent:6.1%} "
                    f"{spent[0] / sent * 1e6:7.1f} {spent[1] / sent * 1e6:7.1f}  "
                    f"{_memory_mib(box.pid):.0f}/{_memory_mib(hub.pid):.0f}"
                )
            box.terminate()
            hub.terminate()
        sink.close()


if __name__ == "__main__":
    main()
