"""How long the picture stands still when a headset leaves the vehicle's Wi-Fi, and when it is back.

    python -m bench.headset_roam [--runs 5]

Network namespaces (root), real services and browsers, a TURN server without delay on the way: what
the two ends themselves need. Seconds until a doctor's page shows the next picture, counted from the
moment the Wi-Fi is cut or there again; on the way back the old way goes on meanwhile, and what is
counted is until the picture comes over the Wi-Fi.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

from bench.report import machine
from edgebox.bus import Bus
from edgebox.messages.headset import HEADSET_STATUS
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.messages.session import MEDIA_SESSION, START_VIDEO, StartVideo
from tests.conftest import Broker
from tests.integration.headset_road import BOX, NAME, PORT, STAFF, VEHICLE, road
from tests.integration.media_rig import Observer, frames_seen
from tests.integration.test_headset_outside import (
    Statuses,
    enrolled,
    looking,
    shown,
    state_of,
    until_status,
)

STILL_S = 0.3
LIMIT_S = 60.0


async def _gap(page: Page, mid: str, began_at: float) -> float:
    """Until pictures come again, once they have stopped; zero if they never did."""
    count, since = await shown(page, "doctor", mid), time.monotonic()
    stood = False
    while time.monotonic() - began_at < LIMIT_S:
        now = await shown(page, "doctor", mid)
        if now != count:
            if stood:
                return time.monotonic() - began_at
            count, since = now, time.monotonic()
        stood = stood or time.monotonic() - since > STILL_S
        if not stood and time.monotonic() - began_at > LIMIT_S / 4:
            return 0.0
        await asyncio.sleep(0.02)
    raise SystemExit(f"no picture for {LIMIT_S:g} s")


async def _main(runs: int) -> None:
    print(machine())
    out_s, back_s = [], []
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        broker = Broker(Path(name))
        broker.start()
        try:
            async with (
                road(Path(name), broker) as here,
                Bus(broker.address, "bench", box=BOX) as bus,
                async_playwright() as play,
            ):
                box, statuses = Observer(bus), Statuses()
                await bus.subscribe(MEDIA_SESSION, box.keep)
                await bus.subscribe(HEADSET_STATUS, statuses.keep)
                await bus.publish(BOX_INFO, BoxInfo(vehicle=VEHICLE))
                await here.until_answers("net", f"https://127.0.0.1:{STAFF}/")
                await here.until_answers("device", f"https://{NAME}:{PORT}/where")
                await enrolled(here, await here.chromium(play, "device"))
                session = await box.until(lambda s: state_of(s) == "ready", 40)
                headset = next(one.id for one in session.cameras if one.kind == "headset")
                await bus.request(START_VIDEO, StartVideo(cameras=(headset,)))
                await box.until(lambda s: state_of(s) == "live", 20)
                page, mid = await looking(here, box, await here.chromium(play, "car"), headset)
                for _ in range(runs):
                    began_at = time.monotonic()
                    here.leave()
                    out_s.append(await _gap(page, mid, began_at))
                    await until_status(statuses, outside=True, limit_s=LIMIT_S)
                    await asyncio.sleep(5)
                    began_at = time.monotonic()
                    here.come_back()
                    await until_status(statuses, outside=False, limit_s=LIMIT_S)
                    await frames_seen(
                        page, "doctor", {mid}, more_than=await shown(page, "doctor", mid)
                    )
                    back_s.append(time.monotonic() - began_at)
                    await asyncio.sleep(5)
        finally:
            broker.kill()
    for what, found in (("out of the vehicle", out_s), ("back in it", back_s)):
        print(f"{what}: median {statistics.median(found):.1f} s, worst {max(found):.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(_main(parser.parse_args().runs))
