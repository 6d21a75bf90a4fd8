"""A headset's way: from waking its page to its picture, what it adds, what it costs.

    python -m bench.headset_path --runs 20

Prints of this machine, each p50 and p95:

- from the start of the page until its picture moves on the panel, in a session that is live and
  in a browser that runs: a headset that was asleep;
- from the moment a picture is taken until a doctor's page shows it, of the headset and of a
  cabin's camera, through a TURN server on this machine, and the difference: both draw the time
  into their pictures (media/cameras/timestamp.py);
- what of that is spent in the encoder process, which a cabin's camera does not pass;
- processor time of media and its encoder process for one headset, held and forwarded.

Pairing is not in it (bench.pairing): the door knows the bearer from the start.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page

from bench.report import machine, percentile
from edgebox.config.media import Camera
from edgebox.media.headset_camera import HeadsetCamera
from edgebox.media.pipe import Frame
from edgebox.messages.session import (
    START_VIDEO,
    STOP_VIDEO,
    MediaSession,
    StartVideo,
    StopVideo,
    WatchAnswer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.headset_rig import (
    HeadsetBox,
    headset_box,
    headset_configuration,
    headset_page,
)
from tests.integration.media_rig import PAGE_JS, chromium_page, frames_seen, until, watch

LOAD_S = 15.0
LOOK_S = 20.0
CABIN = Camera(id="front", name="Kabin foran", kind="pattern", width=1280, height=720, fps=25)
PANEL = "http://127.0.0.1:18080/"
STAMPED_JS = """
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1280, 720];
  const context = canvas.getContext("2d");
  let turn = 0;
  const draw = () => {
    context.fillStyle = "#567";
    context.fillRect(0, 0, 1280, 720);
    context.fillStyle = "#cba";
    context.fillRect((turn * 9) % 1100, 300, 160, 160);
    turn += 1;
    const bytes = [40, 32, 24, 16, 8, 0].map((by) => Math.floor(Date.now() / 2 ** by) & 255);
    const parity = bytes.reduce((one, two) => one ^ two, 0);
    const bits = [...bytes, parity].map((one) => one.toString(2).padStart(8, "0")).join("");
    [..."1010" + bits + "0101"].forEach((bit, index) => {
      context.fillStyle = bit === "1" ? "#fff" : "#000";
      context.fillRect(index * 20, 0, 20, 20);
    });
  };
  draw();
  setInterval(draw, 40);
  return canvas.captureStream(25);
};
"""
SEEN_JS = """() => {
  window.seen = {};
  for (const [mid, video] of Object.entries(peers.p1.videos)) {
    const canvas = document.createElement("canvas");
    const found = (seen[mid] = []);
    const look = () => {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext("2d", {willReadFrequently: true}).drawImage(video, 0, 0);
      const at = readStamp(canvas);
      if (at) found.push(Date.now() - at);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }
}"""
PREVIEW_JS = """async (url) => {
  const offer = await makeOffer("panel", 1, null);
  const headers = {"Content-Type": "application/sdp"};
  const answer = await fetch(url, {method: "POST", body: offer, headers});
  if (answer.status !== 201) throw new Error(answer.status);
  await takeAnswer("panel", await answer.text());
}"""


def _state(session: MediaSession) -> str:
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


def _said(what: str, times_ms: list[float]) -> None:
    p50, p95 = statistics.median(times_ms), percentile(times_ms, 0.95)
    print(f"{what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, n {len(times_ms)}")


async def _shown(panel: Page) -> int:
    found: dict[str, int] = await panel.evaluate("() => frames('panel')")
    return found.get("0", 0)


async def _wake(box: HeadsetBox, runs: int) -> None:
    """The page is left and opened again, in a browser that runs, while the panel shows it."""
    times = []
    flags = ("--disable-features=LocalNetworkAccessChecks",)
    async with headset_page(box) as page, chromium_page(*flags) as panel:
        session = await box.observer.until(lambda s: _state(s) == "ready", 30)
        headset = next(one.id for one in session.cameras if one.kind == "headset")
        await box.observer.bus.request(START_VIDEO, StartVideo(cameras=(headset,)))
        await box.observer.until(lambda s: _state(s) == "live", 30)
        await panel.route(f"{PANEL}**", lambda route: route.fulfill(body="", status=200))
        await panel.goto(PANEL)
        await panel.evaluate("() => {" + PAGE_JS + "}")
        await panel.evaluate(PREVIEW_JS, f"http://{box.config.media.preview_listen}/whep/{headset}")
        await frames_seen(panel, "panel", {"0"})
        for _ in range(runs):
            await page.goto("about:blank")
            await box.observer.until(lambda s: _state(s) != "live", 30)
            await asyncio.sleep(0.5)
            before = await _shown(panel)
            began = time.monotonic()
            await page.goto(f"{box.url}/", wait_until="commit")
            await until(panel, f"frames('panel').then((found) => found['0'] > {before})", 30)
            times.append((time.monotonic() - began) * 1000)
            await box.observer.until(lambda s: _state(s) == "live", 30)
    _said("page opened to picture on the panel", times)


async def _put_away(box: HeadsetBox) -> None:
    """No session, and no headset's page."""
    await box.observer.bus.request(STOP_VIDEO, StopVideo())
    await box.observer.until(lambda s: s.state == "idle" and _state(s) == "absent", 30)


async def _latency(box: HeadsetBox, turn: TurnServer) -> None:
    """One after the other as the main picture, in the same run."""
    medians = {}
    async with headset_page(box, script=STAMPED_JS):
        session = await box.observer.until(lambda s: _state(s) in {"ready", "live"}, 30)
        headset = next(one.id for one in session.cameras if one.kind == "headset")
        for name, camera in (("headset", headset), ("cabin's camera", CABIN.id)):
            await box.observer.bus.request(START_VIDEO, StartVideo(cameras=(camera,)))
            await box.observer.until(lambda s: s.state == "live", 30)
            async with chromium_page() as doctor:
                answer = await watch(box.observer, doctor, turn, sections=1)
                if not isinstance(answer, WatchAnswer):
                    raise SystemExit(f"the doctor was not let in: {answer.text}")
                mid = answer.streams[0].mid
                await frames_seen(doctor, "p1", {mid}, timeout_s=30)
                await asyncio.sleep(5)
                await doctor.evaluate(SEEN_JS)
                await asyncio.sleep(LOOK_S)
                seen: dict[str, list[float]] = await doctor.evaluate("() => seen")
            _said(f"{name}, taken to shown to the doctor", seen[mid])
            medians[name] = statistics.median(seen[mid])
            await box.observer.bus.request(STOP_VIDEO, StopVideo())
            await box.observer.until(lambda s: s.state == "idle", 30)
    added_ms = medians["headset"] - medians["cabin's camera"]
    print(f"a headset adds {added_ms:.0f} ms (medians)")


def _watch_camera(through_ms: list[float]) -> None:
    """Notes when each picture goes in and when it comes out again."""
    went_in: dict[int, float] = {}
    put, take = HeadsetCamera._put, HeadsetCamera._take_frame

    def put_ours(self: HeadsetCamera, frame: Frame) -> None:
        went_in[hash(frame.data)] = time.monotonic()
        put(self, frame)

    def take_ours(self: HeadsetCamera, frame: Frame) -> None:
        began = went_in.pop(hash(frame.data), None)
        if began is not None:
            through_ms.append((time.monotonic() - began) * 1000)
        take(self, frame)

    HeadsetCamera._put = put_ours  # type: ignore[method-assign]
    HeadsetCamera._take_frame = take_ours  # type: ignore[method-assign, assignment]


def _cpu_s() -> float:
    found = os.times()
    return found.user + found.system + _children_cpu_s()


def _children_cpu_s() -> float:
    """Of living children that are encoder processes."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"edgebox.media.encoder_process" in words and int(stat[1]) == os.getpid():
            total += (int(stat[11]) + int(stat[12])) / ticks
    return total


async def _forward(box: HeadsetBox) -> None:
    through_ms: list[float] = []
    _watch_camera(through_ms)
    async with headset_page(box):
        session = await box.observer.until(lambda s: _state(s) == "ready", 30)
        idle = _cpu_s()
        await asyncio.sleep(LOAD_S)
        held = _cpu_s() - idle
        headset = next(one.id for one in session.cameras if one.kind == "headset")
        await box.observer.bus.request(START_VIDEO, StartVideo(cameras=(headset,)))
        await box.observer.until(lambda s: _state(s) == "live", 30)
        began = _cpu_s()
        await asyncio.sleep(LOAD_S)
        used = _cpu_s() - began
    _said("through the encoder process", through_ms)
    print(f"processor: {held / LOAD_S:.1%} of a core while held, {used / LOAD_S:.1%} while live")


async def _main(runs: int) -> None:
    print(machine())
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        broker, turn = Broker(Path(name)), TurnServer(Path(name))
        broker.start()
        turn.start()
        try:
            config = headset_configuration(broker, Path(name), turn.address, CABIN)
            async with headset_box(config) as box:
                await _wake(box, runs)
                await _put_away(box)
                await _latency(box, turn)
                await _put_away(box)
                await _forward(box)
        finally:
            turn.kill()
            broker.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    asyncio.run(_main(parser.parse_args().runs))
