"""A simulated SDC device, over TLS on loopback, through the service to the hub's store."""

import asyncio
import contextlib
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edgebox.bus import Bus
from edgebox.config.vitals import Monitor
from edgebox.messages.vitals import MonitorStatus, VitalsStatus
from edgebox.observation import Alarm, Numeric, Observation, Wave, unpack_samples
from edgebox.sim.monitors.sdc_pki import make_participants
from tests.conftest import Broker
from tests.integration.test_vitals_hl7 import Panel
from tests.integration.test_vitals_serial import incidents, spo2
from tests.integration.vitals_box import BOX, box, config_of, hub

pytestmark = pytest.mark.timeout(90)


class Device:
    """A simulated device in a process of its own, with a keyboard."""

    def __init__(self, process: asyncio.subprocess.Process, entry: dict[str, str]):
        self._process = process
        self.entry = entry

    def command(self, line: str) -> None:
        """A line of faults.py."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def monitor(self, **other: str) -> Monitor:
        """As the configuration has it."""
        entry: Any = {**self.entry, "id": "m1", "stale_after_s": 3.0, **other}
        return Monitor(**entry)


@contextlib.asynccontextmanager
async def device(directory: Path) -> AsyncIterator[Device]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edgebox", "sim-monitor", "sdc", str(directory),
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(40):
            while not (directory / "monitor.toml").exists():
                await asyncio.sleep(0.1)
        entry = tomllib.loads((directory / "monitor.toml").read_text())["vitals"]["monitor"][0]
        yield Device(process, entry)
    finally:
        process.terminate()
        await process.communicate()


class Both(Panel):
    """What the panel sees of two configured devices, the second with another authority."""

    foreign: MonitorStatus | None = None

    async def _status(self, status: VitalsStatus, keys: dict[str, str]) -> None:
        self.monitor, self.foreign = status.monitors


async def test_a_device_reaches_the_hub_and_one_of_another_authority_does_not(
    broker: Broker, tmp_path: Path
) -> None:
    ours, panel = make_participants(tmp_path / "ours", ("box",))["box"], Both()
    files = {"ca": ours.ca, "certificate": ours.certificate, "private_key": ours.private_key}
    async with contextlib.AsyncExitStack() as life:
        one = await life.enter_async_context(device(tmp_path / "sdc"))
        foreign = one.monitor(**{key: str(file) for key, file in files.items()}, id="foreign")
        async with (
            hub(broker) as there,
            Bus(broker.address, "panel", box=BOX) as bus,
            box(config_of(broker, tmp_path, one.monitor(), foreign)),
        ):
            await panel.listen(bus)
            status = await panel.until("connected")
            assert status.device == "Edgebox Simulated SDC"
            found = await there.until(lambda all_of: len(spo2(all_of)) >= 3)
            assert set(spo2(found)) == {97.0}
            waves = [one for one in found if isinstance(one, Wave) and one.code == 131330]
            assert {(one.rate_hz, one.unit) for one in waves} == {(250.0, "mV")}
            ends = [one.first + len(unpack_samples(one.samples)) for one in waves]
            assert [one.first for one in waves][1:] == ends[:-1], "no sample lost or twice"
            numerics = [one for one in found if isinstance(one, Numeric)]
            assert {one.name for one in numerics} >= {"MDC_ECG_HEART_RATE", "MDC_TEMP"}
            times = [one.source_utc for one in numerics if one.code == 150456]
            assert None not in times
            assert len(times) == len(set(times)), "a measurement is reported once"
            assert status.clock_ahead_s is None or abs(status.clock_ahead_s) < 2

            one.command("lead-off\nalarm ** SpO2 LAV")
            await there.until(lambda all_of: spo2(all_of)[-1] is None)
            one.command("lead-on\ndemo")
            await there.until(lambda all_of: any(is_demo(each) for each in all_of))
            found = await there.until(lambda all_of: any(isinstance(x, Alarm) for x in all_of), 30)
            alarm = next(one for one in found if isinstance(one, Alarm))
            assert (alarm.text, alarm.priority, alarm.origin) == ("** SpO2 LAV", "Me", "SpO2")
            assert {one.device for one in found} == {"m1"}
            assert panel.foreign is not None
            assert panel.foreign.state == "waiting"
            assert "SSL" in panel.foreign.detail
            await life.aclose()
            await panel.until("gone")
            assert incidents(await there.stored()) == ["connected", "gone"]


def is_demo(one: Observation) -> bool:
    return isinstance(one, Numeric | Wave) and one.validity == "demo"
