"""Settings of the simulated links: a TOML file of their own, or made in code by the demo."""

from pathlib import Path as FilePath
from typing import Annotated

from msgspec import Meta, Struct, field

from edgebox.config.kinds import Address, Language, Name
from edgebox.sim.lane import LaneSettings
from edgebox.sim.links import Path
from edgebox.sim.traces import Trace, open_trace
from edgebox.toml_file import TomlFile
from edgebox.toml_lines import Steps


class _Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table of the file."""


class LinkSettings(_Section, frozen=True):
    """One simulated modem: the box sends to `listen`, it comes out at `target`."""

    name: Name
    listen: Address
    target: Address
    label: Annotated[str, Meta(max_length=40)] = ""
    """What people call it; empty shows `name`."""
    up: LaneSettings = field(default_factory=LaneSettings)
    """From the vehicle."""
    down: LaneSettings = field(default_factory=LaneSettings)

    def path(self) -> Path:
        """With the traces read. Raises ConfigError."""
        return Path(self.up, self.down, _trace(self.up), _trace(self.down))


class RelaySettings(_Section, frozen=True):
    """One TCP port, carried by whichever link is alive."""

    listen: Address
    target: Address


class LinksSettings(_Section, frozen=True):
    """The whole file."""

    seed: int = 1
    """Loss and jitter repeat with it."""
    control: Address = "127.0.0.1:8070"
    """HTTP control page. Loopback: it has no log-in."""
    language: Language = "nb"
    link: tuple[LinkSettings, ...] = ()
    relay: tuple[RelaySettings, ...] = ()


def load(file: FilePath) -> LinksSettings:
    """Read a TOML file. Raises ConfigError with one line fit to be shown."""
    source = TomlFile(file)
    settings = source.convert(LinksSettings)
    names = [link.name for link in settings.link]
    for index, name in enumerate(names):
        if name in names[:index]:
            steps: Steps = ("link", index, "name")
            raise source.refusal(steps, f"{name!r} stands twice; it must be unique")
    if settings.relay and not settings.link:
        raise source.refusal(("relay", 0), "a relay needs at least one link to carry it")
    return settings


def _trace(lane: LaneSettings) -> Trace | None:
    return open_trace(lane.trace) if lane.trace else None
