"""Glass to glass and a step down of capacity: media alone over one line, no bond.

The timestamp in the test picture is read from each decoded picture in Chromium. The step lowers the
line's rate to 40 % and tells media 100 ms later, as the bond does.
`python -m bench.media_latency --rtt-ms 60 --seconds 20`
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.media_line import open_line
from edgebox.config.media import Camera
from edgebox.messages.bond import BOND_STATUS, BondCounters, BondStatus
from edgebox.messages.session import START_VIDEO, StartVideo
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    Observer,
    chromium_page,
    configuration,
    frames_seen,
    media_running,
    watch,
)

LARGE = Camera(id="front", name="Kabin foran", kind="pattern")
RECORD_JS = """
(name) => {
  const video = peers[name].videos["0"];
  const canvas = document.createElement("canvas");
  window.seen = [];
  const look = (now, frame) => {
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d", {willReadFrequently: true}).drawImage(video, 0, 0);
    const stamp = readStamp(canvas);
    const shown = performance.timeOrigin + frame.presentationTime;
    window.seen.push([shown, stamp === null ? null : shown - stamp]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}
"""


async def tell_rate(box: Observer, target_bps: int) -> None:
    """As the bond would."""
    status = BondStatus(
        at_utc=time.time(),
        state="up",
        since_utc=0,
        links=(),
        capacity_bps=target_bps,
        target_bps=target_bps,
        rtt_ms=None,
        redundancy=0,
        counters=BondCounters(),
    )
    await box.bus.publish(BOND_STATUS, status)


def report(title: str, seen: list[tuple[float, float | None]]) -> None:
    """Latencies, and pauses longer than five picture periods."""
    ages = sorted(age for _, age in seen if age is not None)
    pauses = [b[0] - a[0] for a, b in itertools.pairwise(seen)]
    frozen = [pause for pause in pauses if pause > 167]
    print(
        f"{title}: {len(seen)} pictures, p50 {statistics.median(ages):.0f} ms, "
        f"p95 {ages[int(len(ages) * 0.95)]:.0f} ms, max {ages[-1]:.0f} ms; "
        f"longest pause {max(pauses):.0f} ms, frozen {sum(frozen):.0f} ms"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt-ms", type=float, default=60)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        broker, turn = Broker(Path(directory)), TurnServer(Path(directory))
        broker.start()
        turn.start()
        line, address = await open_line(("127.0.0.1", turn.port), options.rtt_ms / 2000)
        config = configuration(broker, address, LARGE)
        try:
            async with media_running(config) as box, chromium_page() as page:
                await tell_rate(box, 2_000_000)
                await box.bus.request(START_VIDEO, StartVideo())
                await box.until(lambda s: s.state == "live")
                await watch(box, page, turn, sections=1)
                await frames_seen(page, "p1", {"0"})
                await page.evaluate(RECORD_JS, "p1")
                await asyncio.sleep(options.seconds)
                report("steady", await page.evaluate("() => seen.splice(0)"))
                await step(box, page, line)
        finally:
            line.close()
            turn.kill()
            broker.kill()


async def step(box: Observer, page: Any, line: Any) -> None:
    """2.5 to 1 Mbit/s with a queue of half a second."""
    await tell_rate(box, 2_000_000)
    line.rate_bps = 2_500_000
    await asyncio.sleep(4)
    await page.evaluate("() => seen.splice(0)")
    line.rate_bps = 1_000_000
    await asyncio.sleep(0.1)
    await tell_rate(box, 800_000)
    await asyncio.sleep(8)
    report("step down", await page.evaluate("() => seen.splice(0)"))


if __name__ == "__main__":
    asyncio.run(main())
