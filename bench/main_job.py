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

from playwright.async_api import Page, ViewportSize

from bench.report import machine, percentile, table
from edgebox.media.cameras.timestamp import READ_JS
from tests.demo import (
    RunningDemo,
    chromium,
    demo,
    frames_since,
    longest_gap,
    until_frames,
    until_true,
    utc,
)
from tests.integration.test_main_job import START, join, mission

STARTS = 20
CUTS = 7
STEPS = 5
SETTLE_S = 8.0
SMALL: ViewportSize = {"width": 480, "height": 360}
"""The browser draws without a graphics card: a large page would show every second picture."""
MEASURE_S = 20.0
CUT_S = 3.0
BOX_PARTS = ("bond", "media", "panel", "vehicle", "vitals", "mosquitto")
PROFILES = {
    "RTT 20 ms, clean": {"rate_bps": 5_000_000, "delay_ms": 10, "loss": 0.0},
    "RTT 60 ms, clean": {"rate_bps": 3_000_000, "delay_ms": 30, "loss": 0.0},
    "RTT 60 ms, 2 % loss": {"rate_bps": 3_000_000, "delay_ms": 30, "loss": 0.02},
}


def set_all_links(running: RunningDemo, **profile: float) -> None:
    """The same for each link."""
    for link in running.links():
        running.set_link(link["name"], **profile)


READ_LATENCY = (
    """
(() => {
  const read = """
    + READ_JS
    + """;
  const found = window.__latency = [];       // [wall ms shown, ms between exposure and shown]
  const canvas = document.createElement('canvas');
  const follow = (video) => {
    if (video.__timed) return;
    video.__timed = true;
    const step = (now, data) => {
      // The main picture alone: reading pixels of all would load the machine being measured.
      if (data.width >= 640 && found.length < 50000) {
        canvas.width = data.width;
        canvas.height = Math.ceil(data.height / 36);
        canvas.getContext('2d', {willReadFrequently: true}).drawImage(
          video, 0, 0, data.width, data.height, 0, 0, data.width, data.height);
        const taken = read({getContext: (...a) => canvas.getContext(...a), width: data.width,
                            height: data.height});
        const shown = performance.timeOrigin + data.expectedDisplayTime;
        if (taken !== null) found.push([shown, shown - taken]);
      }
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  };
  setInterval(() => document.querySelectorAll('video').forEach(follow), 100);
})();
"""
)


async def bench_start() -> None:
    """Tap on the panel to first decoded frame at the doctor's, who waits in the room."""
    times_s = []
    async with demo() as running, chromium() as browser:
        set_all_links(running, **PROFILES["RTT 60 ms, clean"])
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        link = running.room
        for _ in range(STARTS):
            doctor = await join(browser, link, SMALL)
            await until_true(doctor, "window.edgebox?.situation === 'waiting'")
            tapped_utc = utc()
            await panel.click(START)
            first = await until_frames(doctor, since_utc=tapped_utc, count=1)
            times_s.append(first - tapped_utc)
            await doctor.context.close()
            await stop_video(panel)
            link = await invite(panel)
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
        set_all_links(running, **PROFILES["RTT 60 ms, clean"])
        await asyncio.sleep(SETTLE_S)
        for _ in range(CUTS):
            name = await busiest_link(running)
            before_utc = utc()
            await asyncio.sleep(CUT_S)
            cut_utc = utc()
            running.set_link(name, cut=True)
            await asyncio.sleep(CUT_S)
            times = await frames_since(doctor, before_utc - 1)
            usual_s.append(longest_gap(times, before_utc, cut_utc))
            gaps_s.append(longest_gap(times, cut_utc, cut_utc + CUT_S))
            running.set_link(name, cut=False)
            await asyncio.sleep(SETTLE_S)
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


async def stop_video(panel: Page) -> None:
    """End the session as the crew does."""
    await panel.locator("#stop").click(delay=2000)
    await panel.wait_for_selector(START)


async def invite(panel: Page) -> str:
    """A new invitation for a doctor, as the panel shows it."""
    await panel.click("#invite")
    await panel.click("[data-role=doctor]")
    await until_true(panel, "document.querySelector('#invite-url').textContent.trim()")
    link: str | None = await panel.text_content("#invite-url")
    assert link is not None
    await panel.click("#invitation .link-step .close")
    return link.strip()


async def busiest_link(running: RunningDemo) -> str:
    """The link that carried most towards the hub in the last second."""
    before = sent_bytes(running)
    await asyncio.sleep(1)
    after = sent_bytes(running)
    return max(after, key=lambda name: after[name] - before[name])


def sent_bytes(running: RunningDemo) -> dict[str, int]:
    """What each link has carried towards the hub so far."""
    return {link["name"]: link["up"]["counters"]["passed_bytes"] for link in running.links()}


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


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, 95th percentile, worst."""
    return statistics.median(values), percentile(values, 0.95), max(values)


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
    parser.add_argument("which", nargs="*", choices=[*BENCHES, []], default=list(BENCHES))
    print(machine())
    for name in parser.parse_args().which:
        asyncio.run(BENCHES[name]())


if __name__ == "__main__":
    main()
