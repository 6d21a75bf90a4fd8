"""A technician's session during a call with video: how soon they see, what it takes, the bundle.

    python -m bench.support_session

Real Chromium, mosquitto, coturn; simulated links. All of it shares this machine's cores, and the
demo's broker goes beside the simulated links: what video loses here it loses to other processes,
the technician's browser first. Run it on a machine with nothing else to do.
"""

import asyncio
import re
import subprocess
import time

from playwright.async_api import Page

from bench.main_job import family_cpu_s
from bench.report import machine, percentile, table
from tests.demo import RunningDemo, frames_since, until_true, utc
from tests.integration.test_main_job import mission
from tests.integration.test_support_desk import desk_page

TAPS = 7
SETTLE_S = 8.0
MEASURE_S = 20.0
BUNDLES = 3
BOX_PARTS = ("bond", "media", "panel", "vehicle", "vitals", "support", "mosquitto")
SEES = "document.querySelector('#links').childElementCount > 0"
FETCH = """() => {
  const began = performance.now();
  return fetch(`${location.pathname}/bundle`).then(one => one.arrayBuffer())
    .then(one => [one.byteLength, performance.now() - began]);
}"""


def bridge_bytes(running: RunningDemo) -> int:
    """What the box's broker has sent to the hub, by the kernel's count. ss(8), bytes_sent."""
    text = (running.configuration().parent / "mosquitto/mosquitto.conf").read_text()
    port = re.search(r"^address \S+:(\d+)$", text, re.MULTILINE)
    if port is None:
        raise LookupError("no bridge in mosquitto.conf")
    said = subprocess.run(
        ["ss", "-Htni", "dport", "=", f":{port[1]}"], capture_output=True, text=True, check=True
    )
    return sum(int(one) for one in re.findall(r"bytes_sent:(\d+)", said.stdout))


async def measure(name: str, running: RunningDemo, doctor: Page) -> list[str]:
    """A row: processor, uplink of broker and video, pictures shown."""
    await asyncio.sleep(SETTLE_S)
    pids = {part: pid for part, pid in running.pids().items() if part in BOX_PARTS}
    cpu_s = {part: family_cpu_s(pid) for part, pid in pids.items()}
    sent, video = bridge_bytes(running), _video(running)
    began_at, began_utc = time.monotonic(), utc()
    await asyncio.sleep(MEASURE_S)
    took_s = time.monotonic() - began_at
    shares = {part: (family_cpu_s(pid) - cpu_s[part]) / took_s for part, pid in pids.items()}
    frames = [at for at in await frames_since(doctor, began_utc) if at < began_utc + took_s]
    return [
        name,
        f"{shares['support']:.1%}",
        f"{sum(shares.values()):.0%}",
        f"{8 * (bridge_bytes(running) - sent) / took_s / 1e3:.0f} kbit/s",
        f"{8 * (_video(running) - video) / took_s / 1e6:.2f} Mbit/s",
        f"{len(frames) / took_s:.1f}",
    ]


def _video(running: RunningDemo) -> int:
    return sum(link["up"]["counters"]["passed_bytes"] for link in running.links())


async def taps(panel: Page, desk: Page) -> list[float]:
    """From the crew's tap that lets the technician in, until live state is on the desk."""
    times_s = []
    for number in range(TAPS):
        await desk.click("#request")
        await until_true(panel, "document.body.dataset.support === 'waits'")
        await panel.wait_for_timeout(800)
        began_at = time.monotonic()
        await panel.click("#support-admit")
        await until_true(desk, SEES)
        times_s.append(time.monotonic() - began_at)
        if number < TAPS - 1:
            await panel.click("#support-end")
            await until_true(desk, "!document.querySelector('#request').hidden")
    return times_s


async def open_shell(panel: Page, desk: Page) -> None:
    """A command line that never stops printing."""
    await desk.click("#shell-ask")
    await until_true(panel, "document.body.dataset.shell === 'asked'")
    await panel.wait_for_timeout(800)
    await panel.click("#support-shell-allow")
    await until_true(desk, "!document.querySelector('#shell-open').hidden")
    await desk.click("#shell-open")
    await until_true(desk, "document.querySelector('#shell .xterm-rows') !== null")
    await panel.wait_for_timeout(1000)
    await desk.keyboard.type("while :; do seq 100000; done\n")


async def bundles(desk: Page) -> tuple[int, float]:
    """Size (bytes) and the median of the time (s) to have it."""
    found = [await desk.evaluate(FETCH) for _ in range(BUNDLES)]
    return int(found[-1][0]), percentile([took_ms for _, took_ms in found], 0.5) / 1e3


async def main() -> None:
    """Everything, one after the other."""
    print(machine())
    async with mission() as (running, panel, doctor):
        rows = [await measure("nobody is in", running, doctor)]
        if (browser := doctor.context.browser) is None:
            raise LookupError("a page without a browser")
        desk = await desk_page(browser, running)
        await desk.goto(f"{(await _desk_url(running))}/desk")
        await desk.click("#boxes a")
        await panel.click("#settings")
        await panel.click("#support-open")
        times_s = await taps(panel, desk)
        rows.append(await measure("desk open", running, doctor))
        await desk.click("#journal-follow")
        rows.append(await measure("and log followed", running, doctor))
        size, took_s = await bundles(desk)
        await open_shell(panel, desk)
        rows.append(await measure("and command line flooded", running, doctor))
    print(f"\nTap to live state on the desk, {TAPS} times\n")
    spread = [percentile(times_s, 0.5), max(times_s)]
    print(table(["p50", "worst"], [[f"{one:.2f} s" for one in spread]]))
    print("\nLoad during a call with video; share of one core\n")
    header = ["", "support", "box", "broker's uplink", "video's uplink", "pictures/s"]
    print(table(header, rows))
    print(f"\nBundle: {size / 1e3:.0f} kB, on the desk after {took_s:.1f} s (median of {BUNDLES})")


async def _desk_url(running: RunningDemo) -> str:
    hub = running.configuration().parent / "hub.toml"
    found = re.search(r"^staff_url = '(\S+)'$", hub.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError("no staff_url in hub.toml")
    return found[1]


if __name__ == "__main__":
    asyncio.run(main())
