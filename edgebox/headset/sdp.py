"""What WHIP and WHEP ask of a session description (RFC 8866), before media looks at it (no I/O).

Only its shape is judged here: how many sections, of which kind, in which direction, with which
formats. Media reads every value again and writes anew what its library gets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from edgebox.errors import RemoteProtocolError

LINES_MAX = 2_000
LINE_MAX = 2_000
CANDIDATES_MAX = 32
"""In one fragment."""
LINE = re.compile(r"[a-z]=[^\x00-\x1f\x7f]*")
UFRAG = re.compile(r"a=ice-ufrag:([A-Za-z0-9+/]{4,256})")
PASSWORD = re.compile(r"a=ice-pwd:([A-Za-z0-9+/]{22,256})")
FINGERPRINT = re.compile(r"a=fingerprint:sha-\d+ [0-9A-Fa-f:]{40,400}")
FORMATS = {
    "video": re.compile(r"a=rtpmap:\d+ (H264|VP8)/90000", re.IGNORECASE),
    "audio": re.compile(r"a=rtpmap:\d+ opus/48000(/2)?", re.IGNORECASE),
}


class UnacceptableError(RemoteProtocolError):
    """Well-formed, but nothing that this endpoint serves (RFC 9725, 4.2: 422)."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a PATCH brought (RFC 8840)."""

    ufrag: str
    """Empty if it names none."""
    candidates: tuple[str, ...]


def read_offer(body: bytes) -> tuple[str, str]:
    """Text and ICE user name fragment of an offer to send (WHIP).

    Raises RemoteProtocolError when it is malformed, UnacceptableError when it is not served.
    """
    return _read(body, _judge)


def read_request(body: bytes) -> tuple[str, str]:
    """The same of an offer to receive (WHEP)."""
    return _read(body, _judge_request)


def _read(body: bytes, judge: Callable[[list[str], list[list[str]]], None]) -> tuple[str, str]:
    text, lines = _lines(body)
    if lines[0] != "v=0":
        raise RemoteProtocolError("a description begins with v=0")
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if not starts:
        raise RemoteProtocolError("no media section")
    for pattern, what in (
        (UFRAG, "ice-ufrag"),
        (PASSWORD, "ice-pwd"),
        (FINGERPRINT, "fingerprint"),
    ):
        if not any(pattern.fullmatch(line) for line in lines):
            raise RemoteProtocolError(f"no usable a={what}")
    ends = [*starts[1:], len(lines)]
    sections = [lines[start:end] for start, end in zip(starts, ends, strict=True)]
    judge(lines[: starts[0]], sections)
    return text, next(found[1] for line in lines if (found := UFRAG.fullmatch(line)))


def read_fragment(body: bytes) -> Fragment:
    """Raises RemoteProtocolError when it is malformed."""
    _, lines = _lines(body)
    ufrags = [found[1] for line in lines if (found := UFRAG.fullmatch(line))]
    candidates = [line[2:] for line in lines if line.startswith("a=candidate:")]
    known = ("a=", "m=", "c=", "b=")
    if not all(line.startswith(known) for line in lines):
        raise RemoteProtocolError("not a fragment of a description")
    if len(candidates) > CANDIDATES_MAX:
        raise RemoteProtocolError(f"more than {CANDIDATES_MAX} candidates")
    return Fragment(ufrags[0] if ufrags else "", tuple(candidates))


def _lines(body: bytes) -> tuple[str, list[str]]:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("not UTF-8") from error
    lines = re.split(r"\r?\n", text.rstrip("\r\n"))
    if len(lines) > LINES_MAX:
        raise RemoteProtocolError("too many lines")
    if not all(len(line) <= LINE_MAX and LINE.fullmatch(line) for line in lines):
        raise RemoteProtocolError("not lines of a description")
    return text, lines


def _judge(head: list[str], sections: list[list[str]]) -> None:
    """RFC 9725, 4.4: what an offer must look like. Raises UnacceptableError."""
    kinds = [section[0][2:].partition(" ")[0] for section in sections]
    for kind in kinds:
        if kind not in FORMATS:
            raise UnacceptableError(f"m={kind[:20]} is not served")
        if kinds.count(kind) > 1:
            raise UnacceptableError(f"more than one track of kind {kind}")
    if "video" not in kinds:
        raise UnacceptableError("no picture is offered")
    for kind, section in zip(kinds, sections, strict=True):
        if not any(line in {"a=sendonly", "a=sendrecv"} for line in section):
            raise UnacceptableError(f"the {kind} is not sent")
    _judge_transport(head, kinds, sections)


def _judge_request(head: list[str], sections: list[list[str]]) -> None:
    """draft-ietf-wish-whep-03, 4.2: what an offer to hear must look like."""
    kinds = [section[0][2:].partition(" ")[0] for section in sections]
    if kinds != ["audio"]:
        raise UnacceptableError("one sound is served, and nothing else")
    if not any(line in {"a=recvonly", "a=sendrecv"} for line in sections[0]):
        raise UnacceptableError("the sound is not received")
    _judge_transport(head, kinds, sections)


def _judge_transport(head: list[str], kinds: list[str], sections: list[list[str]]) -> None:
    bundles = [line.split()[1:] for line in head if line.startswith("a=group:BUNDLE")]
    for kind, section in zip(kinds, sections, strict=True):
        if "a=rtcp-mux" not in section:
            raise UnacceptableError("rtcp-mux is required")
        if not any(FORMATS[kind].fullmatch(line) for line in section):
            raise UnacceptableError(f"no {kind} format that is known here")
        mids = [line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")]
        if len(mids) != 1 or len(bundles) != 1 or mids[0] not in bundles[0]:
            raise UnacceptableError("all in one BUNDLE is required")
