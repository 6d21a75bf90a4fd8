"""Start tap to first decoded picture in Chromium: media alone, at a round trip of your choice.

Real broker, coturn and Chromium; a delay line stands for the way between vehicle and hub, for
media as for signalling. `python -m bench.media_start --rtt-ms 60 --runs 20`
"""

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.media_line import open_line
from edgebox.messages.session import START_VIDEO, STOP_VIDEO, StartVideo, StopVideo, WatchAnswer
from tests.conftest import Broker, TurnServer
from tests.integration.media_rig import (
    FRONT,
    REAR,
    Observer,
    chromium_page,
    configuration,
    media_running,
    watch,
)

FIRST_FRAME_JS = """
(name) => new Promise((resolve) => {
  const look = () => {
    const video = peers[name].videos["0"];
    if (video && video.getVideoPlaybackQuality().totalVideoFrames > 0) resolve(performance.now());
    else setTimeout(look, 2);
  };
  look();
})
"""


async def one_start(box: Observer, page: Any, turn: TurnServer, delay_s: float, peer: str) -> float:
    """Seconds from the tap to the first decoded picture."""
    started_at = time.monotonic()
    await box.bus.request(START_VIDEO, StartVideo())
    await box.until(lambda s: s.state == "live")
    await asyncio.sleep(delay_s)  # the hub hears of it and tells the page
    answer = await watch(box, page, turn, peer=peer, delay_s=delay_s)
    assert isinstance(answer, WatchAnswer), answer
    await page.evaluate(FIRST_FRAME_JS, peer)
    took_s = time.monotonic() - started_at
    await box.bus.request(STOP_VIDEO, StopVideo())
    await box.until(lambda s: s.state == "idle")
    await page.evaluate("(name) => { peers[name].pc.close(); delete peers[name]; }", peer)
    return took_s


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtt-ms", type=float, default=60)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    delay_s = options.rtt_ms / 2000
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        broker, turn = Broker(Path(directory)), TurnServer(Path(directory))
        broker.start()
        turn.start()
        line, address = await open_line(("127.0.0.1", turn.port), delay_s)
        config = configuration(broker, address, FRONT, REAR)
        try:
            async with media_running(config) as box, chromium_page() as page:
                took = [
                    await one_start(box, page, turn, delay_s, f"p{run}")
                    for run in range(options.runs)
                ]
        finally:
            line.close()
            turn.kill()
            broker.kill()
    took.sort()
    print(
        f"machine: {platform.processor() or platform.machine()}, Python {platform.python_version()}"
    )
    print(f"round trip {options.rtt_ms:g} ms, {len(took)} starts")
    print(f"tap to first picture: p50 {statistics.median(took):.2f} s")
    print(
        f"                      p95 {took[int(len(took) * 0.95) - 1]:.2f} s, max {took[-1]:.2f} s"
    )


if __name__ == "__main__":
    asyncio.run(main())
