"""Sound through the whole system: box, bond, three links, hub and the doctor's browser.

    python -m bench.media_sound [start] [delay] [poor] [cut]

The cabin and the doctor's page each beep at every full second of the wall clock they share here.
How late a beep is at the other end is the time from mouth to ear, less the sound devices' own
buffers: the cabin's are simulated, the page's is read before it. Pictures carry the time when they
were taken, so that a beep and the picture shown with it give the lip sync.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, Page

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
from bench.report import machine, table
from tests.demo import (
    WATCH_FRAMES,
    RunningDemo,
    chromium,
    demo,
    until_frames,
    until_true,
    utc,
)
from tests.integration.sound_page import CALL_JS, beeps_played
from tests.integration.test_main_job import JOIN, START

STARTS = 6
CUTS = 4
MEASURE_S = 12.0
POOR_BPS = (800_000, 300_000, 100_000, 60_000)
EARLIEST_S = 0.04
"""Nothing is heard sooner than two packets: delays up to a second more can be told apart."""

TAP = (
    "window.peers = {};"
    + CALL_JS
    + """
const heard = window.__heard = {beeps: [], levels: [], first: 0};
const Real = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Real {
  constructor(...what) {
    super(...what);
    window.__connection = this;
    this.addEventListener("track", ({track}) => {
      if (track.kind !== "audio") return;
      window.ear(heard, track);
      window.__firstSound(track);
    });
  }
};
window.__firstSound = async (track) => {
  const context = await window.callContext();
  const meter = context.createAnalyser();
  meter.fftSize = 256;
  context.createMediaStreamSource(new MediaStream([track])).connect(meter);
  const samples = new Float32Array(256);
  const look = () => {
    meter.getFloatTimeDomainData(samples);
    if (samples.some((one) => Math.abs(one) > 0.002)) {
      heard.first = performance.timeOrigin + performance.now();
    } else setTimeout(look, 4);
  };
  look();
};
navigator.mediaDevices.getUserMedia = async (wish) =>
  new MediaStream([wish.audio ? await window.mouth() : window.eye()]);
window.__counts = async () => {
  for (const one of (await window.__connection.getStats()).values()) {
    if (one.type === "inbound-rtp" && one.kind === "audio") {
      return [one.totalSamplesReceived, one.concealedSamples - one.silentConcealedSamples,
              one.packetsReceived, one.packetsLost, one.bytesReceived];
    }
  }
  return [0, 0, 0, 0, 0];
};
"""
)


async def join(browser: Browser, link: str) -> Page:
    """The doctor opens the invitation, in a page that measures."""
    context = await browser.new_context(viewport=SMALL, bypass_csp=True)
    page = await context.new_page()
    await page.add_init_script(WATCH_FRAMES)
    await page.add_init_script(TAP)
    await page.goto(link)
    await page.fill("#name", "Kari Berg")
    await page.click(JOIN)
    return page


@contextlib.asynccontextmanager
async def conversation() -> AsyncIterator[tuple[RunningDemo, Page, Path]]:
    """A call that stands: demo, the doctor's page, and the file of what the cabin hears."""
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        heard = Path(directory) / "heard"
        async with demo("--loudspeaker", str(heard)) as running, chromium() as browser:
            panel = await browser.new_page(viewport={"width": 800, "height": 480})
            await panel.goto(running.panel)
            tapped_utc = utc()
            await panel.click(START)
            doctor = await join(browser, running.room)
            await until_frames(doctor, since_utc=tapped_utc, count=20)
            await panel.close()
            await doctor.click("#microphone")
            await until_true(doctor, "window.__heard.beeps.length > 1")
            yield running, doctor, heard


async def bench_start() -> None:
    """Tap on the panel to the first sound at the doctor's, who waits in the room."""

    async def first_utc(doctor: Page, tapped_utc: float) -> float:
        await until_true(doctor, "window.__heard.first > 0")
        heard_ms: float = await doctor.evaluate("window.__heard.first")
        return heard_ms / 1000

    times_s = await timed_starts(STARTS, join, first_utc)
    print(f"\nStart tap to first sound, RTT 60 ms, {STARTS} starts\n")
    print(table(["p50", "p95", "worst"], [[f"{t:.2f} s" for t in spread(times_s)]]))


async def bench_delay() -> None:
    """Mouth to ear both ways, and how far sound and picture are apart."""
    rows = []
    async with conversation() as (running, doctor, heard):
        await doctor.evaluate(READ_LATENCY)
        for name, profile in PROFILES.items():
            set_all_links(running, **profile)
            await asyncio.sleep(SETTLE_S)
            start_utc = utc()
            await asyncio.sleep(MEASURE_S)
            out_ms = late_ms(await doctor_beeps(doctor), start_utc)
            in_ms = late_ms(beeps_played(heard), start_utc)
            pictures = [
                delay
                for shown, delay in await doctor.evaluate("window.__latency")
                if shown >= start_utc * 1000
            ]
            apart_ms = [beep - statistics.median(pictures) for beep in out_ms] if pictures else []
            worst_ms = max(apart_ms, key=abs, default=None)
            rows.append(
                [
                    name,
                    *(shown(middle(delays)) for delays in (out_ms, in_ms)),
                    *(shown(max(delays, default=None)) for delays in (out_ms, in_ms)),
                    shown(middle(pictures)),
                    f"{shown(middle(apart_ms))}, worst {shown(worst_ms)}",
                ]
            )
            print(rows[-1], flush=True)
    print("\nMouth to ear\n")
    header = ["links", "cabin to doctor", "doctor to cabin", "worst", "worst", "glass to glass"]
    print(table([*header, "sound after picture"], rows))


async def bench_poor() -> None:
    """What of the sound comes in time when all links together carry little."""
    rows = []
    async with conversation() as (running, doctor, heard):
        for total_bps in POOR_BPS:
            set_all_links(running, rate_bps=total_bps // 3, delay_ms=30, loss=0.0)
            await asyncio.sleep(SETTLE_S)
            before, start_utc = await counts(doctor), utc()
            await asyncio.sleep(MEASURE_S)
            share, rate_bps = in_time(before, await counts(doctor), MEASURE_S)
            out_ms = late_ms(await doctor_beeps(doctor), start_utc)
            in_ms = late_ms(beeps_played(heard), start_utc)
            rows.append(
                [
                    f"{total_bps // 1000} kbit/s",
                    f"{share:.1%}",
                    f"{rate_bps / 1000:.0f} kbit/s",
                    *(shown(middle(delays)) for delays in (out_ms, in_ms)),
                    *(f"{len(d)} of {MEASURE_S:.0f}" for d in (out_ms, in_ms)),
                ]
            )
    print("\nThree links that together carry little\n")
    header = ["together", "sound in time", "payload", "cabin to doctor", "doctor to cabin"]
    print(table([*header, "beeps to doctor", "beeps to cabin"], rows))


async def bench_cut() -> None:
    """The busiest of three links goes silent: share of sound that still came in time."""
    shares = []
    async with conversation() as (running, doctor, _):
        async for name in cut_busiest(running, CUTS):
            before = await counts(doctor)
            running.set_link(name, cut=True)
            await asyncio.sleep(CUT_S)
            shares.append(in_time(before, await counts(doctor), CUT_S)[0])
    print(f"\nBusiest of three links cut, {CUTS} times: sound in time during {CUT_S:g} s after\n")
    print(table(["median", "worst"], [[f"{statistics.median(shares):.1%}", f"{min(shares):.1%}"]]))


async def doctor_beeps(doctor: Page) -> list[float]:
    """Wall times (s)."""
    return [at / 1000 for at in await doctor.evaluate("window.__heard.beeps")]


def late_ms(beeps: list[float], since_utc: float) -> list[float]:
    """How long after the full second each beep was heard."""
    after_s = EARLIEST_S + 1
    return [1000 * ((at - EARLIEST_S) % 1 + EARLIEST_S) for at in beeps if at - since_utc > after_s]


def middle(values: list[float]) -> float | None:
    """None of none."""
    return statistics.median(values) if values else None


def shown(delay_ms: float | None) -> str:
    """For a table."""
    return "-" if delay_ms is None else f"{delay_ms:.0f} ms"


async def counts(doctor: Page) -> list[float]:
    """Samples in all, samples made up, packets, packets lost, bytes of sound."""
    found: list[float] = await doctor.evaluate("window.__counts()")
    return found


def in_time(before: list[float], after: list[float], seconds: float) -> tuple[float, float]:
    """Share of sound that was there when it had to be played, and its bit rate."""
    samples, made_up, _, _, size = (b - a for a, b in zip(before, after, strict=True))
    return 1 - made_up / max(1, samples), size * 8 / seconds


BENCHES = {
    "start": bench_start,
    "delay": bench_delay,
    "poor": bench_poor,
    "cut": bench_cut,
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
