"""The whole system on one machine: a box, a hub, and three simulated links between them.

Everything is the real thing (services, mosquitto, coturn, certificates) except the modems, which
edgebox.sim.links and edgebox.sim.modems stand in for, the satellite receiver, the provider of text
messages, the patient monitor, and cameras the user does not give. State lives in a temporary
directory that goes away with the demo. All listeners are on loopback.
"""

import asyncio
import contextlib
import json
import random
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.live import Live

from edgebox.bus import Bus
from edgebox.config import Camera, Language, Loudspeaker, Microphone
from edgebox.errors import ConfigError, DeviceError
from edgebox.host import daemons
from edgebox.host.supervise import Program, Supervisor
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.sim import pki
from edgebox.sim.demo_view import DemoView
from edgebox.sim.modems import say_modems
from edgebox.sim.ports import LOOPBACK, free_port, is_free
from edgebox.sim.receiver import receiver
from edgebox.sim.shell_socket import shell_socket
from edgebox.sim.sms_gateway import sms_gateway

BOX = "demo-box"
READY_S = 45.0
VIEW_HZ = 4
SERVICES = ("bond", "media", "vitals", "panel", "vehicle", "support", "headset")
HEADSET_NAME = "headset.localhost"
"""Loopback stands for the access point; browsers look for this name there without any DNS."""
LINK_NAMES = {"lte-1": "Telenor", "lte-2": "Telia", "nr-1": "Ice"}
LINK_LANES = {
    "lte-1": "trace = 'lte:11:4000000'\ndelay_ms = 25\nloss = 0.002\n",
    "lte-2": "trace = 'lte:22:2500000'\ndelay_ms = 35\nloss = 0.005\n",
    "nr-1": "rate_bps = 2000000\ndelay_ms = 20\njitter_ms = 5\nloss = 0.01\n",
}
"""Three links none of which would do alone all the time."""
STAFF = {"technician": "Ola Hansen", "fleet": "Drift Demo"}
"""Unit -> name: who may open the hub's pages for staff."""
PART_VARIABLE = "EDGEBOX_DEMO_PART"
"""Tells each process of the demo its name, for those who look at the process list."""
T = TypeVar("T")


@dataclass(frozen=True)
class Ports:
    """Ports people use (consecutive from `first`) and ports that only parts of the demo use."""

    panel: int
    room: int
    control: int
    preview: int
    turn: int
    turn_box: int
    bond: int
    key_exchange: int
    broker: int
    links: tuple[int, int, int]
    relay_broker: int
    relay_key_exchange: int
    gpsd: int
    sms: int
    monitor: int
    staff: int
    headset: int


def choose_ports(first: int) -> Ports:
    """Check that the four public ports are free and find the others.

    Raises DeviceError naming the port that is taken and what to do.
    """
    for offset, what in enumerate(("panel", "room", "control", "preview")):
        if not is_free(first + offset, socket.SOCK_STREAM):
            raise DeviceError(
                f"port {first + offset} ({what}) is in use on {LOOPBACK}: is another demo running? "
                f"Stop it, or choose other ports with --port"
            )
    rest: list[int] = []
    while len(rest) < 15:
        if (port := free_port()) not in rest:
            rest.append(port)
    return Ports(
        panel=first,
        room=first + 1,
        control=first + 2,
        preview=first + 3,
        turn=rest[0],
        turn_box=rest[1],
        bond=rest[2],
        key_exchange=rest[3],
        broker=rest[4],
        links=(rest[5], rest[6], rest[7]),
        relay_broker=rest[8],
        relay_key_exchange=rest[9],
        gpsd=rest[10],
        sms=rest[11],
        monitor=rest[12],
        staff=rest[13],
        headset=rest[14],
    )


@dataclass(frozen=True)
class Sound:
    """Microphone and loudspeaker of the demo's cabin."""

    microphone: Microphone
    loudspeaker: Loudspeaker


def microphone_from_argument(argument: str) -> Microphone:
    """What `--microphone` names: `tone`, a sound file, or an ALSA device."""
    if argument == "tone":
        return Microphone(kind="tone")
    path = Path(argument).expanduser()
    if path.is_file():
        return Microphone(kind="file", source=str(path.resolve()))
    return Microphone(kind="alsa", source=argument)


def loudspeaker_from_argument(argument: str) -> Loudspeaker:
    """What `--loudspeaker` names: `meter`, a file to write, or an ALSA device."""
    if argument == "meter":
        return Loudspeaker(kind="meter")
    if "/" in argument:
        return Loudspeaker(kind="file", source=str(Path(argument).expanduser().resolve()))
    return Loudspeaker(kind="alsa", source=argument)


def camera_from_argument(index: int, argument: str) -> Camera:
    """What `--camera` names: a device, an RTSP address, `picamera:N`, `pattern`, or a file.

    Raises ConfigError when it is none of these.
    """
    name = f"Kamera {index + 1}"
    identity = f"camera-{index + 1}"
    if argument == "pattern":
        return Camera(id=identity, name=name, kind="pattern")
    if argument.startswith(("rtsp://", "rtsps://")):
        return Camera(id=identity, name=name, kind="rtsp", source=argument)
    if argument.startswith("/dev/"):
        return Camera(id=identity, name=name, kind="v4l2", source=argument)
    if argument.startswith("picamera:"):
        return Camera(
            id=identity, name=name, kind="picamera", source=argument.removeprefix("picamera:")
        )
    path = Path(argument).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"--camera {argument}: no such file; give a file, /dev/video0, rtsp://..., "
            f"picamera:0 or pattern"
        )
    return Camera(id=identity, name=name, kind="file", source=str(path.resolve()))


DEFAULT_CAMERAS = (
    Camera(id="patient", name="Pasient", kind="pattern", width=1280, height=720, fps=25),
    Camera(
        id="outside",
        name="Ute",
        kind="pattern",
        view="outside",
        width=1280,
        height=720,
        fps=25,
    ),
)


def box_config(
    directory: Path, ports: Ports, cameras: Sequence[Camera], sound: Sound, language: Language
) -> str:
    """The box's TOML."""
    links = "".join(
        f"[[bond.link]]\nname = {name!r}\nlabel = {label!r}\n"
        f"source = '127.0.1.{number}'\nremote = '{LOOPBACK}:{port}'\n"
        for number, ((name, label), port) in enumerate(
            zip(LINK_NAMES.items(), ports.links, strict=True), 1
        )
    )
    pictures = "".join(
        "[[media.camera]]\n"
        + "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in msgspec.structs.asdict(camera).items()
            if value is not None
        )
        for camera in cameras
    )
    return f"""
[box]
id = '{BOX}'
vehicle = 'Ambulanse 1'
[bus]
address = '{directory}/box.sock'
[bond]
usage_file = 'bond-usage.json'
hub = '{LOOPBACK}:{ports.bond}'
key_exchange = '{LOOPBACK}:{ports.relay_key_exchange}'
ca = 'pki/ca.pem'
certificate = 'pki/{BOX}.pem'
private_key = 'pki/{BOX}.key'
{links}
[[bond.forward]]
name = 'turn'
listen = '{LOOPBACK}:{ports.turn_box}'
to = '{LOOPBACK}:{ports.turn}'
[media]
turn = '{LOOPBACK}:{ports.turn_box}'
preview_listen = '{LOOPBACK}:{ports.preview}'
[media.microphone]
kind = {json.dumps(sound.microphone.kind)}
source = {json.dumps(sound.microphone.source)}
[media.loudspeaker]
kind = {json.dumps(sound.loudspeaker.kind)}
source = {json.dumps(sound.loudspeaker.source)}
{pictures}
[vitals]
store = 'vitals.db'
[[vitals.monitor]]
id = 'monitor'
name = 'Simulert monitor'
kind = 'intellivue'
address = '{LOOPBACK}:{ports.monitor}'
[panel]
listen = '{LOOPBACK}:{ports.panel}'
language = '{language}'
[headset]
listen = '{LOOPBACK}:{ports.headset}'
name = '{HEADSET_NAME}'
fleet_certificate = 'pki/headset/hub.pem'
fleet_key = 'pki/headset/hub.key'
state = 'headset'
[modems]
bus = 'off'
[gpsd]
address = '{LOOPBACK}:{ports.gpsd}'
[sms]
by = 'gateway'
gateway_url = 'http://{LOOPBACK}:{ports.sms}/send'
gateway_secret = 'turn-secret'
gateway_authorization = ''
[support]
store = 'support.db'
audit = 'support-audit.jsonl'
logs = '.'
shell = 'shell.sock'
recordings = 'recordings'
"""


def hub_config(directory: Path, ports: Ports, language: Language) -> str:
    """The hub's TOML."""
    return f"""
[bond]
role = 'hub'
listen = '{LOOPBACK}:{ports.bond}'
key_exchange_listen = '{LOOPBACK}:{ports.key_exchange}'
ca = 'pki/ca.pem'
certificate = 'pki/hub.pem'
private_key = 'pki/hub.key'
allow = ['{LOOPBACK}:{ports.turn}']
[hub]
listen = '{LOOPBACK}:{ports.room}'
public_url = 'http://{LOOPBACK}:{ports.room}'
bus = '{directory}/hub.sock'
database = 'sqlite:///{directory}/hub.db'
turn_urls = ['turn:{LOOPBACK}:{ports.turn}?transport=udp']
turn_secret = 'turn-secret'
invite_ttl_s = 86400
staff_listen = '{LOOPBACK}:{ports.staff}'
staff_url = 'https://{LOOPBACK}:{ports.staff}'
staff_ca = 'pki/staff/ca.pem'
staff_certificate = 'pki/hub.pem'
staff_private_key = 'pki/hub.key'
registry_certificate = 'pki/registry.pem'
registry_key = 'pki/registry.key'
registry_ca = 'pki/ca.pem'
support_audit = 'hub-support-audit.jsonl'
language = '{language}'
"""


class _Ready:
    """Waits until a tap on the panel would work."""

    def __init__(self) -> None:
        self.session: MediaSession | None = None
        self._bond_up = False
        self._running: set[str] = set()
        self._changed = asyncio.Event()

    async def attach(self, bus: Bus) -> None:
        """Follow the box on its bus."""
        await bus.subscribe(BOND_STATUS, self._take_bond)
        await bus.subscribe(MEDIA_SESSION, self._take_session)
        await bus.subscribe(SERVICE_STATUS, self._take_service)

    async def wait(self) -> MediaSession:
        """The idle session, once bond, media and panel serve."""
        while self.session is None or not self._bond_up or not self._running >= set(SERVICES):
            self._changed.clear()
            await self._changed.wait()
        return self.session

    def missing(self) -> str:
        """What is not there yet."""
        services = [name for name in SERVICES if name not in self._running]
        links = [] if self._bond_up else ["a connection to the hub"]
        return ", ".join([*services, *links]) or "the hub's answer"

    async def _take_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self._bond_up = status.state == "up"
        self._changed.set()

    async def _take_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self.session = session
        self._changed.set()

    async def _take_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        if status.state in {"running", "degraded"}:
            self._running.add(status.service)
        self._changed.set()


async def _first_invitation(bus: Bus, ready: _Ready) -> str:
    """The room's address, once everything serves. Raises DeviceError naming what is missing."""
    try:
        async with asyncio.timeout(READY_S):
            session = await ready.wait()
            question = CreateInvite(session=session.id, role="doctor")
            while True:
                answer = await bus.request(CREATE_INVITE, question, timeout_s=1)
                if isinstance(answer, Invite):
                    return answer.url
    except TimeoutError:
        raise DeviceError(f"not ready after {READY_S:g} s: missing {ready.missing()}") from None


def links_config(ports: Ports, language: Language) -> str:
    """The simulated links' TOML: three bad mobile links and what TCP goes over them."""
    links = "".join(
        f"[[link]]\nname = {name!r}\nlabel = {label!r}\n"
        f"listen = '{LOOPBACK}:{port}'\ntarget = '{LOOPBACK}:{ports.bond}'\n"
        f"[link.up]\n{LINK_LANES[name]}[link.down]\n{LINK_LANES[name]}"
        for (name, label), port in zip(LINK_NAMES.items(), ports.links, strict=True)
    )
    return f"""
control = '{LOOPBACK}:{ports.control}'
language = '{language}'
{links}
[[relay]]
listen = '{LOOPBACK}:{ports.relay_broker}'
target = '{LOOPBACK}:{ports.broker}'
[[relay]]
listen = '{LOOPBACK}:{ports.relay_key_exchange}'
target = '{LOOPBACK}:{ports.key_exchange}'
"""


def programs(
    directory: Path, ports: Ports, cameras: Sequence[Camera], sound: Sound, language: Language
) -> list[Program]:
    """Write all configuration below `directory`; what to run, in order of starting.

    Raises DeviceError when mosquitto or coturn is not installed.
    """
    secret = secrets.token_hex(32)
    (directory / "turn-secret").write_text(secret)
    (directory / "box.toml").write_text(box_config(directory, ports, cameras, sound, language))
    (directory / "hub.toml").write_text(hub_config(directory, ports, language))
    (directory / "links.toml").write_text(links_config(ports, language))
    edgebox = [sys.executable, "-m", "edgebox"]
    box = ["--config", str(directory / "box.toml")]
    hub = ["--config", str(directory / "hub.toml")]
    commands: dict[str, Sequence[str]] = {
        **_engines(directory, ports, secret),
        "monitor": [*edgebox, "sim-monitor", "intellivue", f"{LOOPBACK}:{ports.monitor}"],
        "links": [*edgebox, "sim-links", "--config", str(directory / "links.toml")],
        "hub-bond": [*edgebox, "run", "bond", *hub],
        "hub": [*edgebox, "run", "hub", *hub],
        **{name: [*edgebox, "run", name, *box] for name in SERVICES},
    }
    return [
        Program(name, command, directory / f"{name}.log", {PART_VARIABLE: name})
        for name, command in commands.items()
    ]


def _engines(directory: Path, ports: Ports, secret: str) -> dict[str, Sequence[str]]:
    """Certificates, both brokers and the TURN server."""
    keys = directory / "pki"
    pki.hub_credentials(keys / "headset", (HEADSET_NAME, LOOPBACK))
    pki.registry_credentials(keys)
    for unit, person in STAFF.items():
        pki.staff_credentials(keys / "staff", unit, person, unit)
    return {
        "turn": daemons.write_turn_server(
            directory / "turn",
            listen=f"{LOOPBACK}:{ports.turn}",
            relay_ip=LOOPBACK,
            realm="edgebox",
            secret=secret.encode(),
            lab=True,
        ),
        "hub-mosquitto": daemons.write_hub_broker(
            directory / "hub-mosquitto",
            socket=directory / "hub.sock",
            listen=f"{LOOPBACK}:{ports.broker}",
            tls=pki.hub_credentials(keys, (LOOPBACK, "localhost")),
        ),
        "mosquitto": daemons.write_box_broker(
            directory / "mosquitto",
            box=BOX,
            socket=directory / "box.sock",
            hub=f"{LOOPBACK}:{ports.relay_broker}",
            tls=pki.box_credentials(keys, BOX),
        ),
    }


@contextlib.asynccontextmanager
async def running(
    cameras: Sequence[Camera], sound: Sound, first_port: int, language: Language
) -> AsyncIterator[tuple[Ports, Supervisor, Bus, str, Path]]:
    """Start everything; gives ports, supervisor, the box's bus, the room's address, the directory.

    Raises DeviceError when a part cannot start.
    """
    ports = choose_ports(first_port)
    with tempfile.TemporaryDirectory(prefix="edgebox-demo-") as name:
        directory = Path(name)
        supervisor = Supervisor()
        try:
            for program in programs(directory, ports, cameras, sound, language):
                supervisor.start(program)
            async with (
                Bus(f"{directory}/box.sock", "demo", box=BOX) as bus,
                receiver(ports.gpsd),
                sms_gateway(ports.sms),
                shell_socket(directory / "shell.sock"),
                _meanwhile(say_modems(bus, LINK_NAMES, random.Random())),
            ):
                ready = _Ready()
                await ready.attach(bus)
                room = await _unless_failed(supervisor, _first_invitation(bus, ready))
                yield ports, supervisor, bus, room, directory
        finally:
            await supervisor.stop()


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs while in the context."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def run(cameras: Sequence[Camera], sound: Sound, first_port: int, language: Language) -> None:
    """The demo in a terminal, until cancelled. Raises DeviceError when a part cannot start."""
    console = Console()
    async with running(cameras or DEFAULT_CAMERAS, sound, first_port, language) as started:
        ports, supervisor, bus, room, directory = started
        _say(f"panel: http://{LOOPBACK}:{ports.panel}/")
        _say(f"room: {room}")
        _say(f"control: http://{LOOPBACK}:{ports.control}/")
        _say(f"headset: https://{HEADSET_NAME}:{ports.headset}/")
        if not console.is_terminal:
            await supervisor.failed()
        view = DemoView(_staff_hint(ports, directory))
        await view.attach(bus)
        with Live(console=console, auto_refresh=False) as live:
            await _unless_failed(supervisor, _show(view, live))


def _staff_hint(ports: Ports, directory: Path) -> str:
    """How the hub's pages for staff are opened."""
    keys = f"{directory}/pki/staff/technician.p12 (or fleet.p12), password {pki.P12_PASSWORD}"
    return f"desk: https://{LOOPBACK}:{ports.staff}/ after importing {keys} into the browser"


async def _show(view: DemoView, live: Live) -> None:
    while True:
        live.update(view.render(time.time()), refresh=True)
        await asyncio.sleep(1 / VIEW_HZ)


async def _unless_failed(supervisor: Supervisor, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or the DeviceError of a program that does not start."""
    task = asyncio.create_task(work)
    failing = asyncio.create_task(supervisor.failed())
    try:
        await asyncio.wait((task, failing), return_when=asyncio.FIRST_COMPLETED)
        if failing.done():
            failing.result()
        return await task
    finally:
        for one in (task, failing):
            one.cancel()
        await asyncio.gather(task, failing, return_exceptions=True)


def _say(line: str) -> None:
    """One line a program can read; flushed, since it may go to a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
