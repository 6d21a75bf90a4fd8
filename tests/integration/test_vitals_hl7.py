"""From a monitor that speaks HL7 to the hub's store, over a real broker."""

import asyncio
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.config.vitals import Monitor
from edgebox.messages.vitals import (
    VITALS_LIVE,
    VITALS_NOW,
    VITALS_STATUS,
    MonitorStatus,
    VitalsLive,
    VitalsNow,
    VitalsStatus,
)
from edgebox.observation import Alarm, Incident, Numeric, Observation, Wave, unpack, unpack_samples
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.run import Hl7Sender
from edgebox.sim.ports import free_port
from tests.conftest import Broker
from tests.integration.vitals_box import BOX, box, config_of, hub


def listening(port: int, **more: object) -> Monitor:
    return Monitor(
        id="m1",
        name="Monitor",
        kind="hl7",
        listen=f"127.0.0.1:{port}",
        allow=("127.0.0.0/29",),
        stale_after_s=2.0,
        **more,  # type: ignore[arg-type]
    )


def sender(port: int, faults: Faults | None = None, **options: object) -> Hl7Sender:
    monitor = Hl7Monitor(Patient(), faults or Faults(), leads=("II",))
    return Hl7Sender(monitor, "127.0.0.1", port, **options)  # type: ignore[arg-type]


def heart_rates(found: list[Observation]) -> list[Numeric]:
    return [one for one in found if isinstance(one, Numeric) and one.code == 147842]


class Panel:
    """What the panel would see."""

    def __init__(self) -> None:
        self.monitor: MonitorStatus | None = None
        self.now: VitalsNow | None = None
        self.live: list[Observation] = []
        self.states: list[str] = []

    async def listen(self, bus: Bus) -> None:
        await bus.subscribe(VITALS_STATUS, self._status)
        await bus.subscribe(VITALS_NOW, self._now)
        await bus.subscribe(VITALS_LIVE, self._live)

    async def _status(self, status: VitalsStatus, keys: dict[str, str]) -> None:
        (self.monitor,) = status.monitors
        if not self.states or self.states[-1] != self.monitor.state:
            self.states.append(self.monitor.state)

    async def _now(self, now: VitalsNow, keys: dict[str, str]) -> None:
        self.now = now

    async def _live(self, live: VitalsLive, keys: dict[str, str]) -> None:
        self.live += unpack(live.content)

    async def until(self, state: str) -> MonitorStatus:
        async with asyncio.timeout(15):
            while self.monitor is None or self.monitor.state != state:
                await asyncio.sleep(0.05)
        return self.monitor


async def test_values_waves_and_alarms_reach_panel_and_hub(broker: Broker, tmp_path: Path) -> None:
    port, panel, faults = free_port(), Panel(), Faults()
    sim = sender(port, faults, every_s=0.05)
    async with (
        hub(broker) as there,
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, listening(port))),
    ):
        await panel.listen(bus)
        await sim.run(10)
        faults.alarms.append("** SpO2 LAV")
        await sim.run(11)
        found = await there.until(lambda all_of: any(isinstance(one, Alarm) for one in all_of))
        assert len(heart_rates(found)) == 10
        assert {one.value for one in heart_rates(found)} == {72.0}
        (alarm,) = [one for one in found if isinstance(one, Alarm)]
        assert alarm.text == "** SpO2 LAV"
        found = await there.until(lambda all_of: sum(isinstance(one, Wave) for one in all_of) == 20)
        ecg = [one for one in found if isinstance(one, Wave) and one.code == 131330]
        following = [one.first + len(unpack_samples(one.samples)) for one in ecg]
        assert [one.first for one in ecg][1:] == following[:-1]
        status = await panel.until("connected")
        assert status.device == "SIM_MONITOR"
        assert status.clock_ahead_s is not None
        assert abs(status.clock_ahead_s) < 5
        async with asyncio.timeout(5):
            while panel.now is None or not panel.now.alarms:
                await asyncio.sleep(0.05)
        assert {one.name for one in panel.now.numerics} >= {"MDC_PULS_OXIM_SAT_O2", "MDC_TEMP"}
        assert len(heart_rates(panel.live)) == 10


async def test_silence_and_a_pulled_cable_are_said(broker: Broker, tmp_path: Path) -> None:
    port, panel, faults = free_port(), Panel(), Faults()
    sim = sender(port, faults, every_s=0.2)
    async with (
        hub(broker) as there,
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, listening(port))),
    ):
        await panel.listen(bus)
        running = asyncio.create_task(sim.run())
        await panel.until("connected")
        faults.command("silence 0", 0.0)
        await panel.until("silent")
        faults.silent_until = 0.0
        await panel.until("connected")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await panel.until("gone")
        found = await there.until(
            lambda all_of: any(isinstance(one, Incident) and one.what == "gone" for one in all_of)
        )
        said = [one.what for one in found if isinstance(one, Incident)]
        assert said == ["connected", "silent", "connected", "gone"]


async def test_half_frames_and_garbage_cost_only_themselves(broker: Broker, tmp_path: Path) -> None:
    port, faults = free_port(), Faults()
    sim = sender(port, faults, every_s=0.02)
    async with hub(broker) as there, box(config_of(broker, tmp_path, listening(port))):
        await sim.run(3)
        faults.garbage_bytes = 500
        await sim.run(6)
        found = await there.until(lambda all_of: len(heart_rates(all_of)) == 6)
        assert all(one.value == 72 for one in heart_rates(found))


async def test_repeated_message_is_acknowledged_and_stored_once_over_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    port = free_port()
    config = config_of(broker, tmp_path, listening(port))
    message = Hl7Monitor(Patient(), Faults(), waves=False).message(1_795_000_000.0)
    async with hub(broker) as there:
        for _ in range(2):
            async with box(config):
                for _ in range(2):
                    reply = await exchange(port, message)
                    assert b"MSA|AA|" in reply
        found = await there.until(lambda all_of: bool(heart_rates(all_of)))
        await asyncio.sleep(0.5)
        assert len(heart_rates(await there.stored())) == len(heart_rates(found)) == 1


async def test_two_monitors_on_one_listener_are_said(broker: Broker, tmp_path: Path) -> None:
    port, panel = free_port(), Panel()
    one = Hl7Monitor(Patient(), Faults(), waves=False).message(1_795_000_000.0)
    other = one.replace(b"SIM_MONITOR", b"OTHER")
    async with (
        Bus(broker.address, "panel", box=BOX) as bus,
        box(config_of(broker, tmp_path, listening(port))),
    ):
        await panel.listen(bus)
        await exchange(port, one)
        await exchange(port, other)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(other.replace(b"|P|", b"|T|"))
        status = await panel.until("two-on-one-line")
        assert status.detail == "both OTHER and SIM_MONITOR send here"
        writer.close()
        await reader.read()


async def test_strangers_are_refused(broker: Broker, tmp_path: Path) -> None:
    port = free_port()
    async with box(config_of(broker, tmp_path, listening(port))):
        await exchange(port, Hl7Monitor(Patient(), Faults(), waves=False).message(1e9))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.99", 0)
        )
        writer.write(b"\x0bMSH")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)
        writer.close()


async def exchange(port: int, message: bytes) -> bytes:
    """One message and its reply, over a connection of its own."""
    async with asyncio.timeout(10):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                await asyncio.sleep(0.05)
        writer.write(message)
        reply = await reader.readuntil(b"\x1c\r")
        writer.close()
        return reply
