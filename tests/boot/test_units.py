"""The units as systemd runs them: started, killed, hung, without their credentials."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boot.machine import ROOT, Machine, booted, box_system, hub_system

pytestmark = pytest.mark.privileged

SERVICES = ("bus", "bond", "conduit", "media", "panel", "headset", "support")
HUB_SERVICES = ("hub-bus", "hub-web", "hub-bond", "hub-conduit", "hub-turn")
WATCHED = ("bond", "media", "panel")
EXPOSURE_MAX = 1.5
EXPOSURE_MORE = {
    "edgebox-media": 1.7,  # sees cameras and sound cards, whatever is plugged in; cffi's callbacks
    "edgebox-headset": 1.6,  # listens on port 443
    "edgebox-vitals": 1.7,  # sees serial ports, whatever is plugged in; SDC asks for interfaces
    # Root, without any capability: what is root's own, or to start other units again.
    "edgebox-vehicle": 1.6,  # reads a GPIO line
    "edgebox-config": 1.8,
    "edgebox-identity": 1.8,
    "edgebox-renewal": 1.8,
    "edgebox-voucher": 1.8,
    "edgebox-update-restart": 2.6,  # mounts the boot loader's partition writable: CAP_SYS_ADMIN
    "edgebox-usb@": 3.0,  # mounts a stick: CAP_SYS_ADMIN, devices
    "edgebox-kiosk": 3.1,  # a browser on a screen: devices, name spaces for its own sandbox, a JIT
    "edgebox-shell@": 1.6,  # sees other users' processes
    "edgebox-support": 1.8,  # sees /proc, and the firmware's mailbox; ip(8) gives capabilities up
}
"""What cannot be shut, with the reason."""


def unit(service: str) -> str:
    return f"edgebox-{service}.service"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(box_system(tmp_path_factory.mktemp("m"))) as one:
        one.until_active(*(unit(service) for service in SERVICES))
        yield one


OF_IMAGES = (
    "edgebox-kiosk.service: Command /usr/bin/cage is not executable",
    "edgebox-update-restart.service: Command /usr/lib/edgebox/boot-slot is not executable",
)
"""This machine has no screen, and one system only."""


def test_units_are_correct(machine: Machine) -> None:
    units = (path for path in (ROOT / "systemd").glob("edgebox*.*") if path.is_file())
    names = [path.name for path in units if not is_of_hub(path)]
    command = "systemd-analyze --man=no verify " + " ".join(names) + " 2>&1 || true"
    said = [
        line
        for line in machine.run("sh", "-c", command).splitlines()
        if not line.startswith(OF_IMAGES)
    ]
    assert not said, said


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(hub_system(tmp_path_factory.mktemp("h"), "hub.example.org", "127.0.0.1")) as one:
        one.until_active(*(unit(service) for service in HUB_SERVICES))
        yield one


def is_of_hub(path: Path) -> bool:
    return path.stem.startswith("edgebox-hub")


@pytest.mark.parametrize("path", sorted((ROOT / "systemd").glob("*.service")), ids=lambda p: p.stem)
def test_exposure_is_small(machine: Machine, hub: Machine, path: Path) -> None:
    root = hub.root if is_of_hub(path) else machine.root
    command = ["systemd-analyze", f"--root={root}", "--offline=yes", "--no-pager"]
    done = subprocess.run(
        [*command, "security", path.name], capture_output=True, text=True, check=True
    )
    found = re.search(r"exposure level for \S+ ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) <= EXPOSURE_MORE.get(path.stem, EXPOSURE_MAX)


@pytest.mark.parametrize("service", SERVICES)
def test_killed_service_comes_back(machine: Machine, service: str) -> None:
    before = machine.show(unit(service), "NRestarts")
    machine.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit(service))
    machine.until(lambda: machine.show(unit(service), "NRestarts") != before, "a restart")
    machine.until_active(*(unit(one) for one in SERVICES))


def test_hung_services_are_restarted_by_the_watchdog(machine: Machine) -> None:
    pids = {service: machine.show(unit(service), "MainPID") for service in WATCHED}
    machine.run("kill", "-STOP", *pids.values())
    for service, pid in pids.items():
        machine.until(
            lambda one=service, old=pid: machine.show(unit(one), "MainPID") not in {old, "0"},  # type: ignore[misc]
            f"a new process of {service}",
        )
    machine.until_active(*(unit(service) for service in WATCHED))
    for service in WATCHED:
        assert "Watchdog timeout" in machine.journal(unit(service))


def test_idle_box_feeds_its_watchdogs(machine: Machine) -> None:
    pids = {service: machine.show(unit(service), "MainPID") for service in WATCHED}
    machine.run("sleep", "12")
    assert pids == {service: machine.show(unit(service), "MainPID") for service in WATCHED}


def test_only_its_services_reach_the_bus(machine: Machine) -> None:
    connect = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/edgebox/bus.sock')"
    stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    with pytest.raises(subprocess.CalledProcessError):
        machine.run(*stranger, "python3", "-c", connect)
    group = machine.run("getent", "group", "edgebox").split(":")[2]
    machine.run("setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups",
                "python3", "-c", connect)  # fmt: skip


def test_technician_gets_what_the_hardened_service_may_give(machine: Machine) -> None:
    """The filtered journal, one service anew, the bundle, and a command line that only looks."""
    machine.until_active("edgebox-shell.socket")
    group = machine.run("getent", "group", "edgebox").split(":")[2]
    said = json.loads(
        machine.run(
            "setpriv", "--reuid=65534", f"--regid={group}", "--clear-groups",
            "/opt/edgebox/venv/bin/python3", "-m", "tests.boot.technician",
        )
    )  # fmt: skip
    assert said["missing"] == ""
    assert said["of"] == ["panel"]
    assert any("touch screen" in line for line in said["journal"]), said["journal"]
    assert said["restarted"] == {"type": "Done"}
    assert said["new"] == ["panel"]
    assert "LOOPBACK" in said["addresses"], "ip(8) runs under its unit"
    shell = said["shell"]
    assert shell["who"] == "edgebox-shell\n=0"
    assert shell["groups"].split("\n")[0] == "edgebox-shell systemd-journal"
    for name in ("links", "journal", "processes"):
        assert shell[name].endswith("\n=0"), (name, shell[name])
    for name in ("bus", "keys", "kept", "panel", "restart", "write", "device", "root"):
        assert not shell[name].endswith("=0"), (name, shell[name])
    machine.until_active(unit("panel"))


@pytest.mark.parametrize(
    "command",
    [
        ("systemctl", "--no-ask-password", "restart", "edgebox-media.service"),
        ("systemctl", "--no-ask-password", "stop", "edgebox-panel.service"),
        ("systemctl", "--no-ask-password", "poweroff"),
        ("systemd-run", "--no-ask-password", "id"),
    ],
)
def test_support_may_ask_systemd_for_nothing(machine: Machine, command: tuple[str, ...]) -> None:
    """It asks a service, over the bus, to end by itself: that is all it needs."""
    support = ("setpriv", "--reuid=edgebox-support", "--regid=edgebox", "--init-groups")
    with pytest.raises(subprocess.CalledProcessError):
        machine.run(*support, *command)


def test_command_line_is_for_the_support_service_alone(machine: Machine) -> None:
    connect = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/edgebox-shell.sock')"
    )
    group = ("--regid=edgebox", "--clear-groups")
    for user in ("edgebox-panel", "edgebox-media", "edgebox-shell"):
        with pytest.raises(subprocess.CalledProcessError):
            machine.run("setpriv", f"--reuid={user}", *group, "python3", "-c", connect)
    machine.run("setpriv", "--reuid=edgebox-support", *group, "python3", "-c", connect)


def test_bond_waits_for_an_identity_and_with_one_all_start_anew(machine: Machine) -> None:
    """As after a factory reset and another voucher; nobody restarts anything by hand."""
    identity = machine.root / "etc/edgebox/credentials/identity.pem"
    kept = identity.with_name("kept.pem")
    panel = machine.show(unit("panel"), "MainPID")
    identity.rename(kept)
    machine.until(
        lambda: (
            machine.show(unit("bond"), "ConditionResult") == "no"
            and machine.show(unit("bond"), "ActiveState") == "inactive"
        ),
        "the bond to wait",
    )
    machine.until_active(*(unit(one) for one in SERVICES if one != "bond"))
    assert machine.show(unit("panel"), "MainPID") == panel, "nothing else was touched"
    kept.rename(identity)
    machine.until_active(*(unit(one) for one in SERVICES))
    machine.until(
        lambda: machine.show(unit("panel"), "MainPID") not in {panel, "0"}, "another name's panel"
    )
    machine.until_active(*(unit(one) for one in SERVICES))


def test_units_of_the_hub_are_correct(hub: Machine) -> None:
    names = [path.name for path in (ROOT / "systemd").glob("edgebox-hub*.*") if path.is_file()]
    command = "systemd-analyze --man=no verify " + " ".join(names) + " 2>&1 || true"
    assert not hub.run("sh", "-c", command)


@pytest.mark.parametrize("service", HUB_SERVICES)
def test_killed_service_of_the_hub_comes_back(hub: Machine, service: str) -> None:
    before = hub.show(unit(service), "NRestarts")
    hub.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit(service))
    hub.until(lambda: hub.show(unit(service), "NRestarts") != before, "a restart")
    hub.until_active(*(unit(one) for one in HUB_SERVICES))


def test_secret_of_the_turn_server_is_for_its_eyes_alone(hub: Machine) -> None:
    secret = (hub.root / "etc/edgebox-hub/credentials/turn-secret").read_text().strip()
    made = "/run/edgebox-hub-turn/turnserver.conf"
    assert f"static-auth-secret={secret}" in hub.run("cat", made)
    assert hub.run("stat", "-c", "%U %a", made) == "edgebox-hub-turn 600"
    assert secret not in hub.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
