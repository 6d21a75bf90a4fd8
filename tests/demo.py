"""The whole demo as a running system, for tests and benchmarks: start it, harm it, watch it.

Everything goes through what a person or the operating system has: the command line, its three
printed addresses, signals, and pages in a real Chromium.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.room import ROOM, Room
from edgebox.messages.session import ADMIT, MEDIA_SESSION, Admit, MediaSession
from edgebox.sim.ports import free_port, is_free

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PORTS_NEEDED = 4
"""Panel, room, control, preview: consecutive, from --port on."""

WATCH_FRAMES = """
(() => {
  const seen = window.__frames = [];   // [wall ms, width, height] of each frame shown
  const follow = (video) => {
    if (video.__followed) return;
    video.__followed = true;
    const step = (now, data) => {
      seen.push([performance.timeOrigin + now, data.width, data.height]);
      if (seen.length > 20000) seen.splice(0, 10000);
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
  };
  const look = () => document.querySelectorAll('video').forEach(follow);
  new MutationObserver(look).observe(document, {childList: true, subtree: true});
  document.addEventListener('DOMContentLoaded', look);
})();
"""


def free_ports() -> int:
    """First of PORTS_NEEDED consecutive loopback ports that were free a moment ago."""
    while True:
        first = free_port()
        ports = range(first, first + PORTS_NEEDED)
        if all(is_free(port, socket.SOCK_STREAM) for port in ports):
            return first


class RunningDemo:
    """One `edgebox demo` and what it printed."""

    def __init__(self, process: asyncio.subprocess.Process, urls: dict[str, str]):
        self.process = process
        self.panel = urls["panel"]
        self.room = urls["room"]
        self.control = urls["control"]

    async def printed(self) -> str:
        """The next line after those addresses."""
        assert self.process.stdout is not None
        async with asyncio.timeout(10):
            return (await self.process.stdout.readline()).decode().strip()

    def pid(self, part: str) -> int:
        """Process id of a part: `bond`, `media`, `panel`, `hub`, `mosquitto`... of the box."""
        return self.pids()[part]

    def pids(self) -> dict[str, int]:
        """All parts by name, from the environment variable the demo gives each."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                environment = (entry / "environ").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if int(stat[1]) != self.process.pid:
                continue
            for variable in environment:
                if variable.startswith(b"EDGEBOX_DEMO_PART="):
                    found[variable.partition(b"=")[2].decode()] = int(entry.name)
        return found

    def configuration(self) -> Path:
        """The box's TOML file, as the panel's process was told it."""
        arguments = Path(f"/proc/{self.pid('panel')}/cmdline").read_bytes().split(b"\0")
        return Path(arguments[arguments.index(b"--config") + 1].decode())

    def kill(self, part: str) -> None:
        """kill -9."""
        os.kill(self.pid(part), signal.SIGKILL)

    def set_link(self, name: str, **change: Any) -> None:
        """Worsen, cut or restore a link, as the control page does."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.control.rstrip('/')}/links/{name}",
            data=json.dumps(change).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            assert answer.status in {200, 204}

    def links(self) -> Any:
        """State of all links from the control page, as edgebox.sim.control shows it."""
        with urllib.request.urlopen(f"{self.control.rstrip('/')}/links", timeout=5) as answer:  # noqa: S310
            return json.load(answer)["links"]


class Doorman:
    """Lets everybody in who waits in the room, as a crew does that taps as soon as it can."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self._room: Room | None = None
        self._session: MediaSession | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        await self._bus.subscribe(ROOM, self._take_room)
        await self._bus.subscribe(MEDIA_SESSION, self._take_session)
        while True:
            await self._changed.wait()
            self._changed.clear()
            for wish in self._waiting():
                await self._bus.request(ADMIT, wish, timeout_s=1)

    def _waiting(self) -> list[Admit]:
        room, session = self._room, self._session
        if room is None or session is None or room.session != session.id:
            return []
        known = {(one.participant, one.role) for one in session.admitted}
        return [
            Admit(session=session.id, participant=one.id, role=one.role, name=one.name)
            for one in room.participants
            if (one.id, one.role) not in known and one.id not in session.refused
        ]

    async def _take_room(self, room: Room, keys: dict[str, str]) -> None:
        self._room = room
        self._changed.set()

    async def _take_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self._session = session
        self._changed.set()


@contextlib.asynccontextmanager
async def doorman(running: RunningDemo) -> AsyncIterator[None]:
    """Everybody is let in by themselves while in the context."""
    config = load(running.configuration())
    async with Bus(config.bus.address, "doorman", box=config.box.id) as bus:
        task = asyncio.create_task(Doorman(bus).run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@contextlib.asynccontextmanager
async def demo(*args: str, ready_s: float = 60, admit: bool = True) -> AsyncIterator[RunningDemo]:
    """Start `edgebox demo`, wait for its three lines, end it with Ctrl-C.

    `admit`: let everybody in who joins; without it the test taps on the panel, as the crew does.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edgebox", "demo", "--port", str(free_ports()), *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        urls: dict[str, str] = {}
        output: list[str] = []
        async with asyncio.timeout(ready_s):
            while len(urls) < 3:
                line = (await process.stdout.readline()).decode()
                assert line, f"the demo ended: {output}"
                output.append(line)
                name, _, url = line.strip().partition(": ")
                if name in {"panel", "room", "control"}:
                    urls[name] = url
        running = RunningDemo(process, urls)
        async with doorman(running) if admit else contextlib.nullcontext():
            yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        rest, _ = await process.communicate()
        sys.stderr.write(rest.decode(errors="replace"))


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGS, headless=True
        )
        yield browser
        await browser.close()


async def frames_since(page: Page, since_utc: float) -> list[float]:
    """Wall times (s) of the frames of the main (widest) picture a page has shown since then."""
    frames: list[list[float]] = await page.evaluate("window.__frames")
    widest = max((width for _, width, _ in frames), default=0)
    return [at / 1000 for at, width, _ in frames if width == widest and at / 1000 >= since_utc]


async def until_frames(
    page: Page, *, since_utc: float, count: int = 5, timeout_s: float = 20
) -> float:
    """Wait until a page has shown `count` frames since then; the time (s) of the first of them."""
    async with asyncio.timeout(timeout_s):
        while True:
            times = await frames_since(page, since_utc)
            if len(times) >= count:
                return times[0]
            await asyncio.sleep(0.05)


async def until_true(page: Page, expression: str, timeout_s: float = 20) -> None:
    """Wait until a JavaScript expression holds.

    Playwright's own waiting needs eval in the page, which the content security policy refuses.
    """
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.05)


def longest_gap(times: Sequence[float], start_utc: float, end_utc: float) -> float:
    """Longest time (s) without a new frame between two moments."""
    edges = [start_utc, *(t for t in times if start_utc < t < end_utc), end_utc]
    return max(later - earlier for earlier, later in itertools.pairwise(edges))


def utc() -> float:
    """Wall time, comparable with the pages' clock: same machine."""
    return time.time()
