"""What this box knows to be nobody's business: its secrets' files, and who is in the session."""

import os
from collections.abc import Iterator
from pathlib import Path

from edgebox.config import Config, resolve_file
from edgebox.errors import ConfigError
from edgebox.support.heard import Heard
from edgebox.support.redact import Redactor

SECRET_MAX = 16_384
LINES_MAX = 64


def redactor_for(config: Config, heard: Heard) -> Redactor:
    """Knows the secrets of this box and the people in its session."""
    return Redactor(_secrets(config), _names(heard))


def _secrets(config: Config) -> Iterator[str]:
    """Every line of every file that holds one, as far as this process may read it."""
    files = {config.bond.static_key, config.bond.private_key, config.sms.gateway_secret}
    files |= {camera.ptz.password for camera in config.media.camera if camera.ptz is not None}
    paths = set(_paths(config, files))
    if directory := os.environ.get("CREDENTIALS_DIRECTORY"):
        paths |= set(Path(directory).iterdir())
    for path in sorted(paths):
        try:
            with path.open("rb") as file:
                text = file.read(SECRET_MAX).decode(errors="replace")
        except OSError:
            continue
        if "-----BEGIN " not in text:  # keys are known by their look
            yield from text.splitlines()[:LINES_MAX]


def _paths(config: Config, files: set[str]) -> Iterator[Path]:
    for name in filter(None, files):
        try:
            yield resolve_file(config, name)
        except ConfigError:
            continue


def _names(heard: Heard) -> Iterator[str]:
    session = heard.session
    if session is None:
        return
    yield from (watcher.name for watcher in session.watchers)
    yield from (person.name for person in session.admitted)
    yield session.focus_by
