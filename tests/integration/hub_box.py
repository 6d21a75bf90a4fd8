"""A hub in this process and a stand-in box that speaks the box's messages, for the hub's tests."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import aiohttp
import av
import msgspec
from aiortc import (
    AudioStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.rtcrtpsender import RTCRtpSender
from playwright.async_api import Browser, async_playwright

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.config.media import Camera
from edgebox.hub.service import run
from edgebox.media.cameras.pattern import PatternSource
from edgebox.media.data_messages import CHUNK_BYTES, decode
from edgebox.messages.base import Fault, Role
from edgebox.messages.room import CREATE_INVITE, ROOM, CreateInvite, Invite, Participant, Room
from edgebox.messages.services import BOX_INFO, SERVICE_STATUS, BoxInfo, ServiceStatus
from edgebox.messages.session import (
    MEDIA_SESSION,
    WATCH,
    WATCH_CANDIDATE,
    WATCH_CLOSE,
    Admitted,
    CameraStatus,
    MediaSession,
    Sending,
    SoundStatus,
    Stream,
    WatchAnswer,
    WatchCandidate,
    WatchClose,
    Watcher,
    WatchOffer,
)
from edgebox.messages.vehicle import POSITION, Position
from edgebox.roles import RIGHTS
from edgebox.sim.ports import free_port
from tests.conftest import Broker, TurnServer

CHROMIUM_ARGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)


@dataclass
class RunningHub:
    """The hub's service as a task."""

    config: Config
    task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.config.hub.public_url

    async def start(self) -> None:
        self.task = asyncio.create_task(run(self.config))
        async with asyncio.timeout(10), aiohttp.ClientSession() as client:
            while True:
                if self.task.done():
                    await self.task
                try:
                    async with client.get(self.url):
                        return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None


@contextlib.asynccontextmanager
async def running_hub(
    broker: Broker, directory: Path, turn: TurnServer | None = None, ttl_s: int = 900
) -> AsyncIterator[RunningHub]:
    """A hub on a free port with its database and secret in `directory`."""
    port = free_port()
    (directory / "secret").write_text(TurnServer.secret)
    address = turn.address if turn else "127.0.0.1:9"
    hub = Hub(
        listen=f"127.0.0.1:{port}",
        public_url=f"http://127.0.0.1:{port}",
        bus=broker.address,
        database=f"sqlite:///{directory}/hub.db",
        turn_urls=(f"turn:{address}?transport=udp",),
        turn_secret=str(directory / "secret"),
        invite_ttl_s=ttl_s,
    )
    one = RunningHub(Config(hub=hub, directory=str(directory)))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A real, headless one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGS
        )
        yield browser
        await browser.close()


class Scene(VideoStreamTrack):
    """The test picture of the demo's cameras, 640x360 at 10 Hz; `still` holds it."""

    def __init__(self, name: str, still: asyncio.Event):
        super().__init__()
        camera = Camera(id="x", kind="pattern", name=name, width=640, height=360, fps=10)
        self._source = PatternSource(camera)
        self._still = still
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        while self._still.is_set():
            await asyncio.sleep(0.05)
        picture = await asyncio.to_thread(self._source.read)
        self._count += 1
        frame = picture.frame()
        frame.pts, frame.time_base = self._count * 9000, Fraction(1, 90_000)
        return frame


class Moving(VideoStreamTrack):
    """A picture that changes, 320x180 at 20 Hz; `still` holds it."""

    def __init__(self, hue: int, still: asyncio.Event):
        super().__init__()
        self._hue = hue
        self._still = still
        self._count = 0

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(0.05)
        while self._still.is_set():
            await asyncio.sleep(0.05)
        self._count += 1
        frame = av.VideoFrame(320, 180, "yuv420p")
        luma, chroma = 60 + self._count % 100, bytes([self._hue])
        for plane, value in zip(frame.planes, (bytes([luma]), chroma, b"\x80"), strict=True):
            plane.update(value * plane.buffer_size)
        frame.pts, frame.time_base = self._count * 4500, Fraction(1, 90_000)
        return frame


class Tone(AudioStreamTrack):
    """Something that can be heard: a 400 Hz square wave, quiet."""

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, av.AudioFrame)
        half = b"\x00\x08" * 10 + b"\x00\xf8" * 10
        plane = frame.planes[0]
        plane.update((half * (plane.buffer_size // len(half) + 1))[: plane.buffer_size])
        return frame


CAMERAS = (("front", "Båre"), ("rear", "Bakrom"))


@dataclass
class StandInBox:
    """What the services of a box say and answer, with real WebRTC from this process."""

    bus: Bus
    turn: TurnServer | None = None
    session: str = "session-1"
    instance: str = "instance-1"
    state: Literal["idle", "live"] = "idle"
    offers: list[WatchOffer] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    candidates: list[WatchCandidate] = field(default_factory=list)
    room: Room | None = None
    still: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False
    """Answers no offers."""
    dead_cameras: frozenset[str] = frozenset()
    connections: dict[str, RTCPeerConnection] = field(default_factory=dict)
    watchers: dict[str, Watcher] = field(default_factory=dict)
    bitrate_bps: int = 1_200_000
    admits: bool = True
    """Lets in everybody at once."""
    admitted: dict[str, Admitted] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    hidden: bool = False
    outside: frozenset[str] = frozenset()
    """Cameras that show no patient."""
    order: list[str] = field(default_factory=lambda: [camera for camera, _ in CAMERAS])
    focus_by: str = ""
    sound: SoundStatus = field(
        default_factory=lambda: SoundStatus(microphone="live", loudspeaker="ready")
    )
    sending: Sending = field(default_factory=lambda: Sending(level="full"))
    said: list[Any] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    """Of pictures that pages sent."""
    """What pages sent on their data channels, as edgebox.media.data_messages."""
    channels: dict[str, RTCDataChannel] = field(default_factory=dict)
    scenic: bool = False
    """Shows test pictures instead of plain grey."""
    heard: list[str] = field(default_factory=list)
    """Kinds of the tracks that came in."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One that is closed while it opens its sockets would leave them."""

    async def start(self) -> None:
        await self.bus.subscribe(ROOM, self._keep_room)
        await self.bus.serve(WATCH, self._answer)
        await self.bus.subscribe(WATCH_CANDIDATE, self._keep_candidate)
        await self.bus.subscribe(WATCH_CLOSE, self._close)
        await self.bus.connected.wait()
        await self.bus.publish(BOX_INFO, BoxInfo(vehicle="Ambulanse 1-7"))
        await self.say_media("running")
        await self.say()

    async def say(self) -> None:
        """Publish the session as it is."""
        message = MediaSession(
            id=self.session,
            state=self.state,
            since_utc=time.time(),
            instance=self.instance,
            cameras=tuple(self._camera(*camera) for camera in CAMERAS),
            sent=tuple(self.order) if self.state == "live" else (),
            watchers=tuple(self.watchers.values()),
            admitted=tuple(self.admitted.values()),
            refused=tuple(self.refused),
            hidden=self.hidden,
            focus_by=self.focus_by,
            sound=self.sound,
            sending=self.sending,
        )
        await self.bus.publish(MEDIA_SESSION, message)

    def _camera(self, camera: str, name: str) -> CameraStatus:
        lively = self.state == "live" and not self.hidden
        running: Literal["live", "ready"] = "live" if lively else "ready"
        return CameraStatus(
            id=camera,
            name=name,
            kind="pattern",
            state="absent" if camera in self.dead_cameras else running,
            since_utc=0,
            fps=10 if self.scenic else 20,
            bitrate_bps=self.bitrate_bps,
            view="outside" if camera in self.outside else "patient",
        )

    def waiting(self) -> list[Participant]:
        """People in the room whom nobody let in yet."""
        people = self.room.participants if self.room else ()
        return [one for one in people if one.id not in self.admitted]

    async def admit(self, *people: Participant) -> None:
        """The crew's tap, with the roles they see."""
        for one in people:
            self.admitted[one.id] = Admitted(participant=one.id, role=one.role, name=one.name)
        await self.say()

    async def refuse(self, participant: str) -> None:
        """The crew turns somebody away, or puts them out."""
        self.admitted.pop(participant, None)
        self.refused.append(participant)
        await self.say()

    async def say_position(self, **values: Any) -> None:
        """As gpsd has it."""
        now_utc = time.time()
        message = Position(**{"at_utc": now_utc, "received_utc": now_utc, **values})
        await self.bus.publish(POSITION, message)

    def _hear(self, data: str | bytes) -> None:
        """On a data channel."""
        if isinstance(data, str):
            self.said.append(decode(data))
        else:
            self.pieces.append(data)

    def _carried(self, role: Role) -> list[str]:
        """Cameras this role may see, in the order of the connection's sections."""
        views = RIGHTS[role].views
        return [
            camera
            for camera, _ in CAMERAS
            if ("outside" if camera in self.outside else "patient") in views
        ]

    def say_shown(self) -> None:
        """Everybody's own camera is seen in the cabin."""
        for peer, watcher in self.watchers.items():
            self.watchers[peer] = msgspec.structs.replace(watcher, shows=True, speaks=True)

    def send(self, data: bytes) -> None:
        """Bytes of a still, in pieces, to every page."""
        for channel in self.channels.values():
            for start in range(0, len(data), CHUNK_BYTES):
                channel.send(data[start : start + CHUNK_BYTES])

    def tell(self, **message: Any) -> None:
        """Say something on every page's open data channel; `type` is the class name."""
        for channel in self.channels.values():
            if channel.readyState == "open":
                channel.send(json.dumps(message))

    async def say_media(self, state: Literal["starting", "running", "stopped"]) -> None:
        """The service's own status."""
        status = ServiceStatus(
            service="media", instance=self.instance, state=state, since_utc=time.time()
        )
        await self.bus.publish(SERVICE_STATUS, status, service="media")

    async def say_bridge(self, up: bool) -> None:
        """As the bridge's notification would."""
        assert self.bus._client is not None
        topic = f"$SYS/broker/connection/{self.bus._box}/state"
        await self.bus._client.publish(topic, b"1" if up else b"0", qos=1, retain=True)

    async def invite(self, role: Role, name: str = "") -> str:
        """The link."""
        answer = await self.bus.request(
            CREATE_INVITE, CreateInvite(session=self.session, role=role, name=name)
        )
        assert isinstance(answer, Invite), answer
        return answer.url

    async def go(self, state: Literal["idle", "live"]) -> None:
        """idle or live; idle ends the session, as media does."""
        self.state = state
        if state == "idle":
            self.session = f"session-{time.monotonic_ns()}"
            self.admitted.clear()
            self.refused.clear()
            self.hidden, self.outside = False, frozenset()
            self.sending = Sending(level="full")
            self.sound = SoundStatus(microphone="live", loudspeaker="ready")
            await self.cut_all()
        await self.say()

    async def restart(self) -> None:
        """As if media had been killed and started."""
        self.instance = f"instance-{time.monotonic_ns()}"
        await self.cut_all()
        await self.say()

    def watch(self, peer: str, name: str = "Kari", role: Role = "doctor") -> None:
        """Somebody gets what their role gets."""
        rights = RIGHTS[role]
        self.watchers[peer] = Watcher(
            peer=peer,
            name=name,
            role=role,
            state="connected",
            since_utc=time.time(),
            sees=tuple(self.order) if rights.sees and not self.hidden else (),
            hears=rights.hears,
        )

    async def cut_all(self) -> None:
        self.watchers.clear()
        self.channels.clear()
        async with self._making:
            for connection in self.connections.values():
                await connection.close()
            self.connections.clear()

    async def _keep_room(self, room: Room, keys: dict[str, str]) -> None:
        self.room = room
        if self.admits and (waiting := self.waiting()):
            await self.admit(*waiting)

    async def _keep_candidate(self, message: WatchCandidate, keys: dict[str, str]) -> None:
        self.candidates.append(message)

    async def _close(self, message: WatchClose, keys: dict[str, str]) -> None:
        self.closed.append(message.peer)
        async with self._making:
            connection = self.connections.pop(message.peer, None)
            if connection is not None:
                await connection.close()
        if self.watchers.pop(message.peer, None):
            await self.say()

    async def _answer(self, offer: WatchOffer, keys: dict[str, str]) -> WatchAnswer | Fault:
        self.offers.append(offer)
        if self.deaf:
            return await asyncio.Future()
        if self.state != "live" or offer.session != self.session:
            return Fault(reason="refused")
        if self.turn is None:
            return Fault(reason="failed")
        async with self._making:
            old = self.connections.pop(offer.peer, None)
            if old is not None:
                await old.close()
            answer = await self._connect(offer, self.turn)
        self.watch(offer.peer, offer.name, offer.role)
        await self.say()
        return answer

    async def _connect(self, offer: WatchOffer, turn: TurnServer) -> WatchAnswer:
        server = RTCIceServer(
            f"turn:{turn.address}?transport=udp", offer.turn.username, offer.turn.password
        )
        connection = RTCPeerConnection(
            RTCConfiguration([server], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self.connections[offer.peer] = connection
        h264 = [
            codec
            for codec in RTCRtpSender.getCapabilities("video").codecs
            if codec.mimeType == "video/H264"
        ]
        sections = re.split(r"^(?=m=)", offer.sdp, flags=re.MULTILINE)[1:]
        pictures = [one for one in sections if one.startswith("m=video") and "a=recvonly" in one]
        for camera, _ in zip(self._carried(offer.role), pictures, strict=False):
            track = (
                Scene(dict(CAMERAS)[camera], self.still)
                if self.scenic
                else Moving(90 if camera == "front" else 160, self.still)
            )
            transceiver = connection.addTransceiver(track, "sendonly")
            transceiver.setCodecPreferences(h264)
        if RIGHTS[offer.role].hears and "m=audio" in offer.sdp:
            connection.addTrack(Tone())

        @connection.on("datachannel")
        def keep_channel(channel: RTCDataChannel) -> None:
            if channel.label == "edgebox":
                self.channels[offer.peer] = channel
            channel.on("message", self._hear)

        @connection.on("track")
        def keep_track(track: Any) -> None:
            self.heard.append(track.kind)

        await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        streams = tuple(
            Stream(mid=transceiver.mid or "", camera=camera, name=dict(CAMERAS)[camera])
            for transceiver, camera in zip(
                connection.getTransceivers()[: len(pictures)],
                self._carried(offer.role),
                strict=False,
            )
        )
        return WatchAnswer(sdp=connection.localDescription.sdp, streams=streams)


@contextlib.asynccontextmanager
async def stand_in_box(
    broker: Broker, turn: TurnServer | None = None, box: str = "b1"
) -> AsyncIterator[StandInBox]:
    """A box on the hub's own broker: what the bridge does has tests of its own."""
    async with Bus(broker.address, "media", box=box) as bus:
        one = StandInBox(bus, turn)
        await one.start()
        try:
            yield one
        finally:
            one.deaf = True
            await one.cut_all()


def person() -> aiohttp.ClientSession:
    """Somebody's browser, as far as HTTP goes."""
    return aiohttp.ClientSession(
        headers={"Accept-Language": "nb"}, cookie_jar=aiohttp.CookieJar(unsafe=True)
    )


async def join(client: aiohttp.ClientSession, url: str, name: str = "Kari") -> str:
    """Spend the link; the path of the room."""
    async with client.post(url, data={"name": name}, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]


async def until(true: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.01)
