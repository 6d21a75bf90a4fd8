"""The self-test's judges over healthy simulated boxes: none may be called ill. And what it costs.

python -m bench.support_selftest [--runs 1000] [--seed 7] [--demo]

--demo: not the judges alone but the whole self-test, again and again, on the running demo with good
links: real broker, TURN server, hub, cameras and monitor. A few seconds each.
"""

import argparse
import asyncio
import random
import time
from dataclasses import replace as change
from typing import Any

from msgspec.structs import replace

from bench.report import percentile
from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.base import Fault
from edgebox.messages.selftest import RUN_SELF_TEST, SELF_TEST, RunSelfTest, SelfTest
from edgebox.messages.session import SoundStatus
from edgebox.support.checks import CHECKS, clock, gnss, link, memory, power, temperature, turn
from edgebox.support.checks import bond as bond_check
from edgebox.support.checks import broker as broker_check
from edgebox.support.checks import hub as hub_check
from edgebox.support.checks import sound as sound_check
from tests.demo import demo
from tests.unit.support.facts import DAY_S, HEALTHY, NOW, a_bond, a_link, a_modem, cameras, papers


def healthy(rng: random.Random) -> dict[str, Any]:
    """Facts of a box that is well, anywhere within what well means in a vehicle on its way."""
    links = [
        a_link(
            name=f"l{number}",
            rtt_ms=rng.uniform(15, 250),
            loss=rng.uniform(0, 0.05) if rng.random() < 0.95 else rng.uniform(0.05, 0.14),
            queue_ms=rng.uniform(0, 300),
            capacity_bps=round(rng.uniform(1e6, 3e7)),
            since_utc=NOW - rng.uniform(0, 1e5),
            state="up" if rng.random() < 0.98 else "suspect",
        )
        for number in range(rng.randint(1, 4))
    ]
    status = a_bond(*links, rtt_ms=rng.uniform(15, 200))
    life_s = rng.uniform(90, 400) * DAY_S
    begun_utc = NOW - rng.uniform(0, 0.45) * life_s
    modem = a_modem(signal=rng.choice([None, rng.randint(25, 100)]))
    on = rng.random() < 0.8
    return {
        **HEALTHY,
        "power": power.Facts(rng.choice([False, None]), 0),
        "temperature": temperature.Facts((("cpu-thermal", rng.uniform(-20, 74)),)),
        "memory": memory.Facts(4_000_000, rng.randint(600_000, 3_500_000), 0),
        "clock": clock.Facts(
            rng.choice([True, False, None]), "chrony", rng.uniform(-0.8, 0.8), rng.uniform(0, 0.4)
        ),
        "broker": broker_check.Facts("/run/edgebox/bus.sock", rng.expovariate(1 / 0.02) % 0.9),
        "certificate": papers(from_utc=begun_utc, until_utc=begun_utc + life_s),
        "modem": change(HEALTHY["modem"], modems=(modem,)),
        "link": link.Facts(status),
        "bond": bond_check.Facts(True, status),
        "turn": turn.Facts("up", "returned", 0, rng.uniform(0.02, 1.2), True, "127.0.0.1:3478"),
        "hub": hub_check.Facts(True, rng.choice([True, None]), "up", rng.uniform(0.02, 1.5)),
        "camera": cameras(fps=rng.uniform(14, 31), state=rng.choice(["ready", "live"])),
        "sound": sound_check.Facts(
            SoundStatus(microphone=rng.choice(["ready", "live"]), loudspeaker="ready")
        ),
        "monitor": HEALTHY["monitor"] if on else _monitor_off(),
        "gnss": gnss.Facts(True, 1, rng.randint(1, 9), rng.choice([1, 2, 3]), rng.randint(0, 20)),
    }


def _monitor_off() -> Any:
    facts = HEALTHY["monitor"]
    off = replace(facts.status.monitors[0], state="gone")
    return change(facts, status=replace(facts.status, monitors=(off,)))


async def in_the_demo(runs: int) -> None:
    """Print what the whole self-test called ill."""
    async with demo() as running:
        for one in running.links():
            running.set_link(one["name"], rate_bps=5_000_000, delay_ms=20, loss=0.0)
        config = load(running.configuration())
        wrong: dict[str, int] = {}
        took_s: list[float] = []
        async with Bus(config.bus.address, "bench", box=config.box.id) as bus:
            done: asyncio.Queue[SelfTest] = asyncio.Queue()

            async def take(test: SelfTest, keys: dict[str, str]) -> None:
                if test.state == "done":
                    done.put_nowait(test)

            await bus.subscribe(SELF_TEST, take)
            while len(took_s) < runs:
                began_at = time.perf_counter()
                answer = await bus.request(RUN_SELF_TEST, RunSelfTest(reason="command"))
                if isinstance(answer, Fault):
                    await asyncio.sleep(1.0)  # the one after the start runs
                    continue
                while (test := await done.get()).id != answer.id:
                    pass
                took_s.append(time.perf_counter() - began_at)
                for finding in test.findings:
                    if finding.grade in {"fault", "attention"}:
                        name = f"{finding.grade} {finding.code}"
                        wrong[name] = wrong.get(name, 0) + 1
    print(f"{runs} self-tests of the healthy demo")
    print(f"called ill: {wrong or 'none'}")
    print(f"one test: median {percentile(took_s, 0.5):.1f} s, worst {max(took_s):.1f} s")


def main() -> None:
    """Print how often something was called ill, and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--demo", action="store_true")
    arguments = parser.parse_args()
    if arguments.demo:
        asyncio.run(in_the_demo(arguments.runs))
        return
    rng = random.Random(arguments.seed)
    wrong: dict[str, int] = {}
    took_s = 0.0
    for _ in range(arguments.runs):
        facts = healthy(rng)
        began_at = time.perf_counter()
        for check in CHECKS:
            for verdict in check.judge(facts[check.name], NOW):
                if verdict.grade in {"fault", "attention"}:
                    wrong[f"{check.name}.{verdict.code}"] = wrong.get(verdict.code, 0) + 1
        took_s += time.perf_counter() - began_at
    print(f"{arguments.runs} healthy boxes, {len(CHECKS)} checks each, seed {arguments.seed}")
    print(f"called ill: {wrong or 'none'}")
    print(f"all judges of one test: {took_s / arguments.runs * 1e6:.0f} us")


if __name__ == "__main__":
    main()
