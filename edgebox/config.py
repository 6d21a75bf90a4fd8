"""Every setting of box and hub as frozen structs, and `load(path)`.

One TOML file configures all processes of one machine. Unknown keys and bad values refuse to start;
the error names the file, the line, the key and what is allowed. `config/edgebox.toml` documents
every key at its default (tests/unit/test_config.py proves it).

Secrets never stand in the file: it names the file that holds one. `credential:NAME` is the file
NAME that systemd's LoadCredential= laid out for the unit (systemd.exec(5), CREDENTIALS).
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from edgebox.errors import ConfigError

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
"""Lower-case letters, digits and hyphens, 1 to 32 characters."""
Address = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$")]
"""`host:port`, IPv6 hosts in brackets."""
OptionalAddress = Annotated[
    str, Meta(pattern=r"^$|^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$")
]
Language = Literal["nb", "en"]


class _Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every table of the file."""


class Box(_Section, frozen=True):
    """Who this vehicle is."""

    id: Name = "box-1"
    """Identity of the box towards the hub; equals the name in its certificate."""
    vehicle: Annotated[str, Meta(min_length=1, max_length=40)] = "Ambulance 1"
    """What people call the vehicle; shown on panel and remote page."""


class Bus(_Section, frozen=True):
    """The local MQTT broker (mosquitto)."""

    address: Annotated[str, Meta(min_length=1)] = "/run/edgebox/bus.sock"
    """Path of the broker's Unix socket, or `host:port`."""


class Link(_Section, frozen=True):
    """One way out of the vehicle."""

    name: Name
    """Shown on the panel's meters."""
    interface: str = ""
    """Bind to this network interface (SO_BINDTODEVICE); the usual case."""
    source: str = ""
    """Or bind to this source address (IPv4 or IPv6)."""
    remote: OptionalAddress = ""
    """Reach the hub's bond here instead of at `bond.hub`."""
    label: Annotated[str, Meta(max_length=40)] = ""
    """What people call it, an operator's name for instance; empty shows `name`."""


class Forward(_Section, frozen=True):
    """A UDP port here that comes out at an address of the far end."""

    name: Name
    listen: Address
    """Local address to receive on. Loopback unless other machines of the vehicle shall use it."""
    to: Address
    """Where the far end sends it; the far end must list it in `bond.allow`."""


class Bond(_Section, frozen=True):
    """The bond of all links: a UDP port forwarder between box and hub."""

    role: Literal["box", "hub"] = "box"
    hub: Address = "hub.example.org:4500"
    """Box: UDP address of the hub's bond."""
    key_exchange: Address = "hub.example.org:4443"
    """Box: TCP address where session keys are fetched over mutually authenticated TLS 1.3."""
    listen: Address = "0.0.0.0:4500"
    """Hub: UDP address that boxes reach. Open to the Internet; strangers get no answer."""
    key_exchange_listen: Address = "0.0.0.0:4443"
    """Hub: TCP address of the key exchange. Client certificate of the fleet required."""
    ca: str = "credential:fleet-ca.pem"
    """Fleet certificate authority both ends trust."""
    certificate: str = "credential:device.pem"
    """This end's certificate; its common name is the box id, or the hub's host name."""
    private_key: str = "credential:device.key"
    static_key: str = ""
    """Lab only: file with 32 random bytes in hex on both ends; replaces the key exchange."""
    link: tuple[Link, ...] = ()
    forward: tuple[Forward, ...] = ()
    allow: tuple[Address, ...] = ("127.0.0.1:3478",)
    """Hub: the only addresses boxes may have datagrams sent to."""


class Camera(_Section, frozen=True):
    """One picture source."""

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    """Shown to crew and remote help."""
    kind: Literal["pattern", "file", "v4l2", "rtsp", "picamera"]
    source: str = ""
    """`file`: path (plays in a loop). `v4l2`: /dev/v4l/by-path/... `rtsp`: rtsp://...
    `picamera`: camera number. `pattern`: nothing."""
    width: Annotated[int, Meta(ge=160, le=3840)] = 1280
    height: Annotated[int, Meta(ge=120, le=2160)] = 720
    fps: Annotated[int, Meta(ge=1, le=60)] = 30


class Media(_Section, frozen=True):
    """Cameras, encoders and the connections to those who watch."""

    turn: Address = "127.0.0.1:3478"
    """The only way out: the local end of the bond's forward to the hub's TURN server."""
    preview_listen: Address = "127.0.0.1:8081"
    """HTTP (WHEP) for the panel's preview. Loopback only: it has no log-in."""
    bitrate_max_bps: Annotated[int, Meta(ge=100_000, le=20_000_000)] = 3_000_000
    """Most that all pictures together may use, however much the bond could carry."""
    hardware_encoder: Literal["auto", "off"] = "auto"
    """`auto` takes h264_v4l2m2m where it works; `off` always encodes in software."""
    camera: tuple[Camera, ...] = ()


class Panel(_Section, frozen=True):
    """The touch panel in the cabin."""

    listen: Address = "127.0.0.1:8080"
    """Loopback: the kiosk browser of this box. It has no log-in."""
    theme: Literal["auto", "day", "night"] = "auto"
    language: Language = "nb"


class Hub(_Section, frozen=True):
    """The web application remote help meets in."""

    listen: Address = "127.0.0.1:8090"
    """HTTP; a TLS front (public) or loopback (demo) stands before it."""
    public_url: Annotated[str, Meta(pattern=r"^https?://[^/]+$")] = "https://hub.example.org"
    """How browsers reach it; invitations are built from it."""
    bus: Annotated[str, Meta(min_length=1)] = "/run/edgebox-hub/bus.sock"
    """The hub's broker: path of its Unix socket, or `host:port`."""
    database: str = "sqlite:////var/lib/edgebox-hub/hub.db"
    """SQLAlchemy URL."""
    turn_urls: tuple[Annotated[str, Meta(pattern=r"^turns?:")], ...] = (
        "turn:hub.example.org:3478?transport=udp",
        "turn:hub.example.org:3478?transport=tcp",
    )
    """What browsers are told; coturn's `use-auth-secret` shares `turn_secret`."""
    turn_secret: str = "credential:turn-secret"  # noqa: S105 - a file's name
    """File with the secret that TURN passwords are derived from."""
    invite_ttl_s: Annotated[int, Meta(ge=60, le=86_400)] = 900
    """An unused invitation is void after this."""
    language: Language = "nb"


class Config(_Section, frozen=True):
    """The whole file."""

    box: Box = field(default_factory=Box)
    bus: Bus = field(default_factory=Bus)
    bond: Bond = field(default_factory=Bond)
    media: Media = field(default_factory=Media)
    panel: Panel = field(default_factory=Panel)
    hub: Hub = field(default_factory=Hub)
    directory: str = ""
    """Relative file names start here; empty is the directory of this file."""


def load(path: Path) -> Config:
    """Read and check one file. Raises ConfigError with one line fit to be shown."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(path, text, str(error))) from error
    config = msgspec.structs.replace(
        config, directory=str((path.parent / config.directory).resolve())
    )
    _check(path, config)
    return config


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


def _check(path: Path, config: Config) -> None:
    """What types cannot say. Raises ConfigError."""
    unique: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("bond.link.name", tuple(link.name for link in config.bond.link)),
        ("bond.forward.name", tuple(forward.name for forward in config.bond.forward)),
        ("bond.forward.listen", tuple(forward.listen for forward in config.bond.forward)),
        ("media.camera.id", tuple(camera.id for camera in config.media.camera)),
    )
    for key, values in unique:
        for value in values:
            if values.count(value) > 1:
                raise ConfigError(f"{path}: {key}: {value!r} stands twice; each must be unique")
    for link in config.bond.link:
        if bool(link.interface) == bool(link.source):
            raise ConfigError(
                f"{path}: bond.link {link.name!r}: give either interface or source, not both"
            )
    for address in _addresses(config):
        if not 0 < parse_address(address)[1] < 65_536:
            raise ConfigError(f"{path}: {address!r}: port must be 1 to 65535")
    for camera in config.media.camera:
        if camera.kind in {"file", "v4l2", "rtsp"} and not camera.source:
            raise ConfigError(f"{path}: media.camera {camera.id!r}: kind needs a source")


def _addresses(config: Config) -> list[str]:
    bond = config.bond
    found = [bond.hub, bond.key_exchange, bond.listen, bond.key_exchange_listen, *bond.allow]
    found += [address for forward in bond.forward for address in (forward.listen, forward.to)]
    found += [link.remote for link in bond.link if link.remote]
    return [
        *found,
        config.media.turn,
        config.media.preview_listen,
        config.panel.listen,
        config.hub.listen,
    ]


def _explain(path: Path, text: str, problem: str) -> str:
    """Turn msgspec's words into file, line, key and what is allowed."""
    what, _, where = problem.partition(" - at `")
    keys = re.findall(r"\.([A-Za-z_]+)|\[(\d+)\]", where)
    steps: list[str | int] = [name or int(index) for name, index in keys]
    unknown = re.search(r"unknown field `([^`]*)`", what)
    missing = re.search(r"missing required field `([^`]*)`", what)
    if unknown:
        allowed = ", ".join(sorted(_fields_at(steps)))
        steps.append(unknown.group(1))
        what = f"unknown key; allowed here: {allowed}"
    elif missing:
        what = f"required key {missing.group(1)!r} is missing"
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    line = _line_of(text, steps)
    return f"{path}:{line}: {dotted.lstrip('.')}: {what}"


def _fields_at(steps: list[str | int]) -> list[str]:
    """Keys allowed in the table that `steps` leads to."""
    kind: Any = Config
    for step in steps:
        if isinstance(step, str):
            kind = next(f.type for f in msgspec.structs.fields(kind) if f.name == step)
        else:
            kind = kind.__args__[0]
    return [f.name for f in msgspec.structs.fields(kind)]


def _line_of(text: str, steps: list[str | int]) -> int:
    """Line (from 1) where the key stands, or that of its table, or 1.

    A scan, not a parser: tomllib keeps no positions. Inline tables are found by their own line.
    """
    table = [step for step in steps if isinstance(step, str)]
    index = next((step for step in steps if isinstance(step, int)), 0)
    best, depth, current, counts = 1, 0, "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([\w.\-]+)\s*\]+", line)
        key = re.match(r"\s*([\w\-]+)\s*=", line)
        if header:
            current = header.group(1)
            counts[current] = counts.get(current, -1) + 1
            here = current.split(".")
        elif key:
            here = [*current.split("."), key.group(1)] if current else [key.group(1)]
        else:
            continue
        matches = here == table[: len(here)] and (
            not line.lstrip().startswith("[[") or counts[current] == index
        )
        in_array = counts.get(current, 0) == index or index == 0
        if matches and in_array and len(here) > depth:
            best, depth = number, len(here)
    return best
