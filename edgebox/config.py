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
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from edgebox.errors import ConfigError
from edgebox.toml_file import TomlFile
from edgebox.toml_lines import Steps

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
        description="1 to 32 lower-case letters, digits and hyphens, no hyphen first",
    ),
]
Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}\Z",
        description="host:port, an IPv6 address in brackets",
    ),
]
OptionalAddress = Annotated[
    str,
    Meta(
        pattern=r"^\Z|^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}\Z",
        description="host:port, an IPv6 address in brackets, or nothing",
    ),
]
TurnUrl = Annotated[
    str,
    Meta(
        pattern=r"^turns?:[^\s?]+(\?transport=(udp|tcp))?\Z",
        description="turn:host:port or turns:host:port, with ?transport=udp or tcp (RFC 7065)",
    ),
]
Language = Literal["nb", "en"]

SOURCE_OF = {
    "file": "the path of a video file",
    "v4l2": "a device such as /dev/v4l/by-path/...",
    "rtsp": "an address such as rtsp://host/stream",
}
"""Kinds of camera that cannot do without."""

MONITOR_WAYS = {
    "hl7": {"listen"},
    "intellivue": {"port", "address"},
    "masimo": {"port"},
    "medibus": {"port"},
    "dri": {"port"},
    "nonin": {"port"},
    "sdc": {"identity"},
    "bluetooth": {"identity"},
    "auto": {"port"},
}
"""How the data of each kind of monitor come in."""
MONITOR_WAY_KEYS = ("port", "listen", "address", "identity")
MONITOR_IDENTITY = {
    "sdc": (r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "urn:uuid:... in small letters"),
    "bluetooth": (r"[0-9A-F]{2}(:[0-9A-F]{2}){5}", "a Bluetooth address, 00:11:22:AA:BB:CC"),
}
SDC_NEEDS = ("interface", "ca", "certificate", "private_key")
"""There is no SDC without TLS on both sides."""
SOUND_SOURCE_OF = {"alsa": "the name of a PCM, such as plughw:CARD=Speaker", "file": "a path"}
"""Kinds of microphone and loudspeaker that cannot do without."""


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
    interface: Annotated[
        str,
        Meta(
            pattern=r"^[^/\s]{0,15}\Z",
            description="a network interface's name, 15 characters at most, no spaces",
        ),
    ] = ""
    """Bind to this network interface (SO_BINDTODEVICE); the usual case."""
    source: str = ""
    """Or bind to this source address (IPv4 or IPv6)."""
    remote: OptionalAddress = ""
    """Reach the hub's bond here instead of at `bond.hub`."""
    label: Annotated[str, Meta(max_length=40)] = ""
    """What people call it, an operator's name for instance; empty shows `name`."""
    priority: Annotated[int, Meta(ge=1, le=9)] = 1
    """1 is used first. Links of a higher number help while those before carry less than
    `bond.enough_bps`, and at once when those before fail."""
    price_per_gb: Annotated[float, Meta(ge=0, le=100_000)] = 0.0
    """In any currency; shown with the month's volume. Of the same priority the cheaper goes first.
    A link with a price gets no copies to measure it: less than 20 kbit/s while it is idle."""
    monthly_cap_mb: Annotated[int, Meta(ge=0, le=100_000_000)] = 0
    """Never exceeded by the bond, in 10^6 bytes both ways with IP headers; 0: no cap. From 90 % on
    it is a reserve, from 98 % on for when no other link is up, at 100 % closed."""
    month_starts_on: Annotated[int, Meta(ge=1, le=28)] = 1
    """Day of the month, at 00:00 UTC, when the operator counts anew."""


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
    enough_bps: Annotated[int, Meta(ge=100_000, le=1_000_000_000)] = 3_500_000
    """Box: links of a later priority or a higher price are spared while the others carry this."""
    usage_file: str = "/var/lib/edgebox/bond/usage.json"
    """Box: how much each link has carried this month, kept over restarts."""
    metrics_listen: OptionalAddress = ""
    """Prometheus figures by HTTP; empty: none. It has no log-in: loopback, or a guarded network."""
    revoked: str = ""
    """Hub: file of boxes and certificates that are shut out, read again when it changes."""
    link: tuple[Link, ...] = ()
    forward: tuple[Forward, ...] = ()
    allow: tuple[Address, ...] = ("127.0.0.1:3478",)
    """Hub: the only addresses boxes may have datagrams sent to."""


class Ptz(_Section, frozen=True):
    """How a camera is turned: ONVIF, Profile S or T."""

    address: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s@]+/\S*\Z",
            description="http://host/onvif/device_service, with a port if need be",
        ),
    ]
    """Of the camera's device service."""
    username: Annotated[str, Meta(max_length=64)] = ""
    password: str = ""
    """File that holds it."""


class Camera(_Section, frozen=True):
    """One picture source."""

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    """Shown to crew and remote help."""
    kind: Literal["pattern", "file", "v4l2", "rtsp", "picamera", "headset"]
    """`headset` never stands in the file: headsets pair by themselves."""
    view: Literal["patient", "outside"] = "patient"
    """`outside`: never shows a patient; the only pictures a pilot gets."""
    source: str = ""
    """`file`: path (plays in a loop). `v4l2`: /dev/v4l/by-path/... `rtsp`: rtsp://...
    `picamera`: camera number. `pattern`: nothing."""
    width: Annotated[int, Meta(ge=160, le=3840, multiple_of=2)] = 1280
    height: Annotated[int, Meta(ge=120, le=2160, multiple_of=2)] = 720
    fps: Annotated[int, Meta(ge=1, le=60)] = 30
    send_width: Annotated[int, Meta(ge=160, le=3840, multiple_of=2)] = 1280
    send_height: Annotated[int, Meta(ge=120, le=2160, multiple_of=2)] = 720
    """The most that is sent; larger pictures are scaled down, and sharp when somebody zooms in."""
    ptz: Ptz | None = None
    """For a camera that remote help may turn."""


class Microphone(_Section, frozen=True):
    """What hears the cabin."""

    kind: Literal["none", "alsa", "file", "tone"] = "none"
    """`file`: a sound file, in a loop. `tone`: a murmur with a beep each second, for tests."""
    source: Annotated[str, Meta(max_length=200)] = ""
    """`alsa`: name of a PCM, such as plughw:CARD=Speaker. `file`: path."""


class Loudspeaker(_Section, frozen=True):
    """What is heard in the cabin."""

    kind: Literal["none", "alsa", "file", "meter"] = "none"
    """`file`: everything is written to a file, for tests. `meter`: nobody hears it."""
    source: Annotated[str, Meta(max_length=200)] = ""
    """`alsa`: name of a PCM. `file`: path."""


class Media(_Section, frozen=True):
    """Cameras, microphone, encoders and the connections to those who watch."""

    turn: Address = "127.0.0.1:3478"
    """The only way out: the local end of the bond's forward to the hub's TURN server."""
    preview_listen: Address = "127.0.0.1:8081"
    """HTTP (WHEP) for the panel's preview. Loopback only: it has no log-in."""
    bitrate_max_bps: Annotated[int, Meta(ge=100_000, le=20_000_000)] = 3_000_000
    """Most that all pictures together may use, however much the bond could carry."""
    hardware_encoder: Literal["auto", "off"] = "auto"
    """`auto` takes h264_v4l2m2m where it works; `off` always encodes in software."""
    microphone: Microphone = field(default_factory=Microphone)
    loudspeaker: Loudspeaker = field(default_factory=Loudspeaker)
    camera: tuple[Camera, ...] = ()


class Monitor(_Section, frozen=True):
    """One patient monitor."""

    id: Name
    """Stays the same for the life of the vehicle: stored with every value."""
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    """Shown to crew and remote help."""
    kind: Literal[
        "hl7", "intellivue", "masimo", "medibus", "dri", "nonin", "sdc", "bluetooth", "auto"
    ]
    """The protocol. `auto`: what a serial port brings is recognised (docs/monitors.md)."""
    port: str = ""
    """Serial port: a stable path below /dev/serial/by-path/ or by-id/."""
    baud: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """0: the protocol's own."""
    parity: Literal["", "none", "even", "odd"] = ""
    """Empty: the protocol's own."""
    listen: OptionalAddress = ""
    """`hl7`: TCP address for the monitor to connect to. On the monitors' network only."""
    allow: tuple[str, ...] = ()
    """`hl7`: addresses or networks that may connect (10.1.2.3, 10.1.2.0/24); none: nobody."""
    address: OptionalAddress = ""
    """`intellivue`: UDP address of the monitor, port 24105, instead of a serial port."""
    identity: Annotated[str, Meta(max_length=100)] = ""
    """`sdc`: the device's endpoint reference, urn:uuid:...; `bluetooth`: its address."""
    interface: str = ""
    """`sdc`: the box's IPv4 address on the monitors' network."""
    ca: str = ""
    """`sdc`: PEM file of the authority of the devices' and the box's certificates."""
    certificate: str = ""
    """`sdc`: the box's certificate towards devices, for TLS client and server."""
    private_key: str = ""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "Europe/Oslo"
    """What its clock shows, where it does not say so itself."""
    stale_after_s: Annotated[float, Meta(ge=2, le=600)] = 10.0
    """A value not repeated for so long is shown as stale."""
    waves: bool = True
    """Whether waves are asked for."""


class Vitals(_Section, frozen=True):
    """Patient monitors."""

    store: str = "/var/lib/edgebox/vitals/vitals.db"
    """Everything is in this SQLite file until the hub has it."""
    disk_max_mb: Annotated[int, Meta(ge=16, le=1_000_000)] = 512
    """In 10^6 bytes. At the limit the oldest waves are dropped, values only when none are left."""
    monitor: tuple[Monitor, ...] = ()


class Panel(_Section, frozen=True):
    """The touch panel in the cabin."""

    listen: Address = "127.0.0.1:8080"
    """Loopback: the kiosk browser of this box. It has no log-in."""
    theme: Literal["auto", "day", "night"] = "auto"
    language: Language = "nb"


class Modems(_Section, frozen=True):
    """What the modems say of themselves, by ModemManager."""

    bus: Annotated[
        str,
        Meta(
            pattern=r"^(system|off|unix:[^\s]+)\Z",
            description='"system", "off", or a D-Bus address such as unix:path=/run/...',
        ),
    ] = "system"
    """The D-Bus ModemManager is on. `off`: the modems are not asked."""


class Gpsd(_Section, frozen=True):
    """Where the vehicle is, by gpsd."""

    address: OptionalAddress = "127.0.0.1:2947"
    """gpsd's address; empty: the position is not known to the box."""


class Ignition(_Section, frozen=True):
    """How the box learns that the vehicle is parked, and when it switches itself off."""

    kind: Literal["none", "gpio", "file"] = "none"
    """`gpio`: a line that is high while the ignition is on. `file`: one that holds 1 or 0, which
    another program keeps, or a test. `none`: the box runs as long as it has power."""
    source: Annotated[
        str,
        Meta(
            pattern=r"^\Z|^/dev/gpiochip[0-9]{1,2}:[0-9]{1,2}\Z|^/[^\s:]+\Z",
            description="/dev/gpiochip0:17, or the path of a file",
        ),
    ] = ""
    """`gpio`: chip and line. `file`: path."""
    hold_s: Annotated[int, Meta(ge=30, le=86_400)] = 900
    """So long after the ignition, and after the end of the last call, it runs on."""


class Sms(_Section, frozen=True):
    """Links to the video room by text message."""

    by: Literal["none", "modem", "gateway"] = "none"
    """`modem`: the first registered modem that can. `gateway`: a provider's HTTP interface."""
    text: Annotated[
        str,
        Meta(max_length=300, pattern=r"\{url\}", description="a text with {url} in it"),
    ] = "Bli med på video med ambulansen: {url}"
    """What is sent. The link is good for one person, once."""
    help_text: Annotated[
        str,
        Meta(max_length=300, pattern=r"\{url\}", description="a text with {url} in it"),
    ] = "Ambulansen ber om teknisk hjelp: {url}"
    """What is sent to `support.phone`."""
    country: Annotated[
        str, Meta(pattern=r"^\+[1-9][0-9]{0,3}\Z", description="a country code such as +47")
    ] = "+47"
    """Put before numbers that were typed without one."""
    gateway_url: Annotated[
        str,
        Meta(
            pattern=r"^\Z|^https://[^/\s]+(/\S*)?\Z|^http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/\S*)?\Z",
            description="https://..., or http:// to this machine only",
        ),
    ] = ""
    """Asked by POST."""
    gateway_secret: str = "credential:sms-token"  # noqa: S105 - a file's name
    """File with what `{secret}` stands for in header and body."""
    gateway_authorization: Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*\Z")] = (
        "Bearer {secret}"
    )
    """The Authorization header; empty: none."""
    gateway_type: Literal["json", "form"] = "json"
    """How the body is written: application/json or application/x-www-form-urlencoded."""
    gateway_body: Annotated[str, Meta(max_length=2000)] = (
        '{"to": "{phone}", "from": "Ambulanse", "text": "{text}"}'
    )
    """`{phone}` with its +, `{digits}` without, `{text}`, `{secret}`: escaped as the type asks."""


class Support(_Section, frozen=True):
    """Self-test and technical help."""

    store: str = "/var/lib/edgebox/support/support.db"
    """SQLite file with past self-tests and how each link was."""
    audit: str = "/var/lib/edgebox/support/audit.jsonl"
    """Who was let in to look, and what they did: append-only, `edgebox audit` verifies it."""
    logs: str = ""
    """Directory with a NAME.log of each service, where there is no journal; empty: the journal."""
    phone: Annotated[
        str,
        Meta(
            pattern=r"^(\+[1-9][0-9]{4,14})?\Z",
            description="a telephone number with its country code, such as +4712345678",
        ),
    ] = ""
    """Of the technicians on duty, who get the crew's link as a text message; empty: nobody."""
    shell: str = "/run/edgebox-shell.sock"
    """Socket of the command line that the crew may allow a technician; empty: there is none."""
    recordings: str = "/var/lib/edgebox/support/recordings"
    """What went over it: asciinema files, 64 MB at most; their hashes are in the audit trail."""


class Update(_Section, frozen=True):
    """New versions of the box's system, docs/updates.md."""

    directory: str = "/var/lib/edgebox/update"
    """What is fetched lies here until it is installed, and what came of earlier ones."""
    metered: bool = False
    """Whether they may be fetched over links with a price or a monthly cap."""


class Headset(_Section, frozen=True):
    """Headsets, phones and tablets on the vehicle's own access point."""

    listen: OptionalAddress = ""
    """HTTPS, at the access point's own address; empty: no headsets. Every device on that network
    reaches it; what it does there needs a lease (docs/headset.md)."""
    interface: Annotated[
        str,
        Meta(
            pattern=r"^[^/\s]{0,15}\Z",
            description="a network interface's name, 15 characters at most, no spaces",
        ),
    ] = ""
    """The access point's: what comes in elsewhere is not taken. Empty: the address decides."""
    name: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z",
            description="a host name in lower case",
        ),
    ] = "headset.example.org"
    """What devices open: the same in every vehicle, where the access point's own DNS answers."""
    fleet_certificate: str = ""
    """Shown while the hub has sent none that every browser knows: for `name`, by the fleet's own
    authority, which devices must have been told to trust. Empty: none."""
    fleet_key: str = ""
    """Its private key."""
    state: str = "/var/lib/edgebox/headset"
    """Directory of what must outlive a restart: certificate and key, registry, counters."""


class Hub(_Section, frozen=True):
    """The web application remote help meets in."""

    listen: Address = "127.0.0.1:8090"
    """HTTP; a TLS front (public) or loopback (demo) stands before it."""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s]+\Z",
            description="https://host or http://host, with a port if need be, without a path",
        ),
    ] = "https://hub.example.org"
    """How browsers reach it; invitations are built from it."""
    bus: Annotated[str, Meta(min_length=1)] = "/run/edgebox-hub/bus.sock"
    """The hub's broker: path of its Unix socket, or `host:port`."""
    database: str = "sqlite:////var/lib/edgebox-hub/hub.db"
    """SQLAlchemy URL."""
    turn_urls: tuple[TurnUrl, ...] = (
        "turn:hub.example.org:3478?transport=udp",
        "turn:hub.example.org:3478?transport=tcp",
    )
    """What browsers are told; coturn's `use-auth-secret` shares `turn_secret`."""
    turn_secret: str = "credential:turn-secret"  # noqa: S105 - a file's name
    """File with the secret that TURN passwords are derived from."""
    invite_ttl_s: Annotated[int, Meta(ge=60, le=86_400)] = 900
    """An unused invitation is void after this."""
    vitals_database: str = ""
    """SQLAlchemy URL for what monitors say; empty: in `database`."""
    vitals_keep_h: Annotated[int, Meta(ge=0, le=100_000)] = 72
    """What monitors said is deleted after this; 0: never."""
    vitals_hl7: OptionalAddress = ""
    """The hospital's MLLP listener, which gets what monitors say as HL7 v2; empty: none."""
    vitals_hl7_ca: str = ""
    """PEM file of the authority its TLS certificate is from; empty: no TLS, private network."""
    vitals_fhir: Annotated[
        str,
        Meta(
            pattern=r"^\Z|^https://[^/\s]+(/\S*)?\Z|^http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/\S*)?\Z",
            description="https://..., or http:// to this machine only, or nothing",
        ),
    ] = ""
    """Base address of the hospital's FHIR R4 server, which gets Observations; empty: none."""
    vitals_fhir_token: str = ""
    """File with the bearer token for it; empty: none."""
    vitals_export_waves: bool = False
    """Whether waves go to the hospital as well."""
    staff_listen: OptionalAddress = ""
    """HTTPS for fleet staff and technicians, by client certificate; empty: none."""
    staff_url: Annotated[
        str,
        Meta(pattern=r"^https://[^/\s]+\Z", description="https://host, with a port if need be"),
    ] = "https://hub.example.org:8443"
    """How their browsers reach it."""
    staff_ca: str = "credential:staff-ca.pem"
    """Authority of their certificates, which signs nothing else. The unit (OU) is the role:
    `fleet` or `technician`."""
    staff_certificate: str = "credential:staff.pem"
    """The listener's own certificate, for the host in `staff_url`."""
    staff_private_key: str = "credential:staff.key"
    staff_revoked: str = ""
    """File of certificates that are shut out (`serial:HEX` lines), read again when it changes."""
    registry_certificate: str = ""
    """Who signs the list of the fleet's headsets: a certificate of the fleet's authority with the
    unit `registry`. Empty: no headsets, and no page for them."""
    registry_key: str = "credential:registry.key"
    """Its private key."""
    registry_ca: str = "credential:fleet-ca.pem"
    """The fleet's authority, which devices are told to believe when they are enrolled."""
    headset_listen: OptionalAddress = ""
    """HTTP for the TLS front of the headsets' name (`headset.name` of boxes): for devices outside
    their vehicle; empty: none. Needs `registry_certificate`."""
    headset_acme: str = ""
    """Command of the ACME client that has the boxes' requests signed by DNS-01, without a shell;
    `{csr}` and `{chain}` in it are files (`edgebox headset-certificates`). Empty: none."""
    support_audit: str = "/var/lib/edgebox-hub/support-audit.jsonl"
    """What technicians did, and how each box's own trail ends: `edgebox audit` verifies it."""
    update_directory: str = "/var/lib/edgebox-hub/updates"
    """Bundles that boxes are offered: `edgebox update publish` puts them there."""
    update_keyring: str = "/etc/edgebox-hub/update-keyring.pem"
    """PEM file of who may sign them: the same as in the boxes' image."""
    audit_keep_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    """Who was invited, let in and left, and when, is deleted after this."""
    language: Language = "nb"


class Authority(_Section, frozen=True):
    """The fleet's certificate authority, a process of its own on the hub."""

    directory: str = "/var/lib/edgebox-hub-authority"
    """Belongs to the authority's user: `fleet-ca.pem`, `fleet-ca.key` and `register.db` in it."""


class Config(_Section, frozen=True):
    """The whole file."""

    box: Box = field(default_factory=Box)
    bus: Bus = field(default_factory=Bus)
    bond: Bond = field(default_factory=Bond)
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
