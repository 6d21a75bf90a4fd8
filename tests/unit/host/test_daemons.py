"""Configuration texts of the system programs, and what we say when one is missing."""

from pathlib import Path

import pytest

from edgebox.errors import ConfigError, DeviceError
from edgebox.host import daemons
from edgebox.host.daemons import TlsFiles

CONFIG = Path(__file__).parents[3] / "config"
BOX_TLS = TlsFiles(
    ca=Path("/run/credentials/edgebox-bus.service/fleet-ca.pem"),
    certificate=Path("/run/credentials/edgebox-bus.service/device.pem"),
    private_key=Path("/run/credentials/edgebox-bus.service/device.key"),
)
HUB_TLS = TlsFiles(
    ca=Path("/run/credentials/edgebox-hub-bus.service/fleet-ca.pem"),
    certificate=Path("/run/credentials/edgebox-hub-bus.service/hub.pem"),
    private_key=Path("/run/credentials/edgebox-hub-bus.service/hub.key"),
)
TEXTS = {
    "mosquitto/box.conf": daemons.box_broker_text(
        box="box-1",
        socket=Path("/run/edgebox/bus.sock"),
        ways=("127.0.0.1:18883", "hub.example.org:8883"),
        tls=BOX_TLS,
        user="edgebox-bus",
    ),
    "mosquitto/hub.conf": daemons.hub_broker_text(
        socket=Path("/run/edgebox-hub/bus.sock"),
        listen="0.0.0.0:8883",
        tls=HUB_TLS,
        acl=Path("/etc/edgebox-hub/mosquitto/hub.acl"),
        help_listen="0.0.0.0:8884",
        help_acl=Path("/etc/edgebox-hub/mosquitto/hub-help.acl"),
        user="edgebox-hub-bus",
    ),
    "mosquitto/hub.acl": daemons.HUB_ACL,
    "mosquitto/hub-help.acl": daemons.HUB_HELP_ACL,
    "coturn/turnserver.conf": daemons.turn_server_text(
        listen="0.0.0.0:3478",
        relay_ip="192.0.2.1",
        realm="hub.example.org",
        directory=Path("/run/edgebox-hub-turn"),
        lab=False,
    ),
}


def strip_head(text: str) -> str:
    """Without the comment above the first empty line: it is for whoever opens the file."""
    return text.partition("\n\n")[2]


@pytest.mark.parametrize("name", TEXTS)
def test_files_for_vehicles_and_servers_hold_the_same_text(name: str) -> None:
    assert strip_head((CONFIG / name).read_text("utf-8")) == TEXTS[name]


def test_missing_program_names_its_package() -> None:
    with pytest.raises(DeviceError, match="no-such is not installed: apt install no-such-deb"):
        daemons.find_program("no-such", package="no-such-deb")


def test_program_outside_the_search_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert daemons.find_program("mosquitto", package="mosquitto").endswith("/mosquitto")


async def test_nothing_listening_is_said_after_the_time(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nothing listens at .*/x after 0.05 s: .*No such file"):
        await daemons.until_listening(f"{tmp_path}/x", timeout_s=0.05)


@pytest.mark.parametrize("socket", ["/tmp/a b.sock", "/tmp/" + "x" * 110, "bus.sock"])  # noqa: S108
def test_socket_path_mosquitto_cannot_use_is_refused(tmp_path: Path, socket: str) -> None:
    with pytest.raises(ConfigError, match="107 bytes at most and no spaces"):
        daemons.write_box_broker(
            tmp_path,
            box="b",
            socket=Path(socket),
            ways=("127.0.0.1:1",),
            tls=BOX_TLS,
        )


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * 16 + b"\n", b'"' * 20, b"x" * 129])
def test_bad_turn_secret_is_refused_and_not_shown(tmp_path: Path, secret: bytes) -> None:
    with pytest.raises(ConfigError, match="expected 16 to 128 letters") as refusal:
        daemons.write_turn_server(
            tmp_path,
            listen="127.0.0.1:3478",
            relay_ip="127.0.0.1",
            realm="r",
            secret=secret,
            lab=True,
        )
    assert b"short" not in str(refusal.value).encode()


def test_secret_is_in_a_private_file_and_not_on_the_command_line(tmp_path: Path) -> None:
    secret = b"0123456789abcdef"
    directory = tmp_path / "coturn"
    command = daemons.write_turn_server(
        directory,
        listen="127.0.0.1:3478",
        relay_ip="127.0.0.1",
        realm="r",
        secret=secret,
        lab=True,
    )
    assert not any(secret.decode() in part for part in command)
    file = directory / "turnserver.conf"
    assert f"static-auth-secret={secret.decode()}" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_only_a_lab_relays_to_loopback_and_private_networks() -> None:
    production = TEXTS["coturn/turnserver.conf"]
    assert "allow-loopback-peers" not in production
    assert "denied-peer-ip=10.0.0.0-10.255.255.255" in production
    lab = daemons.turn_server_text(
        listen="127.0.0.1:1", relay_ip="127.0.0.1", realm="r", directory=Path("/x"), lab=True
    )
    assert "allow-loopback-peers" in lab
    assert "denied-peer-ip" not in lab


def test_bridge_takes_an_ipv6_address_as_mosquitto_wants_it() -> None:
    text = daemons.box_broker_text(
        box="b",
        socket=Path("/x"),
        ways=("127.0.0.1:1", "[2001:db8::1]:8883"),
        tls=BOX_TLS,
        user="u",
    )
    assert "\naddress 127.0.0.1:1 2001:db8::1:8883\n" in text
