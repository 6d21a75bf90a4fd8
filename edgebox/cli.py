"""The command line, nothing else. What it does is in app.py."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import segno
import typer

from edgebox import __version__, app
from edgebox.app import DEFAULT_CONFIG, DEFAULT_ETC, DEFAULT_HUB_CONFIG
from edgebox.config import load

cli = typer.Typer(
    help="The ambulance edge box.", no_args_is_help=True, pretty_exceptions_enable=False
)

bond_cli = typer.Typer(invoke_without_command=True)
cli.add_typer(bond_cli, name="bond")
authority_cli = typer.Typer(no_args_is_help=True, help="The fleet's certificates, on the hub.")
cli.add_typer(authority_cli, name="authority")

update_cli = typer.Typer(no_args_is_help=True, help="New versions for the boxes, on the hub.")
cli.add_typer(update_cli, name="update")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="TOML file; config/edgebox.toml documents it.")
]
EtcPath = Annotated[Path, typer.Option("--etc", help="The box's configuration directory.")]
HubConfigPath = Annotated[Path, typer.Option("--config", "-c", help="TOML file of the hub.")]
Hours = Annotated[float, typer.Option(min=0.1, max=720, help="How long it is good.")]
BoxId = Annotated[str, typer.Argument(help="The box's id: lower-case letters, digits, hyphens.")]


class ServiceChoice(StrEnum):
    """What `run` can start."""

    BOND = "bond"
    CONDUIT = "conduit"
    MEDIA = "media"
    VITALS = "vitals"
    PANEL = "panel"
    VEHICLE = "vehicle"
    SUPPORT = "support"
    HEADSET = "headset"
    UPDATE = "update"
    HUB = "hub"
    AUTHORITY = "authority"
    ALL = "all"


class LanguageChoice(StrEnum):
    """Languages the pages have."""

    NB = "nb"
    EN = "en"


@cli.command()
def run(service: ServiceChoice, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run one service in the foreground, as its unit does; `all` keeps the box's running."""
    loaded = load(config)
    if service is ServiceChoice.ALL:
        app.run_all(config)
    else:
        app.run_service(service.value, loaded)


@cli.command()
def demo(
    camera: Annotated[
        list[str] | None,
        typer.Option(
            help="Picture source instead of the test pictures; may be given several times: "
            "a file, /dev/video0, rtsp://..., picamera:0, pattern."
        ),
    ] = None,
    microphone: Annotated[
        str,
        typer.Option(help="An ALSA device such as `default`, a sound file, or `tone`."),
    ] = "tone",
    loudspeaker: Annotated[
        str,
        typer.Option(help="An ALSA device such as `default`, or `meter`: nobody hears it."),
    ] = "meter",
    port: Annotated[
        int,
        typer.Option(min=1024, max=65_000, help="Panel here, room, control, preview on the next."),
    ] = 8080,
    lang: Annotated[LanguageChoice, typer.Option(help="Language of the pages.")] = (
        LanguageChoice.NB
    ),
) -> None:
    """Box, hub and three simulated links on this machine; prints where to look. Ctrl-C ends it."""
    app.run_demo(camera or [], microphone, loudspeaker, port, lang.value)


class MonitorChoice(StrEnum):
    """Simulated monitors."""

    HL7 = "hl7"
    INTELLIVUE = "intellivue"
    MASIMO = "masimo"
    MEDIBUS = "medibus"
    DRI = "dri"
    NONIN = "nonin"
    NONIN_TEXT = "nonin-text"
    SDC = "sdc"
    BLUETOOTH = "bluetooth"


@cli.command("sim-monitor")
def sim_monitor(
    kind: MonitorChoice,
    where: Annotated[
        str, typer.Argument(help="host:port, or the path of a pty (sdc, bluetooth: a directory).")
    ],
    timezone: Annotated[str, typer.Option(help="What its clock shows.")] = "Europe/Oslo",
) -> None:
    """A simulated patient monitor; faults by lines on standard input. docs/monitors.md."""
    app.run_monitor(kind.value, where, timezone)


@cli.command("sim-headset")
def sim_headset(
    url: Annotated[str, typer.Argument(help="The headset page, such as the demo prints it.")],
    profile: Annotated[
        str, typer.Option(help="Directory of the device's own: the same is the same device.")
    ] = "",
    code: Annotated[
        str, typer.Option(help="Of enrolment: the text of the code that fleet staff shows.")
    ] = "",
    address: Annotated[
        str, typer.Option(help="Where the page's name is, if no DNS of yours says so.")
    ] = "",
) -> None:
    """A simulated headset: the real page in a headless Chromium with a fake camera."""
    app.run_headset(url, profile, code, address)


@cli.command("sim-links")
def sim_links(config: Annotated[Path, typer.Option("--config", "-c")]) -> None:
    """Simulated mobile links and their control page, from a TOML file of their own."""
    app.run_links(config)


@bond_cli.callback()
def bond(context: typer.Context, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run one end of the bond alone: a UDP port forwarder over all links. Needs no broker."""
    if context.invoked_subcommand is None:
        app.run_service("bond", load(config))


@bond_cli.command("status")
def bond_status(
    config: ConfigPath = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Print it as plain text and end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON and end.")] = False,
) -> None:
    """What the box's bond does now: links, rates, queues, loss, volumes. Ctrl-C ends it."""
    app.show_bond_status(load(config), once=once or json, as_json=json)


@bond_cli.command("test")
def bond_test(
    link: Annotated[str, typer.Argument(help="Its name, as `edgebox bond status` says it.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Loss, round trip and speed of one link, by the running bond; up to 20 seconds and 4 MB."""
    _say(app.test_link(load(config), link))


@authority_cli.command("init")
def authority_init(
    name: Annotated[str, typer.Option(help="The fleet's name, in its certificate.")],
    config: HubConfigPath = DEFAULT_HUB_CONFIG,
) -> None:
    """Make the fleet's authority and the hub's certificate where there are none."""
    _say(app.make_authority(load(config), name))


@authority_cli.command("voucher")
def authority_voucher(
    box: BoxId,
    vehicle: Annotated[str, typer.Option(help="What people call the vehicle.")],
    hours: Hours = 72,
    config: HubConfigPath = DEFAULT_HUB_CONFIG,
) -> None:
    """Draw a one-time voucher that makes a fresh box this vehicle's."""
    _show_voucher(*app.draw_voucher(load(config), box, vehicle, hours))


@authority_cli.command("replace")
def authority_replace(
    box: BoxId, hours: Hours = 72, config: HubConfigPath = DEFAULT_HUB_CONFIG
) -> None:
    """The box is broken, lost or stolen: shut it out and draw a voucher for the next one."""
    _show_voucher(*app.replace_box(load(config), box, hours))


class StaffChoice(StrEnum):
    """What people of the fleet are."""

    FLEET = "fleet"
    TECHNICIAN = "technician"


@authority_cli.command("staff")
def authority_staff(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    role: Annotated[StaffChoice, typer.Option(help="What they may open.")],
    out: Annotated[Path, typer.Option(help="The file to write, for instance person.p12.")],
    config: HubConfigPath = DEFAULT_HUB_CONFIG,
) -> None:
    """A certificate for the browser of one of the fleet's staff or technicians."""
    _say(app.make_staff(load(config), name, role.value, out))


@authority_cli.command("list")
def authority_list(config: HubConfigPath = DEFAULT_HUB_CONFIG) -> None:
    """All certificates that were issued."""
    _say(app.list_certificates(load(config)))


@update_cli.command("publish")
def update_publish(
    bundle: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A signed RAUC bundle.")
    ],
    config: HubConfigPath = DEFAULT_HUB_CONFIG,
) -> None:
    """Take a bundle up. Nobody is offered it until fleet staff say who."""
    typer.echo(app.publish_update(load(config), bundle))


@update_cli.command("list")
def update_list(config: HubConfigPath = DEFAULT_HUB_CONFIG) -> None:
    """All bundles that are published."""
    _say(app.list_updates(load(config)))


@update_cli.command("remove")
def update_remove(
    version: Annotated[str, typer.Argument(help="As `edgebox update list` says it.")],
    config: HubConfigPath = DEFAULT_HUB_CONFIG,
) -> None:
    """Take a version away: nobody gets it any more."""
    _say(app.remove_update(load(config), version))


@cli.command()
def provision(
    voucher: Annotated[str, typer.Argument(help="Its text; `-` reads it from standard input.")] = (
        "-"
    ),
    etc: EtcPath = DEFAULT_ETC,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="An edgebox.toml for it; left out if it is not there."),
    ] = None,
) -> None:
    """Give this box the identity its voucher is for."""
    text = typer.get_text_stream("stdin").readline() if voucher == "-" else voucher
    box = app.provision(etc, text, settings)
    typer.echo(f"this box is {box} now; its units start anew by themselves")


@cli.command("renew-certificate")
def renew_certificate(config: ConfigPath = DEFAULT_CONFIG, etc: EtcPath = DEFAULT_ETC) -> None:
    """Fetch the next certificate when half of this one's time is over. Code 3: nothing changed."""
    outcome = app.renew_certificate(load(config), etc)
    typer.echo(outcome)
    if outcome != "renewed":
        raise typer.Exit(3)


@cli.command("headset-certificates")
def headset_certificates(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """On the hub, daily: have the boxes' pages certified. Code 1: some could not be."""
    fetched, failed = app.certify_headset_pages(load(config))
    typer.echo(f"{fetched} fetched, {failed} failed")
    if failed:
        raise typer.Exit(1)


@cli.command("factory-reset")
def factory_reset(
    yes: Annotated[bool, typer.Option("--yes", help="Really: nothing can bring it back.")] = False,
    etc: EtcPath = DEFAULT_ETC,
) -> None:
    """Forget the vehicle, the fleet and everything this box kept."""
    if not yes:
        typer.echo("nothing was removed; say --yes to lose identity and everything kept", err=True)
        raise typer.Exit(2)
    _say(app.factory_reset(etc))


@cli.command("self-test")
def self_test(
    config: ConfigPath = DEFAULT_CONFIG,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Test this box. Exit code 0: it can be used; 1: something does not work; 2: not tested."""
    raise typer.Exit(app.run_self_test(load(config), as_json=json))


@cli.command("support-bundle")
def support_bundle(
    path: Annotated[Path, typer.Argument(help="The .tar.gz to write.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write what a technician needs to know of this box, without secrets, people and places."""
    typer.echo(f"{path}: {app.write_bundle(load(config), path) / 1e3:.0f} kB")


@cli.command()
def audit(
    file: Annotated[Path, typer.Argument(exists=True, help="The trail of a box or of the hub.")],
) -> None:
    """Prove that no line of an audit trail was changed, dropped or put in between."""
    typer.echo(app.verify_audit(file))


@cli.command("check-config")
def check_config(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Load the configuration, say what is wrong with it, start nothing."""
    load(config)
    typer.echo(f"{config}: good")


@cli.command("settle-config")
def settle_config(etc: EtcPath = DEFAULT_ETC) -> None:
    """Before services start: where a file does not load, put the last one that did in its place."""
    _say([f"refused: {line}" for line in app.settle_config(etc)])


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _say(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)


def _show_voucher(lines: list[str], text: str) -> None:
    _say([*lines, "", text])
    if sys.stdout.isatty():
        segno.make(text, error="m", micro=False).terminal(compact=True)
