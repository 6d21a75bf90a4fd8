"""The whole system on one machine: a box, a hub, and three simulated links between them.

Everything is the real thing (services, mosquitto, coturn, certificates) except the modems, which
edgebox.sim.links and edgebox.sim.modems stand in for, the satellite receiver, the provider of text
messages, the patient monitor, and cameras the user does not give. State lives in a temporary
directory that goes away with the demo. All listeners are on loopback.
"""

import asyncio
import contextlib
import random
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.live import Live

from edgebox.bus import Bus
from edgebox.config.kinds import Language
from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.host import daemons
from edgebox.host.supervise import Program, Supervisor
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.room import CREATE_INVITE, CreateInvite, Invite
from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.sim import pki
from edgebox.sim.demo_config import (
    BOX,
    HEADSET_NAME,
    LINK_NAMES,
    box_config,
    hub_config,
    links_config,
)
from edgebox.sim.demo_ports import Ports, choose_ports
from edgebox.sim.demo_sources import DEFAULT_CAMERAS, Sound
from edgebox.sim.demo_ticket import ticket
from edgebox.sim.demo_view import DemoView
from edgebox.sim.modems import say_modems
from edgebox.sim.ports import LOOPBACK
from edgebox.sim.receiver import receiver
from edgebox.sim.shell_socket import shell_socket
from edgebox.sim.sms_gateway import sms_gateway

READY_S = 45.0
VIEW_HZ = 4
SERVICES = ("bond", "conduit", "media", "vitals", "panel", "vehicle", "support", "headset")
STAFF = {"technician": "Ola Hansen", "fleet": "Drift Demo"}
"""Unit -> name: who may open the hub's pages for staff."""
PART_VARIABLE = "EDGEBOX_DEMO_PART"
"""Tells each process of the demo its name, for those who look at the process list."""
T = TypeVar("T")


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
        "hub-conduit": [*edgebox, "run", "conduit", *hub],
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
            help_listen=f"{LOOPBACK}:{ports.help_broker}",
            tls=pki.hub_credentials(keys, (LOOPBACK, "localhost")),
        ),
        "mosquitto": daemons.write_box_broker(
            directory / "mosquitto",
            box=BOX,
            socket=directory / "box.sock",
            ways=(f"{LOOPBACK}:{ports.conduit}", f"{LOOPBACK}:{ports.relay_broker}"),
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
        # Good for a quarter of an hour and one device; fleet staff make more.
        code = await ticket(directory / "pki/staff", f"https://{LOOPBACK}:{ports.staff}", BOX)
        _say(f"headset: https://{HEADSET_NAME}:{ports.headset}/#{code}")
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
