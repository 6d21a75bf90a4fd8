"""The main job on the demo: start, latency, a cut link, a capacity step, load.

    python -m bench.main_job [start] [latency] [cut] [step] [load]

Real Chromium, coturn and mosquitto; simulated links. Browser, hub and box share this machine's
cores, which the vehicle and the hospital do not: figures here are worse than apart.
"""

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path

from playwright.async_api import Page

from bench.call import (
    CUT_S,
    PROFILES,
    READ_LATENCY,
    SETTLE_S,
    SMALL,
    cut_busiest,
    set_all_links,
    spread,
    timed_starts,
)
from bench.report import machine, percentile, table
from tests.demo import frames_since, longest_gap, until_frames, utc
from tests.integration.test_main_job import join, mission

STARTS = 20
CUTS = 7
STEPS = 5
MEASURE_S = 20.0
BOX_PARTS = ("bond", "media", "panel", "vehicle", "vitals", "mosquitto")


async def bench_start() -> None:
    """Tap on the panel to first decoded frame at the doctor's, who waits in the room."""

    async def first_utc(doctor: Page, tapped_utc: float) -> float:
        return await until_frames(doctor, since_utc=tapped_utc, count=1)

    times_s = await timed_starts(
        STARTS, lambda browser, link: join(browser, link, SMALL), first_utc
    )
    print(f"\nStart tap to first decoded frame, RTT 60 ms, {STARTS} starts\n")
    print(table(["p50", "p95", "worst"], [[f"{t:.2f} s" for t in spread(times_s)]]))


async def bench_latency() -> None:
    """Glass to glass: from exposure (drawn into the picture) to shown, per link profile."""
    rows = []
    async with mission(viewport=SMALL) as (running, _panel, doctor):
        await doctor.evaluate(READ_LATENCY)
        for name, profile in PROFILES.items():
            set_all_links(running, **profile)
            await asyncio.sleep(SETTLE_S)
            start_ms = utc() * 1000
            await asyncio.sleep(MEASURE_S)
            found = await doctor.evaluate("window.__latency")
            delays = [delay for shown, delay in found if shown >= start_ms]
            figures = (
                statistics.median(delays),
                percentile(delays, 0.95),
                percentile(delays, 0.99),
            )
            rows.append([name, *(f"{ms:.0f} ms" for ms in figures), str(len(delays))])
    print("\nGlass to glass, three links\n")
    print(table(["links", "p50", "p95", "p99", "pictures"], rows))


async def bench_cut() -> None:
    """The link that carries most goes silent: longest time without a new picture."""
    gaps_s, usual_s = [], []
    async with mission(viewport=SMALL) as (running, _panel, doctor):
        async for name in cut_busiest(running, CUTS):
            before_utc = utc()
            await asyncio.sleep(CUT_S)
            cut_utc = utc()
            running.set_link(name, cut=True)
            await asyncio.sleep(CUT_S)
            times = await frames_since(doctor, before_utc - 1)
            usual_s.append(longest_gap(times, before_utc, cut_utc))
            gaps_s.append(longest_gap(times, cut_utc, cut_utc + CUT_S))
    print(f"\nBusiest of three links cut, {CUTS} times: longest time without a new picture\n")
    rows = [
        [f"{CUT_S:g} s before the cut", *(f"{t * 1000:.0f} ms" for t in spread(usual_s))],
        [f"{CUT_S:g} s after the cut", *(f"{t * 1000:.0f} ms" for t in spread(gaps_s))],
    ]
    print(table(["", "p50", "p95", "worst"], rows))


async def bench_step() -> None:
    """All links together fall from 2.5 to 1 Mbit/s: longest freeze, highest latency."""
    rows = []
    async with mission(viewport=SMALL) as (running, _panel, doctor):
        await doctor.evaluate(READ_LATENCY)
        for number in range(STEPS):
            set_all_links(running, rate_bps=2_500_000 // 3, delay_ms=30, loss=0.0)
            await asyncio.sleep(2 * SETTLE_S)
            start_utc = utc()
            set_all_links(running, rate_bps=1_000_000 // 3)
            await asyncio.sleep(MEASURE_S)
            times = await frames_since(doctor, start_utc - 1)
            found = await doctor.evaluate("window.__latency")
            delays = [delay for shown, delay in found if shown >= start_utc * 1000]
            gap_s = longest_gap(times, start_utc, start_utc + MEASURE_S)
            rows.append([str(number + 1), f"{gap_s * 1000:.0f} ms", f"{max(delays):.0f} ms"])
    print("\nStep from 2.5 to 1 Mbit/s\n")
    print(table(["run", "longest freeze", "peak latency"], rows))


async def bench_load() -> None:
    """Processor and memory of each process while one doctor watches two cameras."""
    async with mission(viewport=SMALL) as (running, _panel, _doctor):
        await asyncio.sleep(SETTLE_S)
        pids = running.pids()
        before = {name: family_cpu_s(pid) for name, pid in pids.items()}
        started_at = time.monotonic()
        await asyncio.sleep(MEASURE_S)
        elapsed_s = time.monotonic() - started_at
        rows, total_mib = [], 0.0
        for name, pid in sorted(pids.items()):
            share = (family_cpu_s(pid) - before[name]) / elapsed_s
            memory_mib = family_pss_mib(pid)
            if name in BOX_PARTS:
                total_mib += memory_mib
            end = "box" if name in BOX_PARTS else "not in the vehicle"
            rows.append([name, end, f"{share:.1%}", f"{memory_mib:.0f} MiB"])
        rows.append(["the box's together", "box", "", f"{total_mib:.0f} MiB"])
    print("\nLoad with one doctor, share of one core and proportional set size\n")
    print(table(["process", "where", "CPU", "memory"], rows))


def family(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def family_cpu_s(pid: int) -> float:
    """Processor time used so far (proc(5), stat: utime and stime)."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family_pss_mib(pid: int) -> float:
    """Memory, shared pages counted by share (proc(5), smaps_rollup)."""
    kib = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return kib / 1024


BENCHES = {
    "start": bench_start,
    "latency": bench_latency,
    "cut": bench_cut,
    "step": bench_step,
    "load": bench_load,
}


def main() -> None:
    """Run those named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    # Without any argument argparse looks for the default itself among the choices.
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], default=[])
    asked = parser.parse_args()
    print(machine())
    for name in asked.which or BENCHES:
        asyncio.run(BENCHES[name]())


if __name__ == "__main__":
    main()
