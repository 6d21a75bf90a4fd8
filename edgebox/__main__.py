"""The command line, nothing else."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgebox import __version__, app
from edgebox.config import load
from edgebox.errors import EdgeboxError

cli = typer.Typer(
    help="The ambulance edge box.", no_args_is_help=True, pretty_exceptions_enable=False
)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="TOML file; config/edgebox.toml documents it.")
]
DEFAULT_CONFIG = Path("/etc/edgebox/edgebox.toml")


class ServiceChoice(StrEnum):
    """What `run` can start."""

    BOND = "bond"
    MEDIA = "media"
    PANEL = "panel"
    HUB = "hub"


@cli.command()
def run(service: ServiceChoice, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Run one service in the foreground, as its systemd unit does."""
    app.run_service(service.value, load(config))


@cli.command("check-config")
def check_config(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Load the configuration, say what is wrong with it, start nothing."""
    load(config)
    typer.echo(f"{config}: good")


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point: refusals are one line on stderr and exit code 2."""
    try:
        cli()
    except EdgeboxError as error:
        typer.echo(f"edgebox: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
