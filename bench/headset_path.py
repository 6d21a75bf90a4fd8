"""A headset's way: from opening its page to its picture, what it adds, what it costs.

    python -m bench.headset_path --runs 20

Prints three figures of this machine: time from the start of the page until its camera is `ready`
(pictures have come as far as media), p50 and p95; time from the arrival of a picture's last packet
until the encoder process gave it back, p50 and p95 (a cabin camera does not have it); and processor
time of media and its encoder process for one forwarded headset. Pairing is not in it: the door
knows the bearer from the start.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from edgebox.media.headset_camera import HeadsetCamera
from edgebox.media.pipe import Frame
from edgebox.messages.session import START_VIDEO, MediaSession, StartVideo
from tests.conftest import Broker
from tests.integration.headset_rig import (
    HeadsetBox,
    headset_box,
    headset_configuration,
    headset_page,
)

LOAD_S = 15.0


def _state(session: MediaSession) -> str:
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


def _said(what: str, times_ms: list[float]) -> None:
    ordered = sorted(times_ms)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(f"{what}: p50 {statistics.median(ordered):.1f} ms, p95 {p95:.1f} ms, n {len(ordered)}")


async def _wake(box: HeadsetBox, runs: int) -> None:
    """The page is left and opened again, in a browser that runs: a headset that was asleep."""
    times = []
    async with headset_page(box) as page:
        await box.observer.until(lambda s: _state(s) == "ready", 30)
        for _ in range(runs):
            await page.goto("about:blank")
            await box.observer.until(lambda s: _state(s) == "absent", 30)
            began = time.monotonic()
            await page.goto(f"{box.url}/")
            await box.observer.until(lambda s: _state(s) == "ready", 30)
            times.append((time.monotonic() - began) * 1000)
    await box.observer.until(lambda s: _state(s) == "absent", 30)
    _said("page to picture at media", times)


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
    with tempfile.TemporaryDirectory(prefix="edgebox-") as name:
        broker = Broker(Path(name))
        broker.start()
        try:
            async with headset_box(headset_configuration(broker, Path(name))) as box:
                async with headset_page(box):
                    await box.observer.until(lambda s: _state(s) == "ready", 30)
                await box.observer.until(lambda s: _state(s) == "absent", 30)
                await _wake(box, runs)
                await _forward(box)
        finally:
            broker.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=10)
    asyncio.run(_main(parser.parse_args().runs))
