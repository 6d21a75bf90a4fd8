"""Fixtures shared by all tests: real parts, started for one test and gone after it."""

import base64
import getpass
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from edgebox.sim.ports import free_port

# How long an example takes says something of the machine, not of the code. CI tries the same
# examples each time: new ones are looked for where somebody reads what they show.
hypothesis.settings.register_profile(
    "edgebox",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    database=None,
)
hypothesis.settings.load_profile("edgebox")


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


class TurnServer:
    """A real coturn on loopback that lets peers on loopback talk to each other."""

    realm = "edgebox"
    secret = "tests-only"

    def __init__(self, directory: Path):
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port`, UDP and TCP."""
        return f"127.0.0.1:{self.port}"

    def credentials(self, ttl_s: int = 600) -> tuple[str, str]:
        """User name and password valid for `ttl_s` (draft-uberti-behave-turn-rest-00, 2.2)."""
        username = f"{int(time.time()) + ttl_s}:test"
        digest = hmac.new(self.secret.encode(), username.encode(), hashlib.sha1).digest()
        return username, base64.b64encode(digest).decode()

    def start(self) -> None:
        """Start and wait until it answers."""
        program = shutil.which("turnserver") or "/usr/bin/turnserver"
        log = self._directory / "turn.log"
        self._process = subprocess.Popen(
            [
                *(program, "-n", "--listening-ip=127.0.0.1", f"--listening-port={self.port}"),
                *("--relay-ip=127.0.0.1", "--min-port=49152", "--max-port=65535"),
                *("--use-auth-secret", f"--static-auth-secret={self.secret}"),
                *(f"--realm={self.realm}", "--allow-loopback-peers", "--no-multicast-peers"),
                *("--no-cli", "--no-tls", "--no-dtls", "--fingerprint", "--simple-log"),
                *(f"--log-file={log}", f"--pidfile={self._directory / 'turn.pid'}"),
                f"--userdb={self._directory / 'turn.db'}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < deadline, "coturn did not start"
            assert self._process.poll() is None, "coturn ended"

    def _answers(self) -> bool:
        """True when a STUN binding request (RFC 8489, 5) is answered within 50 ms."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.05)
            probe.connect(("127.0.0.1", self.port))
            try:
                probe.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42edgebox-test")
                return bool(probe.recv(500))
            except OSError:
                time.sleep(0.02)
                return False

    def kill(self) -> None:
        """Kill -9 and reap."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def turn_server() -> Iterator[TurnServer]:
    """A running TURN server with a shared secret."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        one = TurnServer(Path(directory))
        one.start()
        yield one
        one.kill()
