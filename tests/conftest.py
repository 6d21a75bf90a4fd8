"""Fixtures shared by all tests: real parts, started for one test and gone after it."""

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """A real mosquitto on a Unix socket."""

    def __init__(self, directory: Path, extra: str = ""):
        self.address = str(directory / "bus.sock")
        self._config = directory / "mosquitto.conf"
        self._config.write_text(
            f"listener 0 {self.address}\nallow_anonymous true\npersistence false\n"
            f"user {getpass.getuser()}\n{extra}"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it accepts connections."""
        Path(self.address).unlink(missing_ok=True)
        program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self._process = subprocess.Popen(
            [program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self.address)
                    return
                except OSError:
                    assert time.monotonic() < deadline, "mosquitto did not start"
                    assert self._process.poll() is None, "mosquitto ended"
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill -9 and reap."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A running broker; its directory path is short enough for a socket name."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        one = Broker(Path(directory))
        one.start()
        yield one
        one.kill()
