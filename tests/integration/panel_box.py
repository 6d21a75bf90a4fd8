"""Everything around the panel, stood in for on real brokers: media, bond and hub that do as told.

The hub's messages go the real way: hub's broker, bridge, box's broker.
"""

import asyncio
import contextlib
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from msgspec.structs import replace
from playwright.async_api import Browser, Page, async_playwright

from edgebox.bus import Bus
from edgebox.config import Config, parse_address
from edgebox.config.bond import Bond as BondConfig
from edgebox.config.bond import Link
from edgebox.config.box import Box
from edgebox.config.box import Bus as BusConfig
from edgebox.config.media import Camera, Media
from edgebox.config.panel import Panel
from edgebox.config.vehicle import Sms
from edgebox.messages.base import Done, Fault
from edgebox.messages.bond import BOND_STATUS, BondCounters, BondStatus, LinkStatus
from edgebox.messages.marks import POINTING, STROKE, WIPE, Pointing, Stroke, Wipe
from edgebox.messages.room import CREATE_INVITE, ROOM, CreateInvite, Invite, Participant, Room
from edgebox.messages.services import ASK_HUB, SERVICE_STATUS, AskHub, HubStatus, ServiceStatus
from edgebox.messages.session import (
    ADMIT,
    HIDE_PICTURES,
    MEDIA_SESSION,
    MUTE_CABIN,
    MUTE_GUEST,
    REFUSE,
    SELECT_CAMERAS,
    START_VIDEO,
    STOP_VIDEO,
    Admit,
    Admitted,
    CameraStatus,
    GuestMuted,
    HidePictures,
    MediaSession,
    MuteCabin,
    Refuse,
    SelectCameras,
    Sending,
    SoundStatus,
    StartVideo,
    StopVideo,
    Watcher,
)
from edgebox.messages.vehicle import MODEMS, SEND_INVITE, Modem, Modems, SendInvite
from edgebox.panel import service
from edgebox.roles import RIGHTS
from edgebox.sim.ports import free_port
from tests.conftest import Broker

BOX = "b1"
CAMERAS = (
    Camera(id="stretcher", name="Båre", kind="rtsp", source="rtsp://10.0.0.5/1"),
    Camera(id="cabin", name="Kupé", kind="v4l2", source="/dev/video0"),
)
LINKS = (("lte-1", "Telenor"), ("lte-2", "Telia"), ("sat", "Satellitt"))


def link(index: int, **change: Any) -> LinkStatus:
    """One of LINKS, up unless told otherwise."""
    name, label = LINKS[index]
    one = LinkStatus(
        name=name,
        label=label,
        state="up",
        since_utc=time.time(),
        rtt_ms=(38.0, 52.0, 610.0)[index],
        queue_ms=2.0,
        loss=0.0,
        capacity_bps=(4_200_000, 2_600_000, 900_000)[index],
        sent_bps=(1_450_000, 820_000, 60_000)[index],
        received_bps=90_000,
    )
    return replace(one, **change)


def bond(*links: LinkStatus, **change: Any) -> BondStatus:
    """A bond of these links, by default of all three."""
    links = links or tuple(link(index) for index in range(3))
    one = BondStatus(
        at_utc=time.time(),
        state="up",
        since_utc=time.time(),
        links=links,
        capacity_bps=sum(each.capacity_bps for each in links),
        target_bps=int(0.8 * sum(each.capacity_bps for each in links)),
        rtt_ms=40.0,
        redundancy=0.02,
        counters=BondCounters(),
    )
    return replace(one, **change)


def id_of(name: str) -> str:
    """A participant's id, from their name."""
    return "i" + hashlib.sha256(name.encode()).hexdigest()[:20]


def watcher(name: str, role: Any = "doctor", state: Any = "connected", **more: Any) -> Watcher:
    """Somebody connected, who gets all that their role may."""
    rights = RIGHTS[role]
    here = state == "connected"
    one = Watcher(
        peer=f"r-{id_of(name)}",
        participant=id_of(name),
        name=name,
        role=role,
        state=state,
        since_utc=time.time(),
        sees=("stretcher",) if rights.sees and here else (),
        hears=rights.hears and here,
        speaks=rights.speaks and here,
    )
    return replace(one, **more)


def participant(name: str, role: Any = "doctor") -> Participant:
    """Somebody in the room."""
    return Participant(
        id=id_of(name), name=name, role=role, state="present", joined_utc=time.time()
    )


def admitted(name: str, role: Any = "doctor") -> Admitted:
    """Somebody the crew let in."""
    return Admitted(participant=id_of(name), role=role, name=name)


class StandIn:
    """Media, bond and hub of one box."""

    def __init__(self, config: Config, hub_broker: Broker, cameras: tuple[Camera, ...]):
        self.media = Bus(config.bus.address, "media", box=BOX)
        self.bond = Bus(config.bus.address, "bond", box=BOX)
        self.hub = Bus(hub_broker.address, "hub", box=BOX)
        self.asked: list[Any] = []
        self.fault: Fault | None = None
        self.bond_status: BondStatus | None = bond()
        self.session = MediaSession(
            id="session-1",
            state="idle",
            since_utc=time.time(),
            instance="media-1",
            cameras=tuple(
                CameraStatus(
                    id=camera.id, name=camera.name, kind=camera.kind, state="ready", since_utc=0
                )
                for camera in cameras
            ),
            sent=(),
            sound=SoundStatus(microphone="ready", loudspeaker="ready"),
        )
        self.room = Room(session="session-1", participants=())
        self.invites = 0

    async def say_all(self) -> None:
        """Answer and say everything, as after a start."""
        await self.media.serve(START_VIDEO, self._start)
        await self.media.serve(STOP_VIDEO, self._stop)
        await self.media.serve(SELECT_CAMERAS, self._select)
        await self.media.serve(HIDE_PICTURES, self._hide)
        await self.media.serve(MUTE_CABIN, self._mute)
        await self.media.serve(ADMIT, self._admit)
        await self.media.serve(REFUSE, self._refuse)
        await self.media.serve(MUTE_GUEST, self._mute_guest)
        await self.media.serve(SEND_INVITE, self._send_invite)
        await self.hub.serve(CREATE_INVITE, self._invite)
        await self.hub.serve(ASK_HUB, self._answer)
        await self.say_media("running")
        await self.say_session()
        await self.say_room()

    async def say_media(self, state: Any, instance: str | None = None) -> None:
        """Media's status; another `instance` is a restart, after which it says its session."""
        instance = instance or self.session.instance
        status = ServiceStatus(
            service="media", instance=instance, state=state, since_utc=time.time()
        )
        await self.media.publish(SERVICE_STATUS, status, service="media")

    async def say_session(self, **change: Any) -> None:
        """Change the session and publish it."""
        self.session = replace(self.session, **change)
        await self.media.publish(MEDIA_SESSION, self.session)

    async def say_camera(self, camera: str, **change: Any) -> None:
        """Change one camera and publish the session."""
        await self.say_session(
            cameras=tuple(
                replace(one, **change) if one.id == camera else one for one in self.session.cameras
            )
        )

    async def say_room(self, *people: Participant) -> None:
        """Who is in the room."""
        self.room = Room(session=self.session.id, participants=people)
        await self.hub.publish(ROOM, self.room)

    async def say_modems(self, *modems: Modem) -> None:
        """What the modems say; without any, one for each of LINKS."""
        modems = modems or (
            Modem(interface="lte-1", state="connected", operator="Telenor", generation="5G"),
            Modem(interface="lte-2", state="connected", operator="Telia", generation="4G"),
        )
        await self.media.publish(MODEMS, Modems(modems=modems))

    async def point(
        self, x: float, y: float, *, on: bool = True, camera: str = "stretcher"
    ) -> None:
        """Kari Nordmann points."""
        name = "Kari Nordmann"
        pointing = Pointing(participant=id_of(name), name=name, camera=camera, on=on, x=x, y=y)
        await self.media.publish(POINTING, pointing)

    async def draw(self, *points: tuple[float, float], camera: str = "stretcher") -> None:
        """She draws her first line, or goes on with it."""
        stroke = Stroke(participant=id_of("Kari Nordmann"), camera=camera, stroke=1, points=points)
        await self.media.publish(STROKE, stroke)

    async def wipe(self, camera: str = "stretcher") -> None:
        """All lines are gone."""
        await self.media.publish(WIPE, Wipe(camera=camera))

    async def report_bond(self) -> None:
        """Ten times a second, for as long as there is a `bond_status`."""
        while True:
            if self.bond_status is not None:
                status = replace(self.bond_status, at_utc=time.time())
                await self.bond.publish(BOND_STATUS, status)
            await asyncio.sleep(0.1)

    async def go_live(self, *sent: str) -> None:
        """As media does after a start."""
        await self.say_session(
            state="live",
            since_utc=time.time(),
            sent=sent,
            sending=Sending(level="full", total_bps=3_000_000),
            cameras=tuple(
                replace(one, state="live" if one.id in sent else "ready", bitrate_bps=900_000)
                for one in self.session.cameras
            ),
        )

    async def _answer(self, question: AskHub, keys: dict[str, str]) -> HubStatus:
        return HubStatus(instance="hub-1", since_utc=0)

    async def _start(self, question: StartVideo, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        await self.go_live(*question.cameras)
        return Done()

    async def _stop(self, question: StopVideo, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        await self.say_session(
            state="idle", id="session-2", watchers=(), admitted=(), refused=(), hidden=False
        )
        return Done()

    async def _select(self, question: SelectCameras, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        await self.go_live(*question.cameras)
        return Done()

    async def _hide(self, question: HidePictures, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        watchers = tuple(replace(one, sees=()) for one in self.session.watchers)
        await self.say_session(hidden=question.hidden, watchers=watchers)
        return Done()

    async def _mute(self, question: MuteCabin, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        await self.say_session(sound=replace(self.session.sound, muted=question.muted))
        return Done()

    async def _admit(self, question: Admit, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        one = Admitted(participant=question.participant, role=question.role, name=question.name)
        await self.say_session(admitted=(*self.session.admitted, one))
        return Done()

    async def _refuse(self, question: Refuse, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        session, gone = self.session, question.participant
        await self.say_session(
            refused=(*session.refused, gone),
            admitted=tuple(one for one in session.admitted if one.participant != gone),
            watchers=tuple(one for one in session.watchers if one.participant != gone),
        )
        return Done()

    async def _mute_guest(self, question: GuestMuted, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        await self.say_session(
            watchers=tuple(
                replace(one, silenced=question.muted, speaks=not question.muted)
                if one.participant == question.participant
                else one
                for one in self.session.watchers
            )
        )
        return Done()

    async def _send_invite(self, question: SendInvite, keys: dict[str, str]) -> Done | Fault:
        self.asked.append(question)
        return self.fault or Done()

    async def _invite(self, question: CreateInvite, keys: dict[str, str]) -> Invite | Fault:
        self.asked.append(question)
        if self.fault is not None:
            return self.fault
        self.invites += 1
        token = f"Qm9q2TtYw8xk0aVd3hLr7sZc5bNf1e{self.invites:02d}"
        return Invite(
            url=f"https://video.helse.example/j/{token}",
            role=question.role,
            expires_utc=time.time() + 899,
        )


def bridge(port: int) -> str:
    """What joins the box's broker to the hub's."""
    return (
        f"connection {BOX}\naddress 127.0.0.1:{port}\nremote_clientid {BOX}\n"
        f"bridge_protocol_version mqttv50\nnotifications true\ncleansession false\n"
        f"topic box/{BOX}/up/# out 1\ntopic box/{BOX}/down/# in 1\n"
        "keepalive_interval 5\nrestart_timeout 1 1\n"
    )


class Brokers:
    """The box's and the hub's, bridged."""

    def __init__(self, directory: Path):
        (directory / "box").mkdir()
        (directory / "hub").mkdir()
        port = free_port()
        self.hub = Broker(directory / "hub", f"listener {port} 127.0.0.1\n")
        self.box = Broker(directory / "box", bridge(port))

    def __enter__(self) -> Self:
        self.hub.start()
        self.box.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.box.kill()
        self.hub.kill()


@contextlib.contextmanager
def brokers() -> Any:
    """Both, running, in a directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="panel-") as name, Brokers(Path(name)) as both:
        yield both


def config_for(both: Brokers, cameras: tuple[Camera, ...] = CAMERAS, **panel: Any) -> Config:
    """A box with these cameras."""
    return Config(
        box=Box(id=BOX, vehicle="Ambulanse 7-3"),
        bus=BusConfig(address=both.box.address),
        bond=BondConfig(
            link=tuple(Link(name=name, label=label, source="127.0.0.1") for name, label in LINKS)
        ),
        media=Media(preview_listen=f"127.0.0.1:{free_port()}", camera=cameras),
        panel=Panel(listen=f"127.0.0.1:{free_port()}", **panel),
        sms=Sms(by="modem"),
    )


@contextlib.asynccontextmanager
async def stand_in(
    config: Config, both: Brokers, cameras: tuple[Camera, ...] = CAMERAS
) -> AsyncIterator[StandIn]:
    """Media, bond and hub, running."""
    box = StandIn(config, both.hub, cameras)
    async with box.media, box.bond, box.hub:
        await box.media.connected.wait()
        await box.hub.connected.wait()
        await box.say_all()
        reports = asyncio.create_task(box.report_bond())
        try:
            yield box
        finally:
            reports.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reports


CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
"""Sounds as in the kiosk; the last because aioice keeps what it needs for mDNS beyond one test's
loop."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_ARGS
        )
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def running_panel(config: Config) -> AsyncIterator[str]:
    """The panel's service in this process; gives its address."""
    task = asyncio.create_task(service.run(config))
    host, port = parse_address(config.panel.listen)
    try:
        async with asyncio.timeout(10):
            while True:
                if task.done():
                    task.result()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    break
                await asyncio.sleep(0.01)
        yield f"http://{config.panel.listen}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def open_panel(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = (800, 480),
    cookies: dict[str, str] | None = None,
) -> Page:
    """A page of its own context; `cookies` are `language` and `theme`."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=True
    )
    await context.add_cookies(
        [
            {"name": f"panel-{name}", "value": value, "url": url}
            for name, value in (cookies or {}).items()
        ]
    )
    page = await context.new_page()
    await page.goto(url)
    return page
