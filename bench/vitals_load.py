"""What vitals cost: `python -m bench.vitals_load`.

Parsers alone, in input of their own form per second of processor time; then the whole service on a
monitor with twelve leads at 500 Hz, four more waves and forty numerics: processor time of the box's
service, bytes for the hub, and the time from the monitor's message to what pages see live.

The synthetic ECG has no noise and packs better than a real one, which takes about a byte a sample.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

from bench.report import machine, percentile, table
from bench.vitals_loss import Rig
from edgebox.bus import Bus
from edgebox.messages.vitals import VITALS_BATCH, VITALS_LIVE, VitalsBatch, VitalsLive
from edgebox.observation import Numeric, Observation, count_samples, pack, unpack
from edgebox.observation import Wave as WaveObservation
from edgebox.sim.monitors.bluetooth import CONTINUOUS, PRESSURE, BluetoothMonitor
from edgebox.sim.monitors.dri import DriMonitor
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.intellivue import IntelliVueMonitor
from edgebox.sim.monitors.medibus import MedibusMonitor
from edgebox.sim.monitors.oximeters import MasimoMonitor, NoninMonitor
from edgebox.sim.monitors.patient import LEADS, Patient
from edgebox.sim.monitors.run import Hl7Sender
from edgebox.vitals.monitors import hl7, hl7_message
from edgebox.vitals.monitors.bluetooth import Bluetooth
from edgebox.vitals.monitors.dri import Dri
from edgebox.vitals.monitors.intellivue import IntelliVue
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import Medibus
from edgebox.vitals.monitors.mllp import Mllp
from edgebox.vitals.monitors.nonin import Nonin
from edgebox.vitals.monitors.sdc import Code, Metric, Quality, Sdc

NUMERICS = 40
EXTRA_WAVES = 4
EXTRA_RATE_HZ = 125
NOW_UTC = 1_795_000_000.0


class Heavy(Hl7Monitor):
    """Adds waves and numerics until there are as many as the vehicle's largest monitor has."""

    def message(self, now_utc: float) -> bytes:
        """One second of everything."""
        plain = super().message(now_utc)
        begin_utc = now_utc - 1.0
        lines = [
            f"OBX|{n}|NM|{4000 + n}^VALUE_{n}^99SIM|2.1.1.{n}|{50 + n}|%^^UCUM|||||R"
            for n in range(NUMERICS - 9)
        ]
        for n in range(EXTRA_WAVES - 1):
            raw = "^".join(
                str(round(500 * self.patient.breathing(begin_utc + k / EXTRA_RATE_HZ)))
                for k in range(EXTRA_RATE_HZ)
            )
            where = f"1.8.{n}.1"
            lines += [
                f"OBX|1|NA|{5000 + n}^WAVE_{n}^99SIM|{where}|{raw}|1^^UCUM|||||R",
                f"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|{where}.1|{EXTRA_RATE_HZ}|Hz^^UCUM",
                f"OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|{where}.2|0.001|1^^UCUM",
            ]
        return plain[:-2] + "".join(line + "\r" for line in lines).encode() + b"\x1c\r"


def _rate(name: str, data: list[bytes], take: Callable[[bytes], list[Observation]]) -> list[str]:
    """A row: bytes, values and samples per second of processor time."""
    began, done = time.process_time(), 0
    values, samples = 0, 0
    while time.process_time() < began + 1.5:
        for one in data:
            for found in take(one):
                values += isinstance(found, Numeric)
                if isinstance(found, WaveObservation):
                    samples += count_samples(found.samples)
            done += len(one)
    spent_s = time.process_time() - began
    per_s = (done, values, samples)
    return [name, *(f"{count / spent_s:,.0f}" for count in per_s)]


def parsers() -> list[list[str]]:
    """Each protocol alone."""
    heavy = [Heavy(Patient(), Faults()).message(NOW_UTC + n) for n in range(3)]
    reader = hl7.Reader("m1", UTC)

    def take_hl7(data: bytes) -> list[Observation]:
        found = Mllp().receive(data, 0.0)
        return [one for raw in found for one in reader.read(hl7_message.parse(raw), NOW_UTC)]

    monitor = IntelliVueMonitor(Patient(), Faults(), now=0.0, leads=LEADS)
    core = IntelliVue("m1", UTC, waves=True, now=0.0)
    said: list[bytes] = []
    for step in range(200):
        now = step * 0.05
        if now >= core.next_timeout():
            core.handle_timeout(now)
        answers = monitor.tick(now, NOW_UTC + now)
        for message in core.messages_to_send():
            answers += monitor.receive(message, now, NOW_UTC + now)
        for answer in answers:
            core.receive(answer, now, NOW_UTC + now)
        said += answers
    core.observations()

    def take_intellivue(data: bytes) -> list[Observation]:
        core.receive(data, 1.0, NOW_UTC)
        return core.observations()

    nonin, masimo = Nonin("m1"), Masimo("m1", UTC)

    def take_nonin(data: bytes) -> list[Observation]:
        nonin.receive(data, 0.0, NOW_UTC)
        return nonin.observations()

    def take_masimo(data: bytes) -> list[Observation]:
        masimo.receive(data, 0.0, NOW_UTC)
        return masimo.observations()

    bluetooth = BluetoothMonitor(Patient(), Faults(), UTC)
    payloads = [(CONTINUOUS, bluetooth.continuous()), (PRESSURE, bluetooth.pressure(NOW_UTC))]
    device = Bluetooth("m1", UTC)
    kinds = {value: kind for kind, value in payloads}

    def take_bluetooth(data: bytes) -> list[Observation]:
        device.receive(kinds[data], data, NOW_UTC)
        return device.observations()

    lines = MasimoMonitor(Patient(), Faults(), now=0.0).tick(60.0, NOW_UTC)
    frames = NoninMonitor(Patient(), Faults(), now=0.0).tick(60.0)
    return [
        _rate("HL7, 12 leads", heavy, take_hl7),
        _rate("IntelliVue, 12 leads", said, take_intellivue),
        _rate("Nonin", [frames], take_nonin),
        _rate("Masimo", [lines], take_masimo),
        _line_rate("MEDIBUS", MedibusMonitor(Patient(), Faults(), now=0.0), Medibus),
        _line_rate("S/5 DRI", DriMonitor(Patient(), Faults(), now=0.0), Dri),
        _rate("Bluetooth", [value for _, value in payloads], take_bluetooth),
        _sdc_rate(),
    ]


def _line_rate(
    name: str, monitor: MedibusMonitor | DriMonitor, core: type[Medibus | Dri]
) -> list[str]:
    """A protocol in which both sides talk: what is said in ten seconds, read anew each time."""
    line = core("m1", waves=True, now=0.0)
    said: list[bytes] = []
    for step in range(500):
        now = step * 0.02
        due = line.next_timeout()
        if due is not None and now >= due:
            line.handle_timeout(now)
        heard = monitor.take(line.data_to_send(), now, NOW_UTC) + monitor.tick(now, NOW_UTC)
        line.receive(heard, now, NOW_UTC)
        said += [heard] if heard else []
    line.observations()

    def take(data: bytes) -> list[Observation]:
        line.receive(data, 10.0, NOW_UTC)
        line.data_to_send()
        return line.observations()

    return _rate(name, said, take)


def _sdc_rate() -> list[str]:
    """Reports of a device after the library has read them: a value and a second of ECG."""
    device, at_utc = Sdc("m1"), NOW_UTC
    ecg = [round(Patient().ecg_mv("II", n / 500), 3) for n in range(500)]
    device.describe(
        [
            Metric("spo2", Code("150456", text="SpO2"), Code("262688")),
            Metric("ecg", Code("131330"), Code("266418"), period_s=0.002),
        ]
    )

    def take(data: bytes) -> list[Observation]:
        nonlocal at_utc
        at_utc += 1.0
        quality = Quality("Vld", determined_utc=at_utc)
        device.take_value("spo2", 97.0, quality, at_utc)
        device.take_samples("ecg", ecg, quality, at_utc)
        return device.observations()

    return ["SDC, behind its library", "-", *_rate("", [b""], take)[2:]]


async def whole(seconds: float) -> list[list[str]]:
    """The service as a process of its own, with its brokers and the hub's receiver."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        rig = Rig(Path(name), 1)
        sender = Hl7Sender(Heavy(Patient(), Faults()), "127.0.0.1", rig.port, every_s=1.0)
        warm = asyncio.Event()

        def count(message: bytes, reply: bytes) -> None:
            if sender.sent >= 3:
                warm.set()

        sender.acknowledged = count
        delays: list[float] = []
        sizes: list[int] = []

        async def live(message: VitalsLive, keys: dict[str, str]) -> None:
            now_utc = time.time()
            for one in unpack(message.content):
                if isinstance(one, Numeric) and one.source_utc is not None and not one.episodic:
                    delays.append(now_utc - one.source_utc)
                    break

        async def upward(message: VitalsBatch, keys: dict[str, str]) -> None:
            sizes.append(len(message.content))

        try:
            for process in ("hub broker", "box broker", "hub", "vitals"):
                await rig.start(process)
            async with Bus(rig.box_bus, "bench", box="box-1") as bus:
                await bus.subscribe(VITALS_LIVE, live)
                await bus.subscribe(VITALS_BATCH, upward)
                sending = asyncio.create_task(sender.run())
                await warm.wait()
                delays.clear()
                sizes.clear()
                pid = rig._processes["vitals"].pid
                before, began_at = _cpu_s(pid), time.monotonic()
                await asyncio.sleep(seconds)
                spent_s, passed_s = _cpu_s(pid) - before, time.monotonic() - began_at
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                await rig.stop()
    return [
        ["processor of the service", f"{100 * spent_s / passed_s:.1f} % of one core"],
        ["to the hub, before base64", f"{8 * sum(sizes) / passed_s / 1000:.0f} kbit/s"],
        ["message to live, median", f"{1000 * percentile(delays, 0.5):.0f} ms"],
        ["message to live, 95 of 100", f"{1000 * percentile(delays, 0.95):.0f} ms"],
    ]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    print(machine())
    print()
    print(table(["parser, per second of processor", "bytes", "values", "samples"], parsers()))
    second = Heavy(Patient(), Faults()).message(NOW_UTC)
    (raw,) = Mllp().receive(second, 0.0)
    found = hl7.Reader("m1", UTC).read(hl7_message.parse(raw), NOW_UTC)
    values = sum(isinstance(one, Numeric) for one in found)
    samples = sum(count_samples(one.samples) for one in found if isinstance(one, WaveObservation))
    print(f"\none second: {values} values, {samples} samples, {len(pack(found))} bytes packed\n")
    print(table(["whole service", ""], asyncio.run(whole(options.seconds))))


if __name__ == "__main__":
    main()
