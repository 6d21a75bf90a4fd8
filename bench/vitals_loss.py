"""What a monitor said against what the hub has, over kill -9 of every process in turn.

    python -m bench.vitals_loss --points 1000 --offline 100 --seed 1

A simulated monitor sends numbered values and an ECG lead by HL7, each message acknowledged before
the next. At random moments the vitals service, the box's broker, the hub's receiver or the hub's
broker is killed and started again at once; `--offline` of the times the hub's broker stays away for
some seconds. What was acknowledged to the monitor must be in the hub's database once and in order.

A power cut differs from kill -9 in what the disk has: the store asks for an fsync with each
transaction (tests/unit/vitals/test_store.py), and that the disk obeys is not tested here.
"""

import argparse
import asyncio
import contextlib
import getpass
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgebox.bus import Bus
from edgebox.host.daemons import until_listening
from edgebox.hub.vitals_receiver import VitalsReceiver
from edgebox.hub.vitals_store import VitalsStore
from edgebox.messages.base import Fault
from edgebox.observation import Numeric, Wave, count_samples, unpack
from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.hl7 import Hl7Monitor
from edgebox.sim.monitors.patient import Patient
from edgebox.sim.monitors.run import Hl7Sender
from edgebox.sim.ports import free_port

VICTIMS = ("vitals", "box broker", "hub", "hub broker")
SETTLE_S = 90.0


class Numbered(Hl7Monitor):
    """Each message's heart rate is its number."""

    def message(self, now_utc: float) -> bytes:
        """The next one."""
        self.patient.heart_rate += 1
        return super().message(now_utc)


@dataclass
class Result:
    """What came of it."""

    acknowledged: int
    """Messages."""
    arrived: Counter[int]
    in_order: bool
    samples_in: int
    samples_there: int
    kills: Counter[str]
    seconds: float

    @property
    def lost(self) -> int:
        """Messages that the hub does not have."""
        return sum(1 for n in range(1, self.acknowledged + 1) if not self.arrived[n])

    @property
    def twice(self) -> int:
        """Messages that the hub has more than once."""
        return sum(1 for count in self.arrived.values() if count > 1)

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing twice, nothing out of order."""
        whole = self.samples_in == self.samples_there
        return whole and not self.lost and not self.twice and self.in_order


class Rig:
    """Two brokers with a bridge, the vitals service and a receiver, each a process."""

    def __init__(self, directory: Path, seed: int):
        self.directory = directory
        self.random = random.Random(seed)
        self.port = free_port()
        self.box_bus = str(directory / "box.sock")
        self.hub_bus = str(directory / "hub.sock")
        self.database = f"sqlite:///{directory / 'hub.db'}"
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        bridge = free_port()
        self._write("hub.conf", f"listener {bridge} 127.0.0.1\nlistener 0 {self.hub_bus}\n")
        self._write(
            "box.conf",
            f"listener 0 {self.box_bus}\nconnection box-1\naddress 127.0.0.1:{bridge}\n"
            "remote_clientid box-1\nbridge_protocol_version mqttv50\ncleansession false\n"
            "topic box/box-1/up/# out 1\ntopic box/box-1/down/# in 1\nrestart_timeout 1 2\n",
        )
        (directory / "edgebox.toml").write_text(
            f'[box]\nid = "box-1"\n[bus]\naddress = "{self.box_bus}"\n'
            '[vitals]\nstore = "vitals.db"\n[[vitals.monitor]]\nid = "m1"\nname = "Monitor"\n'
            f'kind = "hl7"\nlisten = "127.0.0.1:{self.port}"\nallow = ["127.0.0.1"]\n'
        )

    def _write(self, name: str, text: str) -> None:
        common = f"allow_anonymous true\npersistence false\nuser {getpass.getuser()}\n"
        (self.directory / name).write_text(common + text)

    async def start(self, name: str) -> None:
        """Start one of VICTIMS."""
        broker = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        command = {
            "vitals": [
                *(sys.executable, "-m", "edgebox", "run", "vitals"),
                *("-c", str(self.directory / "edgebox.toml")),
            ],
            "hub": [sys.executable, "-m", "bench.vitals_loss", "--receive", self.hub_bus],
            "box broker": [broker, "-c", str(self.directory / "box.conf")],
            "hub broker": [broker, "-c", str(self.directory / "hub.conf")],
        }[name]
        if name == "hub":
            command += ["--database", self.database]
        if "broker" in name:
            Path(self.box_bus if name == "box broker" else self.hub_bus).unlink(missing_ok=True)
        with (self.directory / "log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *command, stdout=log, stderr=log
            )
        if "broker" in name:
            await until_listening(self.box_bus if name == "box broker" else self.hub_bus)

    async def kill(self, name: str) -> None:
        """Kill -9 and reap."""
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()

    async def stop(self) -> None:
        """Kill all."""
        for name in list(self._processes):
            await self.kill(name)


async def measure(points: int, offline: int, seed: int, every_s: float = 0.02) -> Result:
    """Run it."""
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        rig = Rig(Path(name), seed)
        monitor = Numbered(Patient(heart_rate=0.0), Faults(), leads=("II",))
        sender = Hl7Sender(monitor, "127.0.0.1", rig.port, every_s=every_s)
        samples = 0

        def note(message: bytes, reply: bytes) -> None:
            nonlocal samples
            assert b"MSA|AA|" in reply
            samples += _samples_of(message)

        sender.acknowledged = note
        kills: Counter[str] = Counter()
        try:
            for victim in ("hub broker", "box broker", "hub", "vitals"):
                await rig.start(victim)
            sending = asyncio.create_task(sender.run())
            away = set(rig.random.sample(range(points), offline)) if offline else set()
            for point in range(points):
                await asyncio.sleep(rig.random.uniform(0.05, 1.0))
                victim = "hub broker" if point in away else rig.random.choice(VICTIMS)
                kills["offline" if point in away else victim] += 1
                await rig.kill(victim)
                await asyncio.sleep(rig.random.uniform(1.0, 5.0) if point in away else 0.0)
                await rig.start(victim)
            await asyncio.sleep(3.0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await _until_there(rig.database, sender.sent)
        finally:
            await rig.stop()
        return await _result(rig.database, sender.sent, samples, kills, began_at)


def _samples_of(message: bytes) -> int:
    lines = [line.split(b"|") for line in message.split(b"\r") if line.startswith(b"OBX")]
    return sum(line[5].count(b"^") + 1 for line in lines if line[2] == b"NA" and line[5])


async def _until_there(database: str, sent: int) -> None:
    deadline_at = time.monotonic() + SETTLE_S
    store = VitalsStore(database)
    try:
        while time.monotonic() < deadline_at:
            rows = await store.call(store.read, 0, 10**9)
            assert not isinstance(rows, Fault), rows
            numbers = {
                int(one.value or 0)
                for row in rows
                for one in unpack(row.content)
                if isinstance(one, Numeric) and one.code == 147842
            }
            waves = sum(1 for r in rows for one in unpack(r.content) if isinstance(one, Wave))
            if len(numbers) >= sent and waves >= 2 * sent:
                return
            await asyncio.sleep(0.5)
    finally:
        await store.close()


async def _result(
    database: str, sent: int, samples: int, kills: Counter[str], began_at: float
) -> Result:
    store = VitalsStore(database)
    rows = await store.call(store.read, 0, 10**9)
    await store.close()
    assert not isinstance(rows, Fault), rows
    arrived: list[int] = []
    there: dict[tuple[int, float | None], int] = {}
    for row in rows:
        for one in unpack(row.content):
            if isinstance(one, Numeric) and one.code == 147842:
                arrived.append(int(one.value or 0))
            elif isinstance(one, Wave):
                key = (one.code, one.source_utc)
                there[key] = there.get(key, 0) + count_samples(one.samples)
    # One message may be on the disk without the monitor knowing it: it counts as acknowledged.
    extra = [n for n in arrived if n > sent]
    samples_there = sum(there.values())
    if extra:
        last = max(source or 0.0 for _, source in there)
        samples_there -= sum(n for (_, source), n in there.items() if source == last)
    return Result(
        sent,
        Counter(n for n in arrived if n <= sent),
        arrived == sorted(arrived),
        samples,
        samples_there,
        kills,
        time.monotonic() - began_at,
    )


async def _receive(bus_address: str, database: str) -> None:
    store = VitalsStore(database)
    await store.call(store.set_up)
    async with Bus(bus_address, "hub") as bus:
        receiver = VitalsReceiver(bus, store, 0)
        await receiver.start()
        await receiver.run()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--offline", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--receive", help="internal: run the hub's side on this broker")
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    if options.receive:
        asyncio.run(_receive(options.receive, options.database))
        return
    result = asyncio.run(measure(options.points, options.offline, options.seed))
    print(f"killed: {dict(result.kills)}, {result.seconds:.0f} s, seed {options.seed}")
    print(f"messages acknowledged to the monitor {result.acknowledged}")
    print(f"at the hub {len(result.arrived)}, lost {result.lost}, twice {result.twice}")
    print(f"in order {result.in_order}")
    print(f"samples in {result.samples_in}, at the hub {result.samples_there}")
    print("good" if result.is_good else "NOT GOOD")
    sys.exit(0 if result.is_good else 1)


if __name__ == "__main__":
    main()
