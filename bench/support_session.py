"""A technician's session during a call with video: how soon they see, what it takes, the bundle.

    python -m bench.support_session

Real Chromium, mosquitto, coturn. Three simulated links of LINK_BPS each carry both: video, which
could use more than they have, and all of the session, by the conduit over the same bond. What
video gets is printed with and without a session in the same run: before it, with more and more of
it, and after it. All of it shares this machine's cores: what video loses it may also lose to other
processes, the technician's browser first. Run it on a machine with nothing else to do.
"""

import asyncio
import re
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page

from bench.main_job import family_cpu_s
from bench.media_ladder import Box, listening
from bench.report import machine, percentile, table
from tests.demo import RunningDemo, frames_since, longest_gap, until_true, utc
from tests.integration.test_main_job import mission
from tests.integration.test_support_desk import desk_page

TAPS = 7
SETTLE_S = 8.0
NARROW_S = 30.0
"""Until the encoders have what narrow links leave them."""
MEASURE_S = 20.0
BUNDLES = 3
LINK_BPS = 300_000
SAMPLE_S = 0.25
BOX_PARTS = ("bond", "conduit", "media", "panel", "vehicle", "vitals", "support", "mosquitto")
SEES = "document.querySelector('#links').childElementCount > 0"
FETCH = """() => {
  const began = performance.now();
  return fetch(`${location.pathname}/bundle`).then(one => one.arrayBuffer())
    .then(one => [one.byteLength, performance.now() - began]);
}"""


def bridge_bytes(running: RunningDemo) -> int:
    """What the box's broker has sent to the hub, by the kernel's count. ss(8), bytes_sent."""
    text = (running.configuration().parent / "mosquitto/mosquitto.conf").read_text()
    port = re.search(r"^address \S+:(\d+) ", text, re.MULTILINE)
    if port is None:
        raise LookupError("no bridge in mosquitto.conf")
    said = subprocess.run(
        ["ss", "-Htni", "dport", "=", f":{port[1]}"], capture_output=True, text=True, check=True
    )
    return sum(int(one) for one in re.findall(r"bytes_sent:(\d+)", said.stdout))


@dataclass
class Stretch:
    """What was measured over MEASURE_S."""

    name: str
    support: float
    """Shares of one core."""
    box: float
    broker_bps: float
    links_bps: float
    """Everything the three links carried upwards."""
    target_bps: float
    """What the bond left to the encoders."""
    video_bps: float
    """What they made of it."""
    pictures_hz: float
    """Shown to the doctor."""
    still_s: float
    """The longest time without a new one."""

    def load(self) -> list[str]:
        return [
            self.name,
            f"{self.support:.1%}",
            f"{self.box:.0%}",
            f"{self.broker_bps / 1e3:.0f} kbit/s",
            f"{self.links_bps / 1e6:.2f} Mbit/s",
        ]

    def share(self, without: "Stretch") -> list[str]:
        """Of video, beside what it has without a session."""
        return [
            self.name,
            f"{self.target_bps / 1e3:.0f} kbit/s",
            f"{self.video_bps / 1e3:.0f} kbit/s",
            f"{self.video_bps / max(1.0, without.video_bps):.0%}",
            f"{self.pictures_hz:.1f}",
            f"{self.pictures_hz / max(0.1, without.pictures_hz):.0%}",
            f"{1e3 * self.still_s:.0f} ms",
        ]


async def _nothing() -> None:
    """Nobody does anything."""


async def measure(
    name: str,
    running: RunningDemo,
    box: Box,
    doctor: Page,
    act: Callable[[], Awaitable[None]] = _nothing,
) -> Stretch:
    """Processor, uplinks, and what video gets. `act`: when it has settled."""
    await asyncio.sleep(SETTLE_S)
    await act()
    pids = {part: pid for part, pid in running.pids().items() if part in BOX_PARTS}
    cpu_s = {part: family_cpu_s(pid) for part, pid in pids.items()}
    sent, carried = bridge_bytes(running), _carried(running)
    began_at, began_utc = time.monotonic(), utc()
    targets, videos = [], []
    while time.monotonic() < began_at + MEASURE_S:
        await asyncio.sleep(SAMPLE_S)
        targets.append(box.bond.target_bps if box.bond else 0)
        videos.append(sum(one.bitrate_bps for one in box.session.cameras) if box.session else 0)
    took_s = time.monotonic() - began_at
    shares = {part: (family_cpu_s(pid) - cpu_s[part]) / took_s for part, pid in pids.items()}
    ended_utc = began_utc + took_s
    frames = [at for at in await frames_since(doctor, began_utc) if at < ended_utc]
    return Stretch(
        name,
        shares["support"],
        sum(shares.values()),
        8 * (bridge_bytes(running) - sent) / took_s,
        8 * (_carried(running) - carried) / took_s,
        statistics.fmean(targets),
        statistics.fmean(videos),
        len(frames) / took_s,
        longest_gap(frames, began_utc, ended_utc),
    )


def _carried(running: RunningDemo) -> int:
    return sum(link["up"]["counters"]["passed_bytes"] for link in running.links())


def narrow(running: RunningDemo) -> None:
    """Links that video alone would fill."""
    for link in running.links():
        running.set_link(link["name"], rate_bps=LINK_BPS, delay_ms=30, jitter_ms=5, loss=0.0)


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
    async with mission() as (running, panel, doctor), listening(running) as box:
        narrow(running)
        await asyncio.sleep(NARROW_S)
        without = await measure("nobody is in", running, box, doctor)
        rows = [without]
        if (browser := doctor.context.browser) is None:
            raise LookupError("a page without a browser")
        desk = await desk_page(browser, running)
        await desk.goto(f"{(await _desk_url(running))}/desk")
        await desk.click("#boxes a")
        await panel.click("#settings")
        await panel.click("#support-open")
        times_s = await taps(panel, desk)
        rows.append(await measure("desk open", running, box, doctor))
        await desk.click("#journal-follow")
        rows.append(await measure("and log followed", running, box, doctor))

        async def test_links() -> None:
            await desk.click("#link-test-all")

        rows.append(await measure("and each link tested", running, box, doctor, test_links))
        said = await desk.inner_text("#link-tests")
        size, took_s = await bundles(desk)
        await open_shell(panel, desk)
        rows.append(await measure("and command line flooded", running, box, doctor))
        await panel.click("#support-stop")
        await desk.close()
        rows.append(await measure("nobody is in again", running, box, doctor))
    print(f"\nTap to live state on the desk, {TAPS} times\n")
    spread = [percentile(times_s, 0.5), max(times_s)]
    print(table(["p50", "worst"], [[f"{one:.2f} s" for one in spread]]))
    print("\nLoad during a call with video; share of one core\n")
    header = ["", "support", "box", "broker's uplink", "all uplinks"]
    print(table(header, [row.load() for row in rows]))
    print(
        f"\nVideo over three links of {LINK_BPS / 1e3:.0f} kbit/s, shared with all of the session\n"
    )
    header = [
        "",
        "bond leaves it",
        "it sends",
        "of without",
        "pictures/s",
        "of without",
        "longest still",
    ]
    print(table(header, [row.share(without) for row in rows]))
    print(f"\nWhat the links' tests said meanwhile\n\n{said}")
    print(f"\nBundle: {size / 1e3:.0f} kB, on the desk after {took_s:.1f} s (median of {BUNDLES})")


async def _desk_url(running: RunningDemo) -> str:
    hub = running.configuration().parent / "hub.toml"
    found = re.search(r"^staff_url = '(\S+)'$", hub.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError("no staff_url in hub.toml")
    return found[1]


if __name__ == "__main__":
    asyncio.run(main())
