"""Settings of the simulated links: a TOML file of their own, or made in code by the demo."""

import tomllib
from pathlib import Path as FilePath
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from edgebox.config import Address, Language, Name
from edgebox.errors import ConfigError
from edgebox.sim.lane import LaneSettings
from edgebox.sim.links import Path
from edgebox.sim.traces import Trace, open_trace


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
    try:
        settings = msgspec.convert(tomllib.loads(file.read_text("utf-8")), LinksSettings)
    except (OSError, ValueError) as error:  # bad TOML, text and fields are ValueErrors
        raise ConfigError(f"{file}: {error}") from error
    names = [link.name for link in settings.link]
    for link in settings.link:
        if names.count(link.name) > 1:
            raise ConfigError(f"{file}: link {link.name!r} stands twice; names must be unique")
    if settings.relay and not settings.link:
        raise ConfigError(f"{file}: a relay needs at least one link to carry it")
    return settings


def _trace(lane: LaneSettings) -> Trace | None:
    return open_trace(lane.trace) if lane.trace else None
