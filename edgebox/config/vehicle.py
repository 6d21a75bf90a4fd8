"""[modems], [gpsd], [ignition] and [sms]."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.config.kinds import OptionalAddress, Section
from edgebox.config.update import QUIET_S


class Modems(Section, frozen=True):
    """What the modems say of themselves, by ModemManager."""

    bus: Annotated[
        str,
        Meta(
            pattern=r"^(system|off|unix:[^\s]+)\Z",
            description='"system", "off", or a D-Bus address such as unix:path=/run/...',
        ),
    ] = "system"
    """The D-Bus ModemManager is on. `off`: the modems are not asked."""


class Gpsd(Section, frozen=True):
    """Where the vehicle is, by gpsd."""

    address: OptionalAddress = "127.0.0.1:2947"
    """gpsd's address; empty: the position is not known to the box."""


class Ignition(Section, frozen=True):
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
    hold_s: Annotated[
        int,
        Meta(
            gt=QUIET_S,
            le=86_400,
            description=f"seconds: more than the {QUIET_S} after which [update] restarts a box that"
            " is not in use (else it never could), 86400 at most",
        ),
    ] = 900
    """So long after the ignition, and after the end of the last call, it runs on."""


class Sms(Section, frozen=True):
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
