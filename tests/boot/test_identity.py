"""Boxes get their identity from the booted hub's authority; a booted box looks for its own."""

from collections.abc import Iterator

import pytest

from tests.boot.machine import Machine, booted, box_system, hub_system

pytestmark = pytest.mark.privileged

EDGEBOX = "/opt/edgebox/venv/bin/edgebox"
IDENTITY = "etc/edgebox/credentials/identity.pem"
DIRECTORY = "/var/lib/edgebox-hub-authority"
UNREACHABLE = "http://127.0.0.1:1/enrol#box-7.mzxw6ytboi4tqmjsgaztcmzvge"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = hub_system(tmp_path_factory.mktemp("h"), "hub.example.org", "127.0.0.1")
    config = root / "etc/edgebox-hub/hub.toml"
    # Its own browser front is not here: a box beside it comes in without.
    text = config.read_text().replace('"https://hub.example.org"', '"http://127.0.0.1:8090"')
    config.write_text(text)
    with booted(root) as one:
        one.until_active("edgebox-hub-web.service", "edgebox-hub-bus.service")
        yield one


def as_authority(hub: Machine, *command: str) -> str:
    prefix = ("setpriv", "--reuid=edgebox-hub-authority", "--regid=edgebox-hub", "--clear-groups")
    hub_config = ("--config", "/etc/edgebox-hub/hub.toml")
    return hub.run(*prefix, EDGEBOX, "authority", *command, *hub_config)


def test_from_the_fleets_first_key_to_a_box(hub: Machine) -> None:
    refused = hub.run(
        "sh", "-c", f"{EDGEBOX} authority list --config /etc/edgebox-hub/hub.toml 2>&1 || true"
    )
    assert "belongs to edgebox-hub-authority: run this as `sudo -u" in refused
    assert "fleet-ca.key" in as_authority(hub, "init", "--name", "Test fleet")
    hub.run("systemctl", "restart", "edgebox-hub-authority.service")
    hub.until_active("edgebox-hub-authority.service")
    said = as_authority(hub, "voucher", "box-7", "--vehicle", "Ambulanse 7")
    said = hub.run(EDGEBOX, "provision", said.splitlines()[-1], "--etc", "/tmp/box-7")  # noqa: S108
    assert "this box is box-7 now" in said
    assert "box-7" in as_authority(hub, "list")
    assert "1 certificate(s) of box-7 shut out" in as_authority(hub, "replace", "box-7")
    # Staff and headsets are set up as docs/install.md says.
    hub.run(
        "sh", "-c",
        f"cd {DIRECTORY} && for file in fleet-ca.pem registry.pem registry.key staff-ca.pem"
        " staff.pem staff.key; do install -D -m 600 $file /etc/credstore/edgebox-hub.$file; done",
    )  # fmt: skip
    config = hub.root / "etc/edgebox-hub/hub.toml"
    text = config.read_text().replace('staff_listen = ""', 'staff_listen = "127.0.0.1:8443"')
    text = text.replace(
        'registry_certificate = ""', 'registry_certificate = "credential:registry.pem"'
    )
    config.write_text(text)
    hub.run("systemctl", "restart", "edgebox-hub-web.service")
    hub.until_active("edgebox-hub-web.service")
    assert ":8443" in hub.run("ss", "-ltn")
    # The hub's bond, another user, reads what is shut out, and not the keys.
    bond = ("setpriv", "--reuid=edgebox-hub-bond", "--regid=edgebox-hub", "--clear-groups")
    assert "serial:" in hub.run(*bond, "cat", f"{DIRECTORY}/revoked")
    assert hub.run(*bond, "cat", f"{DIRECTORY}/fleet-ca.key", check=False) == ""
    assert hub.run(*bond, "cat", f"{DIRECTORY}/register.db", check=False) == ""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with booted(box_system(tmp_path_factory.mktemp("m"))) as one:
        one.until_active("edgebox-bus.service", "edgebox-bond.service")
        yield one


def test_new_identity_is_used_at_once(box: Machine) -> None:
    box.until_active("edgebox-identity.path", "edgebox-renewal.timer")
    before = box.show("edgebox-bond.service", "MainPID")
    path = box.root / IDENTITY
    new = path.with_suffix(".new")
    new.write_bytes(path.read_bytes())
    new.replace(path)
    box.until(lambda: box.show("edgebox-bond.service", "MainPID") not in {before, "0"}, "a restart")
    box.until_active("edgebox-bus.service", "edgebox-bond.service")


def test_renewal_looks_and_finds_nothing_to_do(box: Machine) -> None:
    box.run("systemctl", "start", "edgebox-renewal.service")
    assert "not yet" in box.journal("edgebox-renewal.service")


def test_voucher_on_a_stick_is_tried_until_the_hub_answers(box: Machine) -> None:
    path = box.root / IDENTITY
    kept = path.read_bytes()
    box.run(
        "sh",
        "-c",
        f"mkdir -p /run/edgebox-usb; echo '{UNREACHABLE}' > /run/edgebox-usb/edgebox-voucher.txt",
    )
    box.run("systemctl", "start", "edgebox-voucher.service")
    assert "Cannot connect" not in box.journal("edgebox-voucher.service"), "it has an identity"
    path.unlink()
    box.run("systemctl", "--no-block", "start", "edgebox-voucher.service")
    unit = "edgebox-voucher.service"
    box.until(lambda: "Cannot connect" in box.journal(unit), "a try")
    box.until(lambda: box.show(unit, "SubState") == "auto-restart", "the wait for another try")
    assert "mzxw6" not in box.journal(unit)
    key = (box.root / "etc/edgebox/credentials/next.key").read_bytes()
    assert b"PRIVATE KEY" in key
    box.run("systemctl", "stop", unit)
    path.write_bytes(kept)
