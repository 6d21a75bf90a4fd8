"""The command line, nothing else. What it does is in app.py."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgebox import __version__, app
from edgebox.app import DEFAULT_CONFIG
from edgebox.config import load

cli = typer.Typer(
    help="The ambulance edge box.", no_args_is_help=True, pretty_exceptions_enable=False
)

bond_cli = typer.Typer(invoke_without_command=True)
cli.add_typer(bond_cli, name="bond")

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="TOML file; config/edgebox.toml documents it.")
]


class ServiceChoice(StrEnum):
    """What `run` can start."""

    BOND = "bond"
    MEDIA = "media"
    VITALS = "vitals"
    PANEL = "panel"
    VEHICLE = "vehicle"
    SUPPORT = "support"
    HUB = "hub"
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


@cli.command("sim-monitor")
def sim_monitor(
    kind: MonitorChoice,
    where: Annotated[str, typer.Argument(help="host:port, or the path of a pty to make.")],
    timezone: Annotated[str, typer.Option(help="What its clock shows.")] = "Europe/Oslo",
) -> None:
    """A simulated patient monitor; faults by lines on standard input. docs/monitors.md."""
    app.run_monitor(kind.value, where, timezone)


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


@cli.command("check-config")
def check_config(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Load the configuration, say what is wrong with it, start nothing."""
    load(config)
    typer.echo(f"{config}: good")


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)
