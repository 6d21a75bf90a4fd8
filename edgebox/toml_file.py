"""Reads a TOML file into a struct, or says in one line what is wrong, where, and what is allowed.

What is allowed comes from the types: msgspec's bounds and Literals speak for themselves, a pattern
is put in words by the `description` of its msgspec.Meta.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from edgebox.errors import ConfigError
from edgebox.toml_lines import Steps, lines_of_keys

SHOWN_MAX = 60
S = TypeVar("S")


class TomlFile:
    """One file and what it holds."""

    def __init__(self, path: Path):
        """Read and parse. Raises ConfigError."""
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8-sig")  # some editors write a mark first
            self._data = tomllib.loads(self._text)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigError(f"{path}:{line}: not UTF-8 text") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_broken(path, self._text, str(error))) from error
        except ValueError as error:  # of int(), which tomllib lets through
            raise ConfigError(f"{path}: a number has too many digits") from error
        except RecursionError as error:
            raise ConfigError(f"{path}: nested too deeply") from error

    def convert(self, kind: type[S]) -> S:
        """The whole file as a struct. Raises ConfigError."""
        try:
            return msgspec.convert(self._data, kind)
        except msgspec.ValidationError as error:
            raise self._explain(kind, str(error)) from error

    def refusal(self, steps: Steps, what: str) -> ConfigError:
        """The error that names file, line and key; the line of the table if the key is absent."""
        lines = lines_of_keys(self._text)
        known = next((steps[:n] for n in range(len(steps), 0, -1) if steps[:n] in lines), ())
        return ConfigError(f"{self.path}:{lines.get(known, 1)}: {_dotted(steps)}{what}")

    def _explain(self, kind: type, problem: str) -> ConfigError:
        what, _, where = problem.partition(" - at `")
        steps = self._steps(where)
        unknown = re.search(r"unknown field `(.*)`", what)
        missing = re.search(r"missing required field `(.*)`", what)
        if unknown:
            fields = sorted(_fields(_type_at(kind, steps)))
            return self.refusal((*steps, unknown[1]), _unknown(unknown[1], fields))
        if missing:
            allowed = _words(_type_at(kind, (*steps, missing[1])))
            return self.refusal(steps, f"the key {missing[1]!r} is missing; it takes {allowed}")
        allowed = _words(_type_at(kind, steps))
        return self.refusal(steps, f"{self._shown(steps)} is not allowed; it takes {allowed}")

    def _steps(self, where: str) -> Steps:
        """msgspec's path, `$.bond.link[0].name`."""
        found = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", where)
        return tuple(name or int(position) for name, position in found)

    def _shown(self, steps: Steps) -> str:
        value: Any = self._data
        for step in steps:
            value = value[step]
        if isinstance(value, dict):
            return "a table"
        text = str(value).lower() if isinstance(value, bool) else repr(value)
        return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


def _broken(path: Path, text: str, problem: str) -> str:
    """tomllib's words end with `(at line 3, column 7)` or `(at end of document)`."""
    what, _, where = problem.rpartition(" (at ")
    found = re.match(r"line (\d+), (column \d+)", where)
    line, column = found.groups() if found else (len(text.splitlines()) or 1, "at its end")
    return f"{path}:{line}: not valid TOML: {what}, {column}"


def _unknown(name: str, fields: list[str]) -> str:
    near = difflib.get_close_matches(name, fields, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown key; {hint}allowed here: {', '.join(fields)}"


def _dotted(steps: Steps) -> str:
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return f"{dotted.lstrip('.')}: " if dotted else ""


def _type_at(kind: type, steps: Steps) -> inspect.Type:
    found: inspect.Type = inspect.type_info(kind)
    for step in steps:
        bare = _bare(found)
        if isinstance(bare, inspect.StructType):
            found = next(field.type for field in bare.fields if field.encode_name == step)
        elif isinstance(bare, inspect.VarTupleType):
            found = bare.item_type
    return found


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _fields(kind: inspect.Type) -> list[str]:
    bare = _bare(kind)
    return (
        [field.encode_name for field in bare.fields] if isinstance(bare, inspect.StructType) else []
    )


def _words(kind: inspect.Type) -> str:
    """What a key of this type takes."""
    if isinstance(kind, inspect.Metadata):
        described = (kind.extra_json_schema or {}).get("description")
        return str(described) if described else _words(kind.type)
    match kind:
        case inspect.LiteralType():
            return "one of " + ", ".join(repr(value) for value in kind.values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return _number("a whole number", kind)
        case inspect.FloatType():
            return _number("a number", kind)
        case inspect.StrType():
            return _text(kind)
        case inspect.VarTupleType():
            return _list(_bare(kind.item_type), kind.item_type)
    return f"a table with the keys {', '.join(_fields(kind))}"


def _number(what: str, kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.multiple_of:
        what += f" divisible by {kind.multiple_of:g}"
    if kind.ge is not None and kind.le is not None:
        return f"{what} from {kind.ge:_} to {kind.le:_}"
    if kind.ge is not None:
        return f"{what}, {kind.ge:_} or more"
    return f"{what}, {kind.le:_} or less" if kind.le is not None else what


def _text(kind: inspect.StrType) -> str:
    if kind.min_length and kind.max_length:
        return f"text of {kind.min_length} to {kind.max_length} characters in quotes"
    if kind.max_length:
        return f"text of {kind.max_length} characters at most, in quotes"
    return "text in quotes, not empty" if kind.min_length else "text in quotes"


def _list(item: inspect.Type, described: inspect.Type) -> str:
    if isinstance(item, inspect.StructType):
        return f"tables in double brackets, each with {', '.join(_fields(item))}"
    return f"a list in brackets, each item {_words(described)}"
