"""Composition root: from configuration to running services. The only file that sees everything.

Services are imported when they are started: each process holds only what it needs.
"""

import asyncio
import importlib
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from edgebox.config import Config
from edgebox.config.kinds import Language
from edgebox.errors import DeviceError
from edgebox.host import notify
from edgebox.host.supervise import Program, Supervisor
from edgebox.messages.selftest import Finding

DEFAULT_ETC = Path("/etc/edgebox")
DEFAULT_CONFIG = DEFAULT_ETC / "edgebox.toml"
DEFAULT_HUB_CONFIG = Path("/etc/edgebox-hub/hub.toml")
BOX_SERVICES = (
    "bond", "conduit", "media", "vitals", "panel", "vehicle", "support", "headset", "update",
)  # fmt: skip

Main = Callable[[Config], Coroutine[Any, Any, None]]


def run_service(name: str, config: Config) -> None:
    """Run one service in this process until SIGTERM or SIGINT."""
    notify.set_up_logging(name)
    asyncio.run(_until_signal(_main_of(name)(config)))


def run_all(path: Path) -> None:
    """Keep all services of the box running in processes of their own, where systemd does not."""
    notify.set_up_logging("all")
    asyncio.run(_until_signal(_keep_all(path)))


async def _keep_all(path: Path) -> None:
    supervisor = Supervisor()
    try:
        for name in BOX_SERVICES:
            command = [sys.executable, "-m", "edgebox", "run", name, "--config", str(path)]
            supervisor.start(Program(name, command))
        await supervisor.failed()
    finally:
        await supervisor.stop()


def run_demo(
    cameras: Sequence[str], microphone: str, loudspeaker: str, port: int, language: Language
) -> None:
    """The whole system on this machine, until SIGTERM or Ctrl-C."""
    from edgebox.sim import demo, demo_sources

    sources = [demo_sources.camera_from_argument(*numbered) for numbered in enumerate(cameras)]
    sound = demo_sources.Sound(
        demo_sources.microphone_from_argument(microphone),
        demo_sources.loudspeaker_from_argument(loudspeaker),
    )
    asyncio.run(_until_signal(demo.run(sources, sound, port, language)))


def run_monitor(kind: str, where: str, zone: str) -> None:
    """A simulated patient monitor."""
    from edgebox.sim.monitors import command

    notify.set_up_logging("monitor")
    asyncio.run(_until_signal(command.run(kind, where, zone)))


def run_headset(url: str, profile: str, code: str, address: str) -> None:
    """A simulated headset."""
    from edgebox.sim import headset

    asyncio.run(_until_signal(headset.run(url, profile, code, address)))


def run_links(path: Path) -> None:
    """Simulated links from a file of their own."""
    from edgebox.sim import link_settings, service

    notify.set_up_logging("links")
    asyncio.run(_until_signal(service.run(link_settings.load(path))))


def show_bond_status(config: Config, *, once: bool, as_json: bool) -> None:
    """What the bond on this machine says of itself, once or until Ctrl-C."""
    from edgebox.bond import status_watch

    if once:
        asyncio.run(status_watch.show_once(config, as_json=as_json))
    else:
        asyncio.run(_until_signal(status_watch.show_live(config)))


def test_link(config: Config, link: str) -> list[str]:
    """What the running bond finds out about one link, a line each."""
    from edgebox.bond import trial_view

    return list(trial_view.lines(asyncio.run(trial_view.ask(config, link))))


def make_authority(config: Config, name: str) -> list[str]:
    """The fleet's authority and the hub's certificate; what was made."""
    from edgebox.authority import command

    return command.init(config, name)


def draw_voucher(config: Config, box: str, vehicle: str, hours: float) -> tuple[list[str], str]:
    """What to tell people, and the voucher."""
    from edgebox.authority import command

    return command.voucher(config, box, vehicle, hours)


def replace_box(config: Config, box: str, hours: float) -> tuple[list[str], str]:
    """The same for the box that comes in another's place."""
    from edgebox.authority import command

    return command.replace(config, box, hours)


def publish_update(config: Config, bundle: Path) -> str:
    """Take a bundle up for boxes to be offered; what to tell people."""
    from edgebox.hub import update_files

    made = asyncio.run(update_files.publish(config, bundle))
    return f"{made.version} for {made.compatible} is published; at /updates staff say for whom"


def list_updates(config: Config) -> list[str]:
    """One a line, newest first."""
    from edgebox.hub import update_files

    return [
        f"{one.version:<32} {one.compatible:<24} {one.size_bytes / 1e6:6.0f} MB  {one.sha256}"
        for one in update_files.listed(update_files.directory_of(config))
    ]


def remove_update(config: Config, version: str) -> list[str]:
    """What was taken away."""
    from edgebox.hub import update_files

    return [
        f"{one.version} for {one.compatible} is no longer published"
        for one in update_files.remove(config, version)
    ]


def verify_audit(path: Path) -> str:
    """What a trail holds. Raises AuditError where its chain is broken."""
    from edgebox.support import audit

    entries = list(audit.verify(path))
    head = entries[-1].hash if entries else audit.FIRST
    return f"{path}: {len(entries)} entries, none changed; the last one's hash is {head}"


def make_staff(config: Config, name: str, role: str, path: Path) -> list[str]:
    """A person's certificate; what to tell the operator."""
    from edgebox.authority import command

    return command.staff(config, name, role, path)


def list_certificates(config: Config) -> list[str]:
    """One a line."""
    from edgebox.authority import command

    return command.show(config)


def provision(etc: Path, voucher: str, settings: Path | None) -> str:
    """Spend a voucher; the box's id."""
    from edgebox.provision import enrol
    from edgebox.provision.place import Place

    return asyncio.run(enrol.enrol(Place(etc), voucher, settings))


def settle_config(etc: Path) -> list[str]:
    """What was refused, one line each."""
    from edgebox.provision import last_good
    from edgebox.provision.place import Place

    return last_good.settle(Place(etc))


def renew_certificate(config: Config, etc: Path) -> str:
    """What was done."""
    from edgebox.provision import renew
    from edgebox.provision.place import Place

    return asyncio.run(renew.renew(config, Place(etc)))


def certify_headset_pages(config: Config) -> tuple[int, int]:
    """How many certificates were fetched, and how many could not be."""
    from edgebox.hub import certificates

    return asyncio.run(certificates.run(config))


def factory_reset(etc: Path) -> list[str]:
    """What was removed."""
    from edgebox.provision import reset
    from edgebox.provision.place import Place

    return [f"removed {path}" for path in reset.reset(Place(etc))]


def run_self_test(config: Config, *, as_json: bool) -> int:
    """Test this box and print what was found; the exit code."""
    from edgebox.panel.catalogue import LANGUAGES, compile_catalogue
    from edgebox.panel.health import FindingView
    from edgebox.panel.health_words import say_finding
    from edgebox.panel.words import Words
    from edgebox.support import command

    said = [Words(one, compile_catalogue(one).gettext) for one in LANGUAGES]

    def say(finding: Finding) -> list[str]:
        view = FindingView(
            check=finding.check, code=finding.code, grade=finding.grade, subject=finding.subject
        )
        both = [say_finding(view, words) for words in said]
        return [f"{one['text']} {one['todo']}" for one in both]

    return command.show(asyncio.run(command.self_test(config)), say, as_json=as_json)


def write_bundle(config: Config, path: Path) -> int:
    """Everything a technician needs to know of this box, redacted; the file's size in bytes."""
    from edgebox.support import command

    try:
        return asyncio.run(command.bundle(config, path))
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}") from error


def _main_of(name: str) -> Main:
    """The service's `async def run(config)`; it returns only when cancelled."""
    main: Main = importlib.import_module(f"edgebox.{name}.service").run
    return main


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """A signal cancels the work, which cleans up; that is the ordinary end."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise
