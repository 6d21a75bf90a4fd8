"""Takes out of text what is nobody's business: secrets, people, places, addresses.

Theory of operation. What is known to be secret is struck literally, in every form it may have been
written (plain, base64, percent, hex). What only looks like one is struck by its look: long random
words, digits as long as telephone or personal numbers, decimals as exact as positions. Rather a
word too many than one too few: a technician can ask for a number; a leaked one is out for good.

Addresses are masked consistently within one Redactor, `(ip-3)` is the same address everywhere, so
that a bundle can still be read. Loopback and unspecified addresses stay.

Names of people cannot be told from other words: those that are known are struck everywhere, what
stands behind a key such as `name=` as well, and in logs any two capitalised words in a row.
Pure; every pattern works in linear time, on lines of LINE_MAX characters at most.
"""

import base64
import binascii
import contextlib
import ipaddress
import itertools
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

LINE_MAX = 4000
"""Characters of a line that are looked at; the rest is left out."""
SHORTEST = 4
"""A known secret shorter than this would strike half of all text."""
KEY = "(key or certificate)"
KEY_LINES_MAX = 120
"""Of one; a beginning without an end must not take a whole log along."""
DECODED_MIN = 8
HARMLESS_MAX = 20_000
"""Words that need not be looked into again."""
TURNS_MAX = 0.35
"""Changes between capital and small letters in what people write, as a share of all letters."""
DEPTH_MAX = 2
"""Encodings within encodings that are looked into."""

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:.*?-----END [A-Z0-9 ]{1,40}-----|.*)")
_PEM_LINE = re.compile(r"(?:^|\s)[A-Za-z0-9+/=]{1,76}\s*$")
"""Inside a key, whatever stands before it on its line."""
_PEM_END = re.compile(r".*-----END [A-Z0-9 ]{1,40}-----")
_HL7 = re.compile(r"\b(?:MSH|PID|PV1|PD1|NK1|OBR|OBX|NTE|EVN|AL1|DG1)\|.*")
_NMEA = re.compile(r"[$!][A-Z]{2}[A-Z]{3},[^\s]*")
_SECRET_KEY = re.compile(
    r"""(?P<key>(?:password|passwd|passphrase|secret|token|credential|authorization|cookie|
    api-?_?key|private-?_?key|nonce|static-auth|\bpin|\bpuk|\bpsk)[\w.-]{0,20}["']?\s{0,3}[:=]\s{0,3}
    (?:Bearer\s|Basic\s|Digest\s)?)(?P<value>"[^"]*"|'[^']*'|[^\s,;}"']+)""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(r"\b(Bearer|Basic|Digest)\s+[^\s,;\"']+", re.IGNORECASE)
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]{1,15}://)[^/@\s\"']+@", re.IGNORECASE)
_URL_REST = re.compile(
    r"(?P<base>\b(?:https?|wss?|rtsps?)://[^/\s\"'?#]+)(?P<rest>[/?#][^\s\"'<>]*)", re.IGNORECASE
)
# A camera is called patient in most vehicles: what is said of it is not said of a person.
_PERSON_KEY = re.compile(
    r"""(?P<key>(?<!camera\s)\b(?:patient|pasient|navn|name|display_name|full_name|focus_by|doctor|lege|born|
    birth|adresse)["']?\s{0,3}[:=]\s{0,3})(?P<value>"[^"]*"|'[^']*'|[^\s,;}"'][^,;}\n"']{0,60})""",
    re.IGNORECASE | re.VERBOSE,
)
_PLACE_KEY = re.compile(
    r"""(?P<key>\b(?:lat|lon|lng|long|latitude|longitude|latitude_deg|longitude_deg|alt|altitude|
    position|posisjon)["']?\s{0,3}[:=]?\s{0,3})(?P<value>-?\d{1,3}(?:[.,]\d+)?)""",
    re.IGNORECASE | re.VERBOSE,
)
_DEGREES = re.compile(r"\d{1,3}\s?°[^,;\n]{0,24}?[NSEWØV]\b")
_EXACT = re.compile(r"(?<![\d.])-?\d{1,3}[.,]\d{4,}(?![\d])")
_VITAL = re.compile(
    r"""(?P<key>(?:\b(?:HR|SpO2|PR|RR|AWRR|NIBP|IBP|ABP|ART|CVP|MAP|PAP|etCO2|CO2|Temp|Tcore|Pulse|
    Puls|BP|SYS|DIA|GCS|glucose|glukose|saturation|metning|value|verdi)|MDC_[A-Z0-9_]{2,60})["']?
    [^\w\n]{1,4}(?:is\s|er\s)?)(?P<value>\d{1,4}(?:[./,]\d{1,4})*)""",
    re.IGNORECASE | re.VERBOSE,
)
_MAC = re.compile(r"(?<![0-9A-Fa-f:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f:-])")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_IPV6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:%\w{1,15})?(?![0-9A-Za-z:])"
)
_PHONE = re.compile(r"(?<![\w.])(?:\+|00)\d(?:[ .()-]{0,2}\d){6,14}(?!\d)")
_GROUPS = re.compile(
    r"(?<![\d.:-])(?:\d{2,3}[ ]\d{2}[ ]\d{2,3}(?:[ ]\d{2})?|\d{6}[ -]\d{5})(?![\d.:])"
)
_DIGITS = re.compile(r"(?<![\d.])\d{8,}(?!\d)")
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{8,}")
_PERCENT = re.compile(r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_NAME = re.compile(
    r"\b[A-ZÆØÅÄÖ][a-zæøåäöéü]{1,20}(?:-[A-ZÆØÅÄÖ][a-zæøåäöéü]{1,20})?"
    r"(?:[ ][A-ZÆØÅÄÖ][a-zæøåäöéü]{1,20}(?:-[A-ZÆØÅÄÖ][a-zæøåäöéü]{1,20})?){1,3}\b"
)
_STRANGE = re.compile(r"[^\n\t\x20-\x7e\xa0-\u024f\u2010-\u203a\u2190-\u2193\u25cf]+")
"""Control characters, bytes that are no text, and writing nobody here logs in."""

PLAIN_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    A Activating Address An At Broadcom Broken Condition Connection Consumed Created
    Deactivated Debian Device Edge Error Failed Finished For From Hardware In Input Intel
    Invalid Kernel Killing Linux Listening Main Manager Modem Mounted Mounting Network No Not
    On Operation Permission Process Raspberry Reached Received Remote Removed Resource
    Scheduled Sent Service Session Slice Socket Started Starting Stopped Stopping System
    Target The This Timeout To Traceback Unit User Using Warning Watchdog With
    """,
    )
)
"""Where one of these stands, capitalised words are not a person's name."""


class Redactor:
    """One for each bundle or session: its masks are consistent within it."""

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[str] = ()):
        """`secrets`, `names`: known ones, struck wherever and however they are written."""
        self._masks: dict[tuple[str, str], str] = {}
        self._harmless: set[str] = set()
        self._known = _pattern_of(form for one in secrets for form in _forms(one))
        self._names = _pattern_of(form for one in names for form in _forms(one))

    def text(self, text: str) -> str:
        """Fit to leave the box: no secrets, numbers, places, addresses; known names struck."""
        return self._lines(text, logs=False)

    def log(self, text: str) -> str:
        """The same, and what looks like anybody's name."""
        return self._lines(text, logs=True)

    def _lines(self, text: str, *, logs: bool) -> str:
        kept: list[str] = []
        in_key = 0
        for line in map(_cut, text.split("\n")):
            if in_key and _PEM_LINE.search(line):
                in_key -= 1
                continue
            if in_key:
                line, in_key = _PEM_END.sub("", line), 0
            line = _PEM.sub(KEY, line)
            in_key = KEY_LINES_MAX if line.endswith(KEY) else 0
            kept.append(self._line(line, logs=logs))
        return "\n".join(kept)

    def _line(self, line: str, *, logs: bool) -> str:
        line = _STRANGE.sub("·", line)
        line = self._redact(line, 0)
        return _NAME.sub(self._name, line) if logs else line

    def _redact(self, line: str, depth: int) -> str:
        """Each rule on what those before left. What they put there is left alone by the rest."""
        for pattern, mask in ((self._known, "(secret)"), (self._names, "(name)")):
            line = pattern.sub(mask, line) if pattern is not None else line
        line = _HL7.sub("(patient data)", line)
        line = _NMEA.sub("(position)", line)
        line = _SECRET_KEY.sub(r"\g<key>(secret)", line)
        line = _BEARER.sub(r"\1 (secret)", line)
        line = _USER_INFO.sub(r"\g<scheme>(secret)@", line)
        line = _URL_REST.sub(_url, line)
        line = _PERSON_KEY.sub(r"\g<key>(name)", line)
        line = _PLACE_KEY.sub(r"\g<key>(position)", line)
        line = _DEGREES.sub("(position)", line)
        line = _VITAL.sub(r"\g<key>(value)", line)
        line = _MAC.sub(lambda found: self._mask("mac", found[0].lower().replace("-", ":")), line)
        line = _IPV4.sub(self._address, line)
        line = _IPV6.sub(self._address, line)
        line = _EXACT.sub("(decimal)", line)
        line = _PHONE.sub(self._number, line)
        line = _GROUPS.sub(self._number, line)
        if depth < DEPTH_MAX:
            line = _PERCENT.sub(lambda found: self._percent(found[0], depth), line)
        line = _WORD.sub(lambda found: self._word(found[0], depth), line)
        return _DIGITS.sub(self._number, line)

    # Single finds

    def _mask(self, kind: str, text: str) -> str:
        known = sum(1 for one, _ in self._masks if one == kind)
        return self._masks.setdefault((kind, text), f"({kind}-{known + 1})")

    def _number(self, found: re.Match[str]) -> str:
        return self._mask("number", re.sub(r"\D", "", found[0]))

    def _name(self, found: re.Match[str]) -> str:
        if PLAIN_WORDS & set(found[0].split(" ")):
            return found[0]
        return self._mask("name", found[0])

    def _address(self, found: re.Match[str]) -> str:
        text = found[0]
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified:
            return text
        return self._mask("ip", str(address))

    def _percent(self, text: str, depth: int) -> str:
        plain = unquote(text, errors="replace")
        return text if plain == text or self._is_clean(plain, depth) else "(secret)"

    def _word(self, text: str, depth: int) -> str:
        """A long word: random, or one that says something when it is decoded."""
        if text in self._harmless:
            return text
        if _is_random(text):
            return self._mask("id", text)
        if depth < DEPTH_MAX and not all(self._is_clean(one, depth) for one in _decoded(text)):
            return "(secret)"
        if len(self._harmless) < HARMLESS_MAX:
            self._harmless.add(text)
        return text

    def _is_clean(self, plain: str, depth: int) -> bool:
        """What is no text was no text before it was encoded either."""
        if not plain.isprintable():
            return True
        return self._redact(plain, depth + 1) == plain and not _NAME.search(plain)


def _cut(line: str) -> str:
    """Of an endless line the first part; a word that would be cut in two is left out whole."""
    if len(line) <= LINE_MAX:
        return line
    first = line[:LINE_MAX]
    if not line[LINE_MAX].isspace():
        first = first[: max(map(first.rfind, " \t"), default=-1) + 1]
    return f"{first}(and {len(line) - len(first)} more characters)"


def _url(found: re.Match[str]) -> str:
    """What follows the host may be a way in: a room's link, a query."""
    return found["base"] + ("/" if found["rest"] == "/" else "/(link)")


def _is_random(text: str) -> bool:
    """Not what people write: hex of 12 and more, or 12 and more of mixed letters and digits."""
    for part in re.split(r"[/=+]", text):
        bare = part.replace("-", "").replace("_", "")
        if len(bare) >= 12 and re.fullmatch(r"[0-9a-fA-F]+", bare) and re.search(r"\d", bare):
            return True
    bare = re.sub(r"[^A-Za-z0-9]", "", text)
    has = [bool(re.search(one, bare)) for one in ("[a-z]", "[A-Z]", "[0-9]")]
    if len(bare) >= 12 and all(has) and not _is_words(text):
        return True
    return len(bare) >= 20 and sum(has) >= 2 and not _is_words(text)


def _is_words(text: str) -> bool:
    """`systemd-networkd-wait-online`, `BasicConstraints`: letters, and few digits at their end."""
    parts = [part for part in re.split(r"[-_/+=]", text) if part]
    turns = sum(a.isupper() != b.isupper() for a, b in itertools.pairwise(text))
    shape = all(re.fullmatch(r"[A-Za-z]+\d{0,3}|\d{1,4}", part) for part in parts)
    return shape and turns <= TURNS_MAX * len(text)


def _decoded(text: str) -> Iterable[str]:
    """Readable text that these letters, or a part of them, may stand for in base64 or hex."""
    for part in {text.strip("=/"), *re.split(r"[/=]", text)}:
        if len(part) < DECODED_MIN:
            continue
        for alphabet in (b"+/", b"-_"):
            with contextlib.suppress(binascii.Error, ValueError):
                padded = part + "=" * (-len(part) % 4)
                yield base64.b64decode(padded, alphabet, validate=True).decode()
        with contextlib.suppress(ValueError):
            yield bytes.fromhex(part).decode()


def _forms(text: str) -> Iterable[str]:
    """However a known secret may have been written."""
    text = text.strip()
    if len(text) < SHORTEST:
        return
    data = text.encode()
    coded = base64.b64encode(data).decode().rstrip("=")
    yield from {text, quote(text, safe=""), quote_plus(text), data.hex(), data.hex().upper()}
    yield from {coded, coded.replace("+", "-").replace("/", "_")}


def _pattern_of(forms: Iterable[str]) -> re.Pattern[str] | None:
    found = sorted(set(forms), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found)), re.IGNORECASE) if found else None
