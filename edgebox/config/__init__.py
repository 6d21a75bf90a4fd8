"""Every setting of box and hub as frozen structs, and `load(path)`.

One TOML file configures all processes of one machine. Unknown keys and bad values refuse to start;
the error names the file, the line, the key and what is allowed. `config/edgebox.toml` documents
every key at its default (tests/unit/test_config.py proves it).

Secrets never stand in the file: it names the file that holds one. `credential:NAME` is the file
NAME that systemd's LoadCredential= laid out for the unit (systemd.exec(5), CREDENTIALS).
"""

import ipaddress
import os
import re
import zoneinfo
from pathlib import Path

import msgspec
from msgspec import field

from edgebox.config.bond import Bond
from edgebox.config.box import Box, Bus
from edgebox.config.conduit import Conduit
from edgebox.config.headset import Headset
from edgebox.config.hub import Authority, Hub
from edgebox.config.kinds import Section
from edgebox.config.media import SOUND_SOURCE_OF, SOURCE_OF, Loudspeaker, Media, Microphone
from edgebox.config.panel import Panel
from edgebox.config.support import Support
from edgebox.config.update import Update
from edgebox.config.vehicle import Gpsd, Ignition, Modems, Sms
from edgebox.config.vitals import (
    MONITOR_IDENTITY,
    MONITOR_WAY_KEYS,
    MONITOR_WAYS,
    SDC_NEEDS,
    Monitor,
    Vitals,
)
from edgebox.errors import ConfigError
from edgebox.toml_file import TomlFile
from edgebox.toml_lines import Steps


class Config(Section, frozen=True):
    """The whole file."""

    box: Box = field(default_factory=Box)
    bus: Bus = field(default_factory=Bus)
    bond: Bond = field(default_factory=Bond)
    conduit: Conduit = field(default_factory=Conduit)
    media: Media = field(default_factory=Media)
    vitals: Vitals = field(default_factory=Vitals)
    panel: Panel = field(default_factory=Panel)
    modems: Modems = field(default_factory=Modems)
    gpsd: Gpsd = field(default_factory=Gpsd)
    ignition: Ignition = field(default_factory=Ignition)
    sms: Sms = field(default_factory=Sms)
    support: Support = field(default_factory=Support)
    headset: Headset = field(default_factory=Headset)
    update: Update = field(default_factory=Update)
    hub: Hub = field(default_factory=Hub)
    authority: Authority = field(default_factory=Authority)
    directory: str = ""
    """Relative file names start here; empty is the directory of this file."""


def load(path: Path) -> Config:
    """Read and check one file. Raises ConfigError with one line fit to be shown."""
    file = TomlFile(path)
    config = file.convert(Config)
    _check(file, config)
    return msgspec.structs.replace(
        config, directory=str((path.parent / config.directory).resolve())
    )


def parse_address(text: str) -> tuple[str, int]:
    """Split an Address into host (without brackets) and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def resolve_file(config: Config, name: str) -> Path:
    """Path of a file the configuration names. Raises ConfigError for an absent credential."""
    if name.startswith("credential:"):
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if not directory:
            raise ConfigError(f"{name}: no CREDENTIALS_DIRECTORY here; give a file name instead")
        return Path(directory) / name.removeprefix("credential:")
    return Path(config.directory) / name


def read_secret(config: Config, name: str) -> bytes:
    """Content of a secret's file, stripped. Raises ConfigError naming the file."""
    path = resolve_file(config, name)
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{path}: secret cannot be read: {error.strerror}") from error


def _check(file: TomlFile, config: Config) -> None:
    """What types cannot say. Raises ConfigError."""
    bond = config.bond
    _check_ignition(file, config.ignition)
    _check_unique(file, ("bond", "link"), "name", [link.name for link in bond.link])
    _check_unique(file, ("bond", "forward"), "name", [one.name for one in bond.forward])
    _check_unique(file, ("bond", "forward"), "listen", [one.listen for one in bond.forward])
    _check_unique(file, ("media", "camera"), "id", [one.id for one in config.media.camera])
    for index, link in enumerate(bond.link):
        if bool(link.interface) == bool(link.source):
            steps: Steps = ("bond", "link", index)
            raise file.refusal(steps, f"link {link.name!r} takes either interface or source")
        if link.source and not _is_ip(link.source):
            steps = ("bond", "link", index, "source")
            raise file.refusal(steps, f"{link.source!r} is not allowed; it takes an IP address")
    for index, camera in enumerate(config.media.camera):
        if camera.kind == "headset":
            what = "a headset is not written down here: it pairs by itself (docs/headset.md)"
            raise file.refusal(("media", "camera", index, "kind"), what)
        if camera.kind in SOURCE_OF and not camera.source:
            steps = ("media", "camera", index)
            what = f"kind {camera.kind!r} needs a source: {SOURCE_OF[camera.kind]}"
            raise file.refusal(steps, what)
    _check_monitors(file, config.vitals.monitor)
    if config.sms.by == "gateway" and not config.sms.gateway_url:
        raise file.refusal(("sms", "by"), "'gateway' needs gateway_url")
    for name in ("microphone", "loudspeaker"):
        sound: Microphone | Loudspeaker = getattr(config.media, name)
        if sound.kind in SOUND_SOURCE_OF and not sound.source:
            what = f"kind {sound.kind!r} needs a source: {SOUND_SOURCE_OF[sound.kind]}"
            raise file.refusal(("media", name), what)
    for steps, address in _addresses(config):
        if not 0 < parse_address(address)[1] < 65_536:
            raise file.refusal(steps, f"{address!r} is not allowed; its port must be 1 to 65535")


def _check_monitors(file: TomlFile, monitors: tuple[Monitor, ...]) -> None:
    """Each has exactly one way in that its protocol knows. Raises ConfigError."""
    _check_unique(file, ("vitals", "monitor"), "id", [one.id for one in monitors])
    for index, monitor in enumerate(monitors):
        steps: Steps = ("vitals", "monitor", index)
        ways = {way for way in MONITOR_WAY_KEYS if getattr(monitor, way)}
        if len(ways) != 1 or not ways <= MONITOR_WAYS[monitor.kind]:
            allowed = " or ".join(sorted(MONITOR_WAYS[monitor.kind]))
            raise file.refusal(steps, f"kind {monitor.kind!r} takes exactly one of: {allowed}")
        if monitor.identity:
            _check_identity(file, steps, monitor)
        if monitor.timezone not in zoneinfo.available_timezones():
            raise file.refusal((*steps, "timezone"), f"{monitor.timezone!r} is no time zone")
        for number, network in enumerate(monitor.allow):
            if not _is_network(network):
                what = f"{network!r} is not allowed; it takes an address or a network"
                raise file.refusal((*steps, "allow", number), what)


def _check_identity(file: TomlFile, steps: Steps, monitor: Monitor) -> None:
    pattern, meant = MONITOR_IDENTITY[monitor.kind]
    if not re.fullmatch(pattern, monitor.identity):
        raise file.refusal((*steps, "identity"), f"{monitor.identity!r} is not {meant}")
    if monitor.kind != "sdc":
        return
    for key in SDC_NEEDS:
        if not getattr(monitor, key):
            raise file.refusal(steps, f"kind 'sdc' needs {key}: it speaks TLS only, both ways")
    if not _is_ip(monitor.interface) or ":" in monitor.interface:
        raise file.refusal((*steps, "interface"), f"{monitor.interface!r} is no IPv4 address")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _check_ignition(file: TomlFile, ignition: Ignition) -> None:
    is_line = ":" in ignition.source
    needs = {"gpio": "a line such as /dev/gpiochip0:17", "file": "the path of a file"}
    wrong = {"none": False, "gpio": not is_line, "file": is_line or not ignition.source}
    if wrong[ignition.kind]:
        what = f"kind {ignition.kind!r} needs {needs[ignition.kind]}"
        raise file.refusal(("ignition", "source"), what)


def _check_unique(file: TomlFile, table: Steps, key: str, values: list[str]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise file.refusal((*table, index, key), f"{value!r} stands twice; it must be unique")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _addresses(config: Config) -> list[tuple[Steps, str]]:
    bond = config.bond
    found: list[tuple[Steps, str]] = [
        (("bond", "hub"), bond.hub),
        (("bond", "key_exchange"), bond.key_exchange),
        (("bond", "listen"), bond.listen),
        (("bond", "key_exchange_listen"), bond.key_exchange_listen),
        *[
            (("conduit", key), getattr(config.conduit, key))
            for key in ("listen", "via", "serve", "to")
        ],
        (("media", "turn"), config.media.turn),
        (("media", "preview_listen"), config.media.preview_listen),
        (("panel", "listen"), config.panel.listen),
        *([(("gpsd", "address"), config.gpsd.address)] if config.gpsd.address else []),
        (("hub", "listen"), config.hub.listen),
        *([(("hub", "staff_listen"), config.hub.staff_listen)] if config.hub.staff_listen else []),
        *(
            [(("hub", "headset_listen"), config.hub.headset_listen)]
            if config.hub.headset_listen
            else []
        ),
    ]
    found += [(("bond", "allow", n), address) for n, address in enumerate(bond.allow)]
    if bond.metrics_listen:
        found += [(("bond", "metrics_listen"), bond.metrics_listen)]
    if config.headset.listen:
        found += [(("headset", "listen"), config.headset.listen)]
    found += [(("hub", "vitals_hl7"), config.hub.vitals_hl7)] if config.hub.vitals_hl7 else []
    for n, monitor in enumerate(config.vitals.monitor):
        for way in ("listen", "address"):
            text = getattr(monitor, way)
            found += [(("vitals", "monitor", n, way), text)] if text else []
    for n, link in enumerate(bond.link):
        found += [(("bond", "link", n, "remote"), link.remote)] if link.remote else []
    for n, forward in enumerate(bond.forward):
        found += [(("bond", "forward", n, "listen"), forward.listen)]
        found += [(("bond", "forward", n, "to"), forward.to)]
    return found
