"""Two real `edgebox bond` processes over loopback links, with keys fetched over TLS."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebox.host.daemons import TlsFiles
from edgebox.sim import pki
from edgebox.sim.ports import free_port

START_S = 15.0


class EchoServer:
    """The service behind the hub: answers each datagram with its source port in front."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self.sources: list[int] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            payload, address = self._sock.recvfrom(65_535)
            if payload == b"stop":
                return
            self.sources.append(address[1])
            self._sock.sendto(payload, address)

    def close(self) -> None:
        self._sock.sendto(b"stop", ("127.0.0.1", self.port))
        self._thread.join()
        self._sock.close()


class Rig:
    """Box, hub and what stands at their outer ends."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.echo = EchoServer()
        self.udp = free_port()
        self.tcp = free_port()
        self.listen = free_port()
        self.listen_refused = free_port()
        self.hub_files = pki.hub_credentials(directory / "pki", ["127.0.0.1"])
        self.box_files = pki.box_credentials(directory / "pki", "box-1")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.bind(("127.0.0.1", 0))

    def hub_config(self) -> str:
        return f"""
            [bond]
            role = "hub"
            listen = "127.0.0.1:{self.udp}"
            key_exchange_listen = "127.0.0.1:{self.tcp}"
            allow = ["127.0.0.1:{self.echo.port}"]
            {_keys(self.hub_files)}
        """

    def box_config(self, files: TlsFiles | None = None, key_host: str = "127.0.0.1") -> str:
        links = "".join(
            f'[[bond.link]]\nname = "link-{number}"\nsource = "127.0.0.{number + 2}"\n'
            for number in range(3)
        )
        return f"""
            [bus]
            address = "{self.directory}/nobody.sock"
            [bond]
            hub = "127.0.0.1:{self.udp}"
            key_exchange = "{key_host}:{self.tcp}"
            {_keys(files or self.box_files)}
            {links}
            [[bond.forward]]
            name = "echo"
            listen = "127.0.0.1:{self.listen}"
            to = "127.0.0.1:{self.echo.port}"
            [[bond.forward]]
            name = "refused"
            listen = "127.0.0.1:{self.listen_refused}"
            to = "127.0.0.1:9"
        """

    def start(self, name: str, config: str) -> None:
        """Start one end; `name` is the log's and the configuration's file name."""
        path = self.directory / f"{name}.toml"
        path.write_text("\n".join(line.strip() for line in config.splitlines()))
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "edgebox", "bond", "--config", str(path)],
                stdout=log,
                stderr=log,
            )

    def start_both(self) -> None:
        self.start("hub", self.hub_config())
        self.start("box", self.box_config())

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes.pop(name).wait()

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def wait_for_log(self, name: str, text: str) -> None:
        deadline = time.monotonic() + START_S
        while text not in self.log(name):
            assert time.monotonic() < deadline, f"{text!r} not in:\n{self.log(name)}"
            time.sleep(0.02)

    def echo_once(self, payload: bytes, timeout_s: float = 0.1) -> bool:
        """Send until this payload has come back, at most `timeout_s` once."""
        self.client.settimeout(timeout_s)
        self.client.sendto(payload, ("127.0.0.1", self.listen))
        try:
            while self.client.recv(65_535) != payload:
                continue
        except TimeoutError:
            return False
        return True

    def wait_for_echo(self, limit_s: float = START_S) -> float:
        """Seconds until a datagram comes back."""
        began_at = time.monotonic()
        number = 0
        while not self.echo_once(f"{began_at} {number}".encode()):
            number += 1
            took_s = time.monotonic() - began_at
            logs = "\n".join(self.log(name) for name in ("box", "hub"))
            assert took_s < limit_s, f"nothing came back for {took_s:.1f} s\n{logs}"
        return time.monotonic() - began_at

    def close(self) -> None:
        for name in list(self.processes):
            process = self.processes.pop(name)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0, self.log(name)
        self.client.close()
        self.echo.close()


def _keys(files: TlsFiles) -> str:
    paths = {"ca": files.ca, "certificate": files.certificate, "private_key": files.private_key}
    return "".join(f'{key} = "{path}"\n' for key, path in paths.items())


@pytest.fixture
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        one = Rig(Path(directory))
        yield one
        one.close()


def test_datagrams_of_all_sizes_go_there_and_back(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    for size in (0, 1, 100, 1150, 1182, 1183, 1400, 4000, 30_000):
        payload = os.urandom(size)
        assert any(rig.echo_once(payload, 0.5) for _ in range(5)), size


def test_killed_box_end_comes_back_with_the_same_source_port(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    source = rig.echo.sources[-1]
    rig.kill("box")
    rig.start("box", rig.box_config())
    assert rig.wait_for_echo() < 5
    assert rig.echo.sources[-1] == source


def test_killed_hub_end_comes_back_with_the_same_source_port(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    source = rig.echo.sources[-1]
    rig.kill("hub")
    rig.start("hub", rig.hub_config())
    assert rig.wait_for_echo() < 5
    assert rig.echo.sources[-1] == source


def test_clients_of_one_forward_get_their_own_answers(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(2)
        other.sendto(b"other", ("127.0.0.1", rig.listen))
        assert rig.echo_once(b"first", 2)
        assert other.recv(100) == b"other"
    assert len(set(rig.echo.sources)) == 2


def test_garbage_gets_no_answer_and_does_no_harm(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0.3)
        for size in (0, 1, 11, 12, 28, 29, 200, 1400):
            stranger.sendto(os.urandom(size), ("127.0.0.1", rig.udp))
            stranger.sendto(b"\x10" + os.urandom(size), ("127.0.0.1", rig.udp))
        with pytest.raises(TimeoutError):
            stranger.recv(100)
    for junk in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 2000):
        with socket.create_connection(("127.0.0.1", rig.tcp), timeout=2) as stranger:
            stranger.sendall(junk)
    assert rig.echo_once(b"still there", 1)
    assert "Traceback" not in rig.log("hub")


def test_stranger_who_holds_connections_keeps_nobody_out(rig: Rig) -> None:
    rig.start("hub", rig.hub_config())
    rig.wait_for_log("hub", "ready")
    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection(("127.0.0.1", rig.tcp), timeout=2))
        rig.start("box", rig.box_config())
        rig.wait_for_echo(4)


def test_box_of_another_fleet_gets_no_keys(rig: Rig) -> None:
    strange = pki.box_credentials(rig.directory / "other-fleet", "box-1")
    mixed = TlsFiles(rig.hub_files.ca, strange.certificate, strange.private_key)
    rig.start("hub", rig.hub_config())
    rig.start("box", rig.box_config(mixed))
    rig.wait_for_log("box", "no session keys: link")
    assert not rig.echo_once(b"nobody", 1)
    assert "session" not in rig.log("hub")


def test_hub_with_another_name_is_not_trusted(rig: Rig) -> None:
    rig.start("hub", rig.hub_config())
    rig.start("box", rig.box_config(key_host="localhost"))
    rig.wait_for_log("box", "certificate verify failed")
    assert not rig.echo_once(b"nobody", 0.5)


def test_destination_that_is_not_allowed_is_refused_and_said_once(rig: Rig) -> None:
    rig.start_both()
    rig.wait_for_echo()
    for _ in range(20):
        rig.client.sendto(b"x", ("127.0.0.1", rig.listen_refused))
        time.sleep(0.005)
    rig.wait_for_log("box", "the hub does not forward to 127.0.0.1:9")
    rig.wait_for_log("hub", "box-1 may not send to 127.0.0.1:9")
    assert rig.log("hub").count("may not send") == 1
    assert rig.log("box").count("does not forward") == 1
    assert rig.echo_once(b"others are served", 1)


def test_static_key_replaces_certificates(rig: Rig) -> None:
    key = rig.directory / "lab.key"
    key.write_text("5a" * 32)
    static = f'static_key = "{key}"\n'
    rig.start("hub", rig.hub_config().replace("[bond]\n", "[bond]\n" + static))
    rig.start("box", rig.box_config().replace("[bond]\n", "[bond]\n" + static))
    rig.wait_for_echo()


def test_port_in_use_is_one_clear_line(rig: Rig) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", rig.listen))
        rig.start("box", rig.box_config())
        assert rig.processes.pop("box").wait(START_S) == 2
    assert rig.log("box").splitlines()[-1].startswith("edgebox: bond.forward 'echo': cannot listen")
