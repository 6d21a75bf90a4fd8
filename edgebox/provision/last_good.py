"""`edgebox settle-config`: before services start, a configuration they can run with is in place.

A power cut, a bad card or a slip of a hand leaves a file that does not load, and a vehicle cannot
wait for somebody to mend it. The last one that loaded takes its place; what was refused stays
beside it as `<name>.refused`, and is said until somebody has put another file there.

<state>/edgebox.toml    the last one that loaded
<state>/box.conf        the broker's at that time
<state>/refused         one line for each file that was refused: its name, and why. World-readable:
                        the self-test tells crew and fleet (edgebox.support.checks.configuration)
"""

from pathlib import Path

from edgebox.config import Config, load, parse_address
from edgebox.errors import ConfigError
from edgebox.host.files import write_whole
from edgebox.provision.broker import broker_problem, broker_text
from edgebox.provision.place import Place

STATE = Path("/var/lib/edgebox/config")
DEFAULT = Path("/usr/share/edgebox/edgebox.toml")
"""As it came with the program."""


def settle(place: Place, state: Path = STATE, default: Path = DEFAULT) -> list[str]:
    """What was refused, one line each; usually nothing. Raises DeviceError, ConfigError."""
    refused = _Refused(state / "refused")
    config = _settle_config(place, state, default, refused)
    _settle_broker(place, state, config, refused)
    return refused.lines


class _Refused:
    """What is said of files that were refused, on disk."""

    def __init__(self, path: Path):
        self._path = path
        self.lines: list[str] = []
        if path.exists():
            self.lines = path.read_text(encoding="utf-8", errors="replace").splitlines()

    def add(self, path: Path, why: str) -> None:
        """The file is kept beside its place."""
        self.lines = [*self._others(path), f"{path.name}: {' '.join(why.split())}"]
        self._save()
        if path.exists():
            path.replace(path.with_name(f"{path.name}.refused"))

    def settle(self, path: Path) -> None:
        """Somebody has put a good one there."""
        if self._others(path) != self.lines:
            self.lines = self._others(path)
            self._save()

    def _others(self, path: Path) -> list[str]:
        return [line for line in self.lines if not line.startswith(f"{path.name}: ")]

    def _save(self) -> None:
        if self.lines:
            text = "".join(f"{line}\n" for line in self.lines)
            write_whole(self._path, text.encode(), mode=0o644)
        else:
            self._path.unlink(missing_ok=True)


def _settle_config(place: Place, state: Path, default: Path, refused: _Refused) -> Config:
    kept = state / "edgebox.toml"
    try:
        config = _load_whole(place.config, _read(kept))
    except ConfigError as error:
        refused.add(place.config, str(error))
        text = _first_that_loads(kept, default)
        _keep(kept, text)
        write_whole(place.config, text, mode=0o644)
        return load(place.config)
    if _keep(kept, place.config.read_bytes()):
        refused.settle(place.config)
    return config


def _load_whole(path: Path, kept: bytes) -> Config:
    """Raises ConfigError, also for one that lost its end: nothing at all is TOML, too.

    Who takes away the last lines on purpose leaves a whole line at the end.
    """
    config = load(path)
    text = path.read_bytes()
    if len(text) < len(kept) and kept.startswith(text) and not text.endswith(b"\n"):
        raise ConfigError(f"{path}: only the first {len(text)} of {len(kept)} bytes are left")
    return config


def _first_that_loads(*paths: Path) -> bytes:
    """Raises ConfigError: the program came without its own."""
    for path in paths[:-1]:
        try:
            load(path)
        except ConfigError:
            continue
        return path.read_bytes()
    load(paths[-1])
    return paths[-1].read_bytes()


def _settle_broker(place: Place, state: Path, config: Config, refused: _Refused) -> None:
    kept = state / "box.conf"
    problem = broker_problem(_read(place.broker))
    if problem:
        refused.add(place.broker, problem)
        text = _read(kept)
        if broker_problem(text):
            host, _ = parse_address(config.bond.hub)
            text = broker_text(config.box.id, host).encode()
        _keep(kept, text)
        write_whole(place.broker, text, mode=0o644)
    elif _keep(kept, _read(place.broker)):
        refused.settle(place.broker)


def _keep(path: Path, data: bytes) -> bool:
    """As the last good one. Whether it is another than before."""
    if _read(path) == data:
        return False
    write_whole(path, data, mode=0o644)
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
