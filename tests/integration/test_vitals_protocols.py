"""Every protocol, from its simulated monitor to the panel and to the doctor's page, in a browser.

One demo; the box's configuration is written anew for each group of monitors and the vitals service
killed, as a technician's `systemctl restart` would. Each patient has a saturation of their own.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from edgebox.sim.monitors.bluetooth import ADDRESS, BluetoothMonitor
from edgebox.sim.monitors.bluez import bluez
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.run import Hl7Sender
from edgebox.sim.monitors.wire import FramedIntelliVue, Pty, UdpIntelliVue
from edgebox.sim.ports import LOOPBACK, free_port
from tests.demo import RunningDemo, chromium, demo, until_true
from tests.integration.test_vitals_live import join
from tests.integration.test_vitals_sdc import device
from tests.integration.test_vitals_serial import OSLO, running

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(180)]

SPO2 = {
    "hl7": 81,
    "intellivue-udp": 82,
    "intellivue-serial": 83,
    "masimo": 84,
    "nonin": 85,
    "medibus": 86,
    "dri": 87,
    "bluetooth": 88,
    "sdc": 97,
}
"""What each monitor's patient has; that of the SDC device is a process of its own."""
GROUPS = (
    ("hl7", "intellivue-udp", "intellivue-serial", "masimo", "nonin"),
    ("medibus", "dri", "bluetooth", "sdc"),
)


class Ward:
    """All monitors but the SDC device, in this process."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._now = time.monotonic()
        self.ports = {"hl7": free_port(), "intellivue-udp": free_port()}
        self.bluetooth = BluetoothMonitor(self._patient("bluetooth"), Faults(), OSLO)

    def _patient(self, kind: str) -> Patient:
        return Patient(spo2=float(SPO2[kind]))

    def pty(self, kind: str) -> Pty:
        """Where a serial one stands."""
        pty = Pty(self._directory / kind)
        pty.plug_in()
        return pty

    def talk(self) -> list[Coroutine[Any, Any, None]]:
        """All of them."""
        now = self._now
        nonin = NoninMonitor(self._patient("nonin"), Faults(), now=now)
        masimo = MasimoMonitor(self._patient("masimo"), Faults(), now=now, zone=OSLO)
        medibus = MedibusMonitor(self._patient("medibus"), Faults(), now=now)
        dri = DriMonitor(self._patient("dri"), Faults(), now=now)
        serial, udp = (
            IntelliVueMonitor(self._patient(kind), Faults(), now=now, zone=OSLO)
            for kind in ("intellivue-serial", "intellivue-udp")
        )
        framed = FramedIntelliVue(serial)
        hl7 = Hl7Monitor(self._patient("hl7"), Faults(), leads=("II",))
        return [
            Hl7Sender(hl7, LOOPBACK, self.ports["hl7"], every_s=0.5).run(),
            UdpIntelliVue(udp).run(LOOPBACK, self.ports["intellivue-udp"]),
            self.pty("intellivue-serial").run(framed.tick, framed.take),
            self.pty("masimo").run(masimo.tick),
            self.pty("nonin").run(lambda at, _: nonin.tick(at)),
            self.pty("medibus").run(medibus.tick, medibus.take),
            self.pty("dri").run(dri.tick, dri.take),
            self.bluetooth.run(),
        ]

    def entry(self, kind: str, sdc: Mapping[str, str]) -> str:
        """A monitor's table in the configuration."""
        way = {
            "hl7": f"listen = '{LOOPBACK}:{self.ports['hl7']}'\nallow = ['{LOOPBACK}']",
            "intellivue-udp": f"address = '{LOOPBACK}:{self.ports['intellivue-udp']}'",
            "bluetooth": f"identity = '{ADDRESS}'",
            "sdc": "\n".join(f"{k} = '{v}'" for k, v in sdc.items() if k not in {"id", "name"}),
        }.get(kind, f"port = '{self._directory / kind}'")
        kind_line = "" if kind == "sdc" else f"kind = '{kind.partition('-')[0]}'\n"
        return f"[[vitals.monitor]]\nid = '{kind}'\nname = '{kind}'\n{kind_line}{way}\n"


def configure(running_demo: RunningDemo, entries: str) -> None:
    """These monitors and no others; the service starts again with them."""
    path = running_demo.configuration()
    before, _, rest = path.read_text().partition("[[vitals.monitor]]")
    text = before + rest[rest.index("[panel]") :]
    path.write_text(text.replace("[panel]", f"{entries}[panel]", 1))
    running_demo.kill("vitals")


@contextlib.asynccontextmanager
async def ward(directory: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Ward]:
    """Monitors talking; whoever is started now finds the Bluetooth stand-in."""
    all_of = Ward(directory)
    async with bluez(directory, all_of.bluetooth.peripheral) as address:
        patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        async with running(*all_of.talk()):
            yield all_of


async def until_shown(doctor: Page, panel: Page, kinds: tuple[str, ...]) -> None:
    """Value, unit and validity of each monitor on both screens; waves where it has some."""
    for kind in kinds:
        item = f"#monitor-{kind} li[data-name='MDC_PULS_OXIM_SAT_O2']"
        value = f"document.querySelector(\"{item} b\")?.innerText === '{SPO2[kind]}'"
        await until_true(doctor, value, timeout_s=30)
        text = await doctor.inner_text(item)
        assert "%" in text, kind
        assert "gyldig" in text, kind
        cell = (
            "[...document.querySelectorAll('#vitals-values .vital')].some((one) => "
            f"one.querySelector('.value').innerText === '{SPO2[kind]}' && "
            "one.querySelector('.now').innerText.startsWith('gyldig'))"
        )
        await until_true(panel, cell, timeout_s=15)
    await until_true(doctor, "document.querySelectorAll('.wave canvas').length > 0")


async def test_every_protocol_reaches_panel_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        ward(tmp_path, monkeypatch) as all_of,
        device(tmp_path / "sdc-device") as sdc,
        demo() as one,
        chromium() as browser,
    ):
        configure(one, "".join(all_of.entry(kind, sdc.entry) for kind in GROUPS[0]))
        panel = await browser.new_page(viewport={"width": 1280, "height": 800})
        await panel.goto(one.panel)
        doctor = await join(browser, one.room, "Kari Berg")
        await panel.click("#start")
        await panel.click("#vitals-tile")
        await until_shown(doctor, panel, GROUPS[0])
        configure(one, "".join(all_of.entry(kind, sdc.entry) for kind in GROUPS[1]))
        await until_shown(doctor, panel, GROUPS[1])
        gone = await doctor.locator("#monitor-nonin li").count()
        assert gone == 0, "what is not configured any more is not shown"
