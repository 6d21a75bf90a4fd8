"""Put a box's name and its hub into a configuration file that a technician may have edited."""

import json
import re
import tomllib
from collections.abc import Mapping

from edgebox.config import parse_address
from edgebox.errors import ConfigError
from edgebox.toml_lines import Steps, lines_of_keys

ONE_LINE = re.compile(
    r"""^(?P<key>\s*[A-Za-z0-9_-]+\s*=\s*)(?:"[^"\\]*"|'[^']*')(?P<rest>\s*(?:#.*)?)$"""
)


def with_identity(text: str, *, box: str, vehicle: str, hub: str) -> str:
    """The same file for this box and hub: other lines, and all remarks, stay as they are.

    The ports of the hub's addresses are kept. Raises ConfigError for a file that is no TOML or has
    one of these keys in a form that is not `key = "value"` on a line of its own.
    """
    try:
        present = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"edgebox.toml: {error}") from error
    bond = present.get("bond", {})
    wanted: dict[Steps, str] = {("box", "id"): box, ("box", "vehicle"): vehicle}
    for key, port in (("hub", 4500), ("key_exchange", 4443)):
        if isinstance(bond.get(key), str):
            port = parse_address(bond[key])[1]
        wanted["bond", key] = f"[{hub}]:{port}" if ":" in hub else f"{hub}:{port}"
    return _set(text, wanted)


def _set(text: str, wanted: Mapping[Steps, str]) -> str:
    where = lines_of_keys(text)
    lines = text.splitlines()
    added: dict[str, list[str]] = {}
    for steps, value in wanted.items():
        quoted = json.dumps(value, ensure_ascii=False)
        if steps not in where:
            added.setdefault(str(steps[0]), []).append(f"{steps[1]} = {quoted}")
            continue
        number = where[steps] - 1
        found = ONE_LINE.match(lines[number])
        if found is None:
            raise ConfigError(
                f"edgebox.toml, line {number + 1}: put the value on one line, in quotes"
            )
        lines[number] = f"{found['key']}{quoted}{found['rest']}"
    for table, new in added.items():
        if (table,) in where:
            lines[where[(table,)] - 1] += "\n" + "\n".join(new)
        else:
            lines.append("\n".join(["", f"[{table}]", *new]))
    return "\n".join(lines) + "\n"
