"""The box's configuration as it is in effect, fit for a technician's eyes.

Secrets never stand in the configuration, but addresses may carry a password, and the text-message
gateway's header and body may have been given one. What may hold one is struck out; what is left is
TOML again.
"""

import json
import re
from typing import Any

import msgspec

from edgebox.config import Config

STRUCK = "(struck out)"
SECRET_KEYS = frozenset({"gateway_authorization", "gateway_body", "gateway_url", "static_key"})
LEFT_OUT = frozenset({"hub", "authority", "directory"})
"""Not the box's."""
USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/@\s]+@", re.IGNORECASE)
QUERY = re.compile(r"\?\S+")


def effective(config: Config) -> str:
    """TOML with every key, whether it stands in the file or not."""
    content: dict[str, Any] = msgspec.to_builtins(config)
    lines: list[str] = []
    for name, table in content.items():
        if name not in LEFT_OUT:
            _write(lines, name, table)
    return "\n".join(lines) + "\n"


def _write(lines: list[str], name: str, table: dict[str, Any], *, entry: bool = False) -> None:
    lines.append(f"[[{name}]]" if entry else f"[{name}]")
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if value is None:
            continue
        if isinstance(value, dict) or _is_tables(value):
            inner.append((key, value))
        else:
            lines.append(f"{key} = {json.dumps(_shown(key, value), ensure_ascii=False)}")
    lines.append("")
    for key, value in inner:
        for one in value if isinstance(value, list | tuple) else [value]:
            _write(lines, f"{name}.{key}", one, entry=isinstance(value, list | tuple))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], dict)


def _shown(key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shown(key, one) for one in value]
    if not isinstance(value, str) or not value:
        return value
    if key in SECRET_KEYS:
        return STRUCK
    without = USER_INFO.sub(rf"\g<scheme>{STRUCK}@", value)
    return QUERY.sub(f"?{STRUCK}", without) if "://" in without else without
