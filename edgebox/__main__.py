"""Entry point. A service is started without the command line's library, which would stay in the
memory of each process (18 MiB)."""

import sys
from pathlib import Path

from edgebox import app
from edgebox.config import load
from edgebox.errors import EdgeboxError


def main() -> None:
    """Refusals are one line on stderr and exit code 2."""
    try:
        service = _service_asked(sys.argv[1:])
        if service is not None:
            app.run_service(service[0], load(service[1]))
        else:
            from edgebox.cli import cli

            cli()
    except EdgeboxError as error:
        sys.stderr.write(f"edgebox: {error}\n")
        sys.exit(2)


def _service_asked(words: list[str]) -> tuple[str, Path] | None:
    """Name and configuration, if the words are what units and supervisors say."""
    match words:
        case ["run", name]:
            path = app.DEFAULT_CONFIG
        case ["run", name, "--config" | "-c", text]:
            path = Path(text)
        case ["bond", "--config" | "-c", text]:
            name, path = "bond", Path(text)
        case _:
            return None
    return (name, path) if name in (*app.BOX_SERVICES, "hub") else None


if __name__ == "__main__":
    main()
