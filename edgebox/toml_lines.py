"""Where the keys of a TOML file stand, for messages to people: tomllib keeps no positions.

A scan of text that tomllib has accepted already (TOML 1.0), so it checks nothing itself.
"""

import re

Steps = tuple[str | int, ...]
"""Keys and array positions (from 0) from the root of the file to a value."""

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
PLAIN_VALUE = re.compile(r"[^,\]}\s#]+(?: [0-9][^,\]}\s#]*)?")
"""Number, boolean or date; a date and its time may stand apart."""
STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:[^"\\]|\\.)*"'),
    re.compile(r"'[^']*'"),
)


def lines_of_keys(text: str) -> dict[Steps, int]:
    """Line (from 1) of each key, table and array element."""
    return _Scan(text).lines


class _Scan:
    def __init__(self, text: str):
        self._text = text
        self._at = 0
        self._line, self._line_at = 1, 0
        self._elements: dict[Steps, int] = {}
        """Arrays of tables and the position of their last element."""
        self.lines: dict[Steps, int] = {}
        table: Steps = ()
        while self._skip_blank():
            table = self._header() if self._next() == "[" else self._pair(table)

    def _header(self) -> Steps:
        """`[table]` or `[[array of tables]]`; gives the table that follows."""
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        keys = self._keys()
        self._at += 2 if is_array else 1
        *outer, last = keys
        steps: Steps = ()
        for key in outer:
            steps = self._enter((*steps, key))
        steps = (*steps, last)
        if is_array:
            self._note(steps)
            self._elements[steps] = self._elements.get(steps, -1) + 1
            steps = (*steps, self._elements[steps])
        self._note(steps)
        return steps

    def _pair(self, table: Steps) -> Steps:
        """`key = value`; gives the table it stands in."""
        keys = self._keys()
        for count in range(1, len(keys) + 1):
            self._note((*table, *keys[:count]))
        self._at += 1  # =
        self._value((*table, *keys))
        return table

    def _value(self, steps: Steps) -> None:
        self._skip_blank()
        self._note(steps)
        if self._next() == "[":
            self._items(steps, "]")
        elif self._next() == "{":
            self._items(steps, "}")
        elif not self._string():
            self._match(PLAIN_VALUE)

    def _items(self, steps: Steps, end: str) -> None:
        """An array or an inline table, to its end."""
        self._at += 1
        position = 0
        while self._skip_blank() and self._next() != end:
            if end == "]":
                self._value((*steps, position))
                position += 1
            else:
                self._pair(steps)
            self._skip_blank()
            if self._next() == ",":
                self._at += 1
        self._at += 1

    def _keys(self) -> list[str]:
        """A dotted key, up to what follows it."""
        keys = []
        while True:
            self._skip_blank()
            quoted = self._string()
            keys.append(_unquoted(quoted) if quoted else self._match(BARE_KEY))
            self._skip_blank()
            if self._next() != ".":
                return keys
            self._at += 1

    def _string(self) -> str:
        for kind in STRINGS:
            if kind.match(self._text, self._at):
                return self._match(kind)
        return ""

    def _enter(self, steps: Steps) -> Steps:
        """Into the last element, where a name is that of an array of tables."""
        return (*steps, self._elements[steps]) if steps in self._elements else steps

    def _note(self, steps: Steps) -> None:
        self._line += self._text.count("\n", self._line_at, self._at)
        self._line_at = self._at
        self.lines.setdefault(steps, self._line)

    def _skip_blank(self) -> bool:
        """True if something follows."""
        self._match(BLANK)
        return self._at < len(self._text)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"not TOML at {self._at}: tomllib must accept the text first")
        self._at = found.end()
        return found.group()


def _unquoted(key: str) -> str:
    """The key a quoted key stands for."""
    if key.startswith("'"):
        return key[1:-1]
    return re.sub(
        r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)",
        lambda found: ESCAPES.get(found[1], "") or chr(int(found[1][1:], 16)),
        key[1:-1],
    )


ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
