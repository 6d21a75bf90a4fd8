"""A media service with real broker, TURN server and Chromium around it."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import Page, async_playwright

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusSection
from edgebox.config.media import Camera, Media
from edgebox.config.panel import Panel
from edgebox.media import service
from edgebox.media.cameras.timestamp import READ_JS
from edgebox.messages.base import Done, Fault, Role
from edgebox.messages.session import (
    ADMIT,
    MEDIA_SESSION,
    WATCH,
    WATCH_CANDIDATE,
    Admit,
    MediaSession,
    TurnCredentials,
    WatchAnswer,
    WatchCandidate,
    WatchOffer,
)
from edgebox.sim.ports import free_port
from tests.conftest import Broker, TurnServer

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FRONT = Camera(id="front", name="Kabin foran", kind="pattern", width=320, height=180)
REAR = Camera(id="rear", name="Kabin bak", kind="pattern", width=320, height=180)

PAGE_JS = (
    "window.readStamp = "
    + READ_JS
    + """
window.peers = {};
window.makeOffer = async (name, sections, relay, data = false) => {
  const pc = new RTCPeerConnection({iceServers: relay ? [relay] : [],
    iceTransportPolicy: relay ? "relay" : "all"});
  const peer = window.peers[name] = {pc, videos: {}, candidates: [], said: [], stills: {}};
  pc.onicecandidate = (event) => {
    if (event.candidate) peer.candidates.push(event.candidate.toJSON());
  };
  pc.ontrack = (event) => {
    const video = document.createElement("video");
    video.muted = true; video.autoplay = true; video.playsInline = true;
    video.srcObject = new MediaStream([event.track]);
    document.body.append(video);
    peer.videos[event.transceiver.mid] = video;
  };
  for (let i = 0; i < sections; i++) pc.addTransceiver("video", {direction: "recvonly"});
  if (data) openChannels(peer);
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
};
window.openChannels = (peer) => {
  peer.wire = peer.pc.createDataChannel("edgebox");
  peer.fast = peer.pc.createDataChannel("pointing", {ordered: false, maxRetransmits: 0});
  peer.wire.binaryType = "arraybuffer";
  let still = null;
  const take = ({data}) => {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      message.at = Date.now();
      peer.said.push(message);
      if (message.type === "StillStart") {
        still = peer.stills[message.id] = {...message, got: 0, first: null, chunks: []};
      }
      return;
    }
    still.got += data.byteLength;
    still.chunks.push(new Uint8Array(data));
    still.done = Date.now();
  };
  peer.wire.onmessage = take;
  peer.fast.onmessage = take;
};
window.say = (name, message, fast = false) => {
  const peer = window.peers[name];
  (fast ? peer.fast : peer.wire).send(JSON.stringify(message));
};
window.stillSize = async (name, id) => {
  const still = window.peers[name].stills[id];
  const bitmap = await createImageBitmap(new Blob(still.chunks, {type: "image/jpeg"}));
  return [bitmap.width, bitmap.height];
};
window.takeAnswer = (name, sdp) =>
  window.peers[name].pc.setRemoteDescription({type: "answer", sdp});
window.frames = async (name) => {
  const found = {};
  for (const [mid, video] of Object.entries(window.peers[name].videos)) {
    found[mid] = video.getVideoPlaybackQuality().totalVideoFrames;
  }
  return found;
};
window.stamp = (name, mid) => {
  const video = window.peers[name].videos[mid];
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  if (!canvas.width) return null;
  canvas.getContext("2d", {willReadFrequently: true}).drawImage(video, 0, 0);
  return window.readStamp(canvas);
};
"""
)


def configuration(broker: Broker, turn: str, *cameras: Camera, directory: str = "") -> Config:
    """A box with these cameras; ports are free ones."""
    return Config(
        box=Box(id="b1"),
        bus=BusSection(address=broker.address),
        media=Media(
            turn=turn, preview_listen=f"127.0.0.1:{free_port()}", camera=cameras or (FRONT,)
        ),
        panel=Panel(listen="127.0.0.1:18080"),
        directory=directory,
    )


class Observer:
    """What the rest of the box sees of media: its session, and requests to it."""

    def __init__(self, bus: Bus):
        self.bus = bus
        self._arrived = asyncio.Condition()
        self.sessions: list[MediaSession] = []

    async def keep(self, session: MediaSession, keys: dict[str, str]) -> None:
        async with self._arrived:
            self.sessions.append(session)
            self._arrived.notify_all()

    async def until(self, wanted: Any, timeout_s: float = 10) -> MediaSession:
        """The first published session (from now on, the last one included) that fits."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self.sessions and wanted(self.sessions[-1]))
            return self.sessions[-1]


@asynccontextmanager
async def observing(config: Config) -> AsyncIterator[Observer]:
    """An Observer on the bus of `config`."""
    async with Bus(config.bus.address, "test", box=config.box.id) as bus:
        box = Observer(bus)
        await bus.subscribe(MEDIA_SESSION, box.keep)
        await bus.connected.wait()
        yield box


@asynccontextmanager
async def media_running(config: Config) -> AsyncIterator[Observer]:
    """The service in this process."""
    task = asyncio.create_task(service.run(config))
    try:
        async with observing(config) as box:
            ready = asyncio.create_task(
                box.until(lambda s: s.cameras and all(c.state == "ready" for c in s.cameras))
            )
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                ready.cancel()
                await task
            await ready
            yield box
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def media_process(config: Config, directory: Path) -> asyncio.subprocess.Process:
    """The service as its unit starts it."""
    path = directory / "box.json"
    path.write_bytes(msgspec.json.encode(config))
    code = (
        "import sys, msgspec; from pathlib import Path; from edgebox import app, config;"
        "app.run_service('media', msgspec.json.decode("
        "Path(sys.argv[1]).read_bytes(), type=config.Config))"
    )
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path))


@asynccontextmanager
async def chromium_page(*flags: str, url: str = "about:blank") -> AsyncIterator[Page]:
    """A page with the helpers of PAGE_JS."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        page = await browser.new_page()
        await page.goto(url)
        await page.evaluate("() => {" + PAGE_JS + "}")
        yield page
        await browser.close()


async def admit(box: Observer, participant: str = "person", role: Role = "doctor") -> None:
    """As the crew does."""
    wish = Admit(session=box.sessions[-1].id, participant=participant, role=role, name="Dr. Test")
    assert await box.bus.request(ADMIT, wish) == Done()


async def watch(
    box: Observer,
    page: Page,
    turn: TurnServer,
    *,
    peer: str = "p1",
    sections: int = 2,
    delay_s: float = 0.0,
    participant: str = "person",
    role: Role = "doctor",
    admitted: bool = False,
    data: bool = False,
) -> WatchAnswer | Fault:
    """Offer from the page, over the bus, as the hub does; signalling takes `delay_s` each way.

    The person is admitted first unless they are `admitted` already or must not be.
    """
    if not admitted:
        await admit(box, participant, role)
    username, password = turn.credentials()
    relay = {
        "urls": f"turn:{turn.address}?transport=udp",
        "username": username,
        "credential": password,
    }
    sdp = await page.evaluate(
        "([name, sections, relay, data]) => makeOffer(name, sections, relay, data)",
        [peer, sections, relay, data],
    )
    offer = WatchOffer(
        session=box.sessions[-1].id,
        peer=peer,
        name="Dr. Test",
        role=role,
        participant=participant,
        sdp=sdp,
        turn=TurnCredentials(username=username, password=password),
    )
    await asyncio.sleep(delay_s)
    question = box.bus.request(WATCH, offer, timeout_s=8)
    asked = asyncio.create_task(question)
    trickled = asyncio.create_task(trickle(box, page, peer, delay_s))
    answer = await asked
    await asyncio.sleep(delay_s)
    if isinstance(answer, WatchAnswer):
        await page.evaluate("([name, sdp]) => takeAnswer(name, sdp)", [peer, answer.sdp])
    await trickled
    return answer


async def trickle(box: Observer, page: Page, peer: str, delay_s: float = 0.0) -> None:
    """Send on the candidates the page finds, until it has them all."""
    complete = False
    while not complete:
        complete, found = await page.evaluate(
            """(name) => [peers[name].pc.iceGatheringState === "complete",
                          peers[name].candidates.splice(0)]""",
            peer,
        )
        await asyncio.sleep(delay_s)
        for candidate in found:
            await box.bus.publish(
                WATCH_CANDIDATE,
                WatchCandidate(
                    peer=peer, candidate=candidate["candidate"], mid=candidate["sdpMid"] or ""
                ),
            )
        await asyncio.sleep(0.005)


async def channel_open(page: Page, peer: str) -> None:
    """Wait for the data channels."""
    await until(page, f"peers['{peer}'].wire.readyState === 'open'")
    await until(page, f"peers['{peer}'].fast.readyState === 'open'")


async def until(page: Page, expression: str, timeout_s: float = 10) -> Any:
    """Wait until a JavaScript expression holds; its value."""
    deadline = time.monotonic() + timeout_s
    while not (found := await page.evaluate(expression)):
        assert time.monotonic() < deadline, expression
        await asyncio.sleep(0.01)
    return found


async def say(page: Page, peer: str, kind: str, *, fast: bool = False, **fields: Any) -> None:
    """A data message of the page."""
    await page.evaluate(
        "([name, message, fast]) => say(name, message, fast)",
        [peer, {"type": kind, **fields}, fast],
    )


async def frames_seen(
    page: Page, peer: str, mids: set[str], more_than: int = 5, timeout_s: float = 10
) -> dict[str, int]:
    """Wait until the page decoded that many frames of each section."""
    deadline = time.monotonic() + timeout_s
    while True:
        found: dict[str, int] = await page.evaluate("(name) => frames(name)", peer)
        if all(found.get(mid, 0) > more_than for mid in mids):
            return found
        assert time.monotonic() < deadline, f"frames decoded: {found}"
        await asyncio.sleep(0.02)
