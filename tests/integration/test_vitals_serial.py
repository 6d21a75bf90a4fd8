"""Monitors on serial ports (ptys) and on UDP, through the service to the hub's store."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edgebox.bus import Bus
from edgebox.config.vitals import Monitor
from edgebox.observation import Incident, Numeric, Observation, Wave
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.wire import FramedIntelliVue, Pty, UdpIntelliVue
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.test_vitals_hl7 import Panel
from tests.integration.vitals_box import BOX, HubSide, box, config_of, hub

OSLO = ZoneInfo("Europe/Oslo")


@contextlib.asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def serial(path: Path, kind: str) -> Monitor:
    return Monitor(id="m1", name="M", kind=kind, port=str(path), stale_after_s=2.0)  # type: ignore[arg-type]


def spo2(found: list[Observation]) -> list[float | None]:
    return [one.value for one in found if isinstance(one, Numeric) and one.code == 150456]


def incidents(found: list[Observation]) -> list[str]:
    return [one.what for one in found if isinstance(one, Incident)]


async def until_spo2(there: HubSide, count: int) -> list[Observation]:
    return await there.until(lambda found: len(spo2(found)) >= count)


def talker(kind: str, faults: Faults, pty: Pty) -> Coroutine[Any, Any, None]:
    loop = asyncio.get_running_loop()
    now = loop.time()
    if kind == "nonin":
        nonin = NoninMonitor(Patient(), faults, now=now)
        return pty.run(lambda at, _: nonin.tick(at))
    if kind == "masimo":
        return pty.run(MasimoMonitor(Patient(), faults, now=now, zone=OSLO).tick)
    if kind == "dri":
        dri = DriMonitor(Patient(), faults, now=now)
        return pty.run(dri.tick, dri.take)
    if kind == "medibus":
        medibus = MedibusMonitor(Patient(), faults, now=now)
        return pty.run(medibus.tick, medibus.take)
    monitor = IntelliVueMonitor(Patient(), faults, now=now, zone=OSLO)
    framed = FramedIntelliVue(monitor)
    return pty.run(framed.tick, framed.take)


@pytest.mark.parametrize("kind", ["nonin", "masimo", "intellivue", "medibus", "dri"])
async def test_monitor_on_a_port_reaches_the_hub(broker: Broker, tmp_path: Path, kind: str) -> None:
    pty = Pty(tmp_path / "port")
    pty.plug_in()
    async with (
        hub(broker) as there,
        box(config_of(broker, tmp_path, serial(pty.path, kind))),
        running(talker(kind, Faults(), pty)),
    ):
        found = await until_spo2(there, 1 if kind == "dri" else 2)
        assert set(spo2(found)) == {97.0}
        assert incidents(found) == ["connected"]
        if kind != "masimo":
            # They are sent after values.
            await there.until(lambda all_of: any(isinstance(one, Wave) for one in all_of))
    pty.pull_out()


async def test_kind_is_recognised_and_the_cable_may_be_pulled_in_mid_frame(
    broker: Broker, tmp_path: Path
) -> None:
    pty, panel = Pty(tmp_path / "port"), Panel()
    async with (
        hub(broker) as there,
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, serial(pty.path, "auto"))),
    ):
        await panel.listen(bus)
        waiting = await panel.until("waiting")
        async with asyncio.timeout(5):
            while not waiting.detail:
                await asyncio.sleep(0.05)
                waiting = await panel.until("waiting")
        assert "could not open port" in waiting.detail
        for _ in range(2):
            pty.plug_in()
            before = len(spo2(await there.stored()))
            async with running(talker("nonin", Faults(), pty)):
                await panel.until("connected")
                await until_spo2(there, before + 3)
            pty.write(b"\x01\x80\x33")
            await asyncio.sleep(0.1)
            pty.pull_out()
            await panel.until("gone")
        found = await there.until(lambda all_of: incidents(all_of).count("gone") == 2)
        assert set(spo2(found)) == {97.0}
        assert panel.monitor is not None
        assert panel.monitor.device == "Nonin"


async def test_what_is_not_readable_is_said(broker: Broker, tmp_path: Path) -> None:
    pty, panel = Pty(tmp_path / "port"), Panel()
    pty.plug_in()
    async with (
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, serial(pty.path, "nonin"))),
        running(pty.run(lambda now, now_utc: b"\x00\xf8\x1c\x00\xfe" * 3)),
    ):
        await panel.listen(bus)
        status = await panel.until("wrong-speed")
        assert "speed" in status.detail
        assert status.received_utc == 0.0
    pty.pull_out()


async def test_faults_of_a_line_cost_only_their_frames(broker: Broker, tmp_path: Path) -> None:
    pty, faults = Pty(tmp_path / "port"), Faults()
    pty.plug_in()
    async with (
        hub(broker) as there,
        box(config_of(broker, tmp_path, serial(pty.path, "intellivue"))),
        running(talker("intellivue", faults, pty)),
    ):
        await until_spo2(there, 2)
        for fault in ("checksum", "half", "garbage 50"):
            faults.command(fault, 0.0)
            await asyncio.sleep(0.5)
        found = await until_spo2(there, 6)
        assert set(spo2(found)) == {97.0}
        found = await there.until(lambda all_of: "damaged" in incidents(all_of))
    pty.pull_out()


async def test_two_services_do_not_share_a_port(broker: Broker, tmp_path: Path) -> None:
    pty, panel = Pty(tmp_path / "port"), Panel()
    pty.plug_in()
    (tmp_path / "other").mkdir()
    async with (
        box(config_of(broker, tmp_path / "other", serial(pty.path, "nonin"))),
        running(talker("nonin", Faults(), pty)),
    ):
        await asyncio.sleep(0.5)
        async with (
            Bus(broker.address, "panel", box="box-2") as bus,
            box(config_of(broker, tmp_path, serial(pty.path, "nonin"), box_id="box-2")),
        ):
            await panel.listen(bus)
            status = await panel.until("waiting")
            async with asyncio.timeout(5):
                while not status.detail:
                    await asyncio.sleep(0.05)
                    status = await panel.until("waiting")
            assert "exclusively lock" in status.detail
    pty.pull_out()


async def test_monitor_on_the_network_reaches_the_hub(broker: Broker, tmp_path: Path) -> None:
    port, panel, faults = free_port(), Panel(), Faults()
    monitor = Monitor(
        id="m1", name="M", kind="intellivue", address=f"127.0.0.1:{port}", stale_after_s=2.0
    )
    now = asyncio.get_running_loop().time()
    sim = UdpIntelliVue(IntelliVueMonitor(Patient(), faults, now=now, zone=OSLO))
    async with (
        hub(broker) as there,
        Bus(broker.address, "panel", box=BOX) as bus,
        running(sim.run("127.0.0.1", port)),
        box(config_of(broker, tmp_path, monitor)),
    ):
        await panel.listen(bus)
        found = await until_spo2(there, 3)
        assert set(spo2(found)) == {97.0}
        status = await panel.until("connected")
        assert status.device == "Philips SIM MX450"
        assert status.clock_ahead_s is not None
        assert abs(status.clock_ahead_s) < 2
        faults.command("silence 0", 0.0)
        await panel.until("silent")
