"""The main job in the booted image: its camera in a doctor's browser outside, by a hub outside."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.machine import CAMERA, Machine, booted, hub_system
from tests.boot.roads import HUB, LINKS
from tests.boot.test_image import give_identity, put, units
from tests.boot.test_main_job import FORWARD, LINK, NAME, mission
from tests.boot.uml import IMAGE, Box, Disk, running
from tests.boot.uml_roads import UmlRoads, uml_roads
from tests.demo import until_frames, until_true, utc

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not IMAGE.exists(), reason="there is no image: make image"),
]

HUB_UNITS = tuple(f"edgebox-hub-{one}.service" for one in ("bus", "web", "bond", "turn"))
BACK_WITHIN_S = 30.0
"""User-mode Linux is slow; tests/boot/test_main_job.py has a vehicle's limit."""


@dataclass(frozen=True)
class Installed:
    """A booted image and a hub that know each other."""

    box: Box
    hub: Machine
    roads: UmlRoads


def configure(box: Box) -> None:
    """As a technician does: hub, links, camera."""
    box.sh(f"sed -i 's/hub\\.example\\.org/{HUB}/g' /etc/edgebox/edgebox.toml"
           " /etc/edgebox/mosquitto/box.conf")  # fmt: skip
    text = FORWARD + "".join(LINK.format(name) for name in LINKS) + CAMERA
    put(box, "/tmp/added", text)  # noqa: S108 - inside
    box.sh("cat /tmp/added >>/etc/edgebox/edgebox.toml; edgebox check-config")
    box.run("systemctl", "restart", "edgebox.target")


def hub_root(directory: Path) -> Path:
    """Of the hub that such a box is configured for."""
    root = hub_system(directory, NAME, HUB)
    settings = root / "etc/edgebox-hub/hub.toml"
    text = settings.read_text().replace(f"turn:{NAME}", f"turn:{HUB}")
    settings.write_text(text.replace(f'"https://{NAME}"', '"http://127.0.0.1:8090"'))
    return root


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    directory = tmp_path_factory.mktemp("j")
    disk = Disk.new(directory)
    with (
        uml_roads() as net,
        booted(hub_root(directory), net.path(net.hub)) as hub,
        running(disk, taps=net.taps, space=net.hub, prepare=net.prepare) as box,
    ):
        hub.until_active(*HUB_UNITS)
        box.until_up()
        give_identity(box, directory)
        configure(box)
        box.until_active(*units("bus", "bond", "media", "panel"))
        with net.panel(box):
            yield Installed(box, hub, net)
    disk.path.unlink()


def test_each_modem_has_an_address_and_a_way_out(installed: Installed) -> None:
    box = installed.box
    for link in LINKS:
        box.until(
            lambda link=link: f"dev {link}" in box.run("ip", "-4", "route", "show", "default"),  # type: ignore[misc]
            f"a default route by {link}",
        )
    ways = box.run("ip", "-4", "route", "show", "default").splitlines()
    metrics = [line.partition("metric ")[2].split()[0] for line in ways]
    assert len(set(metrics)) == len(LINKS), "none hides another"


async def test_doctor_sees_the_cabin_although_links_and_services_die(
    installed: Installed, tmp_path: Path
) -> None:
    async with mission(installed, tmp_path) as (panel, doctor):  # type: ignore[arg-type]
        installed.roads.cut(0)
        await until_frames(doctor, since_utc=utc() + 1, count=10, timeout_s=BACK_WITHIN_S)
        installed.roads.join(0)
        # The broker's own connection went over that link, and comes back with it.
        await until_true(panel, "!document.querySelector('#notices').textContent.trim()", 60)
        for service in ("media", "bond"):
            kill = ("systemctl", "kill", "--kill-who=main", "--signal=KILL")
            await asyncio.to_thread(installed.box.run, *kill, f"edgebox-{service}.service")
            killed_utc = utc()
            await until_frames(doctor, since_utc=killed_utc + 1, count=10, timeout_s=BACK_WITHIN_S)
        await until_true(panel, "document.querySelectorAll('.link').length === 3")
