"""Pieces of a session description (RFC 8866) that came from outside, each checked (no I/O)."""

import re
from dataclasses import dataclass

from edgebox.errors import RemoteProtocolError

CANDIDATES_MAX = 32

ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
FINGERPRINT = re.compile(
    r"(sha-(?:256|384|512)) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE
)
EXTENSION = re.compile(r"(\d{1,2})(?:/[a-z]+)? (\S{1,200})")
RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9-]{1,32})/(\d{1,6})(?:/(\d{1,2}))?")
FMTP = re.compile(r"(\d{1,3}) (\S.{0,500})")
FEEDBACK = re.compile(r"(\d{1,3}|\*) ([a-z-]{1,16}(?: [a-z]{1,16})?)")
SOURCE = re.compile(r"(\d{1,10}) cname:.{1,300}")
SOURCE_PAIR = re.compile(r"FID (\d{1,10}) (\d{1,10})")
PROFILE = re.compile(r"42([0-9a-fA-F]{2})[0-9a-fA-F]{2}")
CANDIDATE = re.compile(
    r"candidate:([A-Za-z0-9+/]{1,32}) 1 udp (\d{1,10}) ([0-9A-Fa-f.:]{2,45}) (\d{1,5})"
    r" typ (host|srflx|relay)( .{0,200})?",
    re.IGNORECASE,
)

EXTENSIONS = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
)
FEEDBACKS = ("nack", "nack pli", "goog-remb")
CONSTRAINED_BASELINE, BASELINE = "42e01f", "42001f"
SETUPS = ("actpass", "active", "passive")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to reach the viewer (RFC 8839, 5.1). Only UDP, only addresses, no names."""

    foundation: str
    priority: int
    host: str
    port: int
    type: str


def parse_candidate(text: str) -> Candidate | None:
    """A candidate line, with or without `a=`. None for what we do not use: TCP, mDNS, junk."""
    found = CANDIDATE.fullmatch(text.strip().removeprefix("a="))
    if not found or "tcptype" in (found[6] or ""):
        return None
    port = int(found[4])
    if not 0 < port < 65_536:
        return None
    return Candidate(found[1], int(found[2]) & 0x7FFFFFFF, found[3], port, found[5].lower())


def candidates(part: list[str]) -> list[Candidate]:
    """Those in the lines of a section."""
    lines = [line for line in part if line.startswith("a=candidate:")]
    found = (parse_candidate(line) for line in lines[:CANDIDATES_MAX])
    return [candidate for candidate in found if candidate]


class Attributes:
    """The `a=` lines of a part."""

    def __init__(self, lines: list[str]):
        pairs = [line[2:].partition(":") for line in lines if line.startswith("a=")]
        self._values = [(name, value) for name, _, value in pairs]

    def all(self, name: str) -> list[str]:
        """Values of every such line."""
        return [value for key, value in self._values if key == name]

    def first(self, name: str) -> str | None:
        """Value of the first such line, or None; empty for an attribute without one."""
        return next(iter(self.all(name)), None)

    def has(self, *names: str) -> bool:
        """Is there a line of any of these names?"""
        return any(key in names for key, _ in self._values)

    def matches(self, name: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Values that look as they should."""
        return [found for value in self.all(name) if (found := pattern.fullmatch(value))]

    def parameters(self) -> dict[int, dict[str, str]]:
        """`a=fmtp` of each payload type."""
        found: dict[int, dict[str, str]] = {}
        for line in self.matches("fmtp", FMTP):
            pairs = (pair.partition("=") for pair in line[2].split(";"))
            found[int(line[1])] = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return found


def transport_lines(attributes: Attributes, head: Attributes) -> list[str]:
    """ICE and DTLS parameters (RFC 8839, RFC 8842), of the section or of the whole session.

    Raises RemoteProtocolError when one is missing or malformed.
    """

    def value(name: str, pattern: re.Pattern[str]) -> str:
        found = attributes.matches(name, pattern) or head.matches(name, pattern)
        if not found:
            raise RemoteProtocolError(f"no usable a={name}")
        return found[0].group(0)

    setup = attributes.first("setup") or head.first("setup")
    if setup not in SETUPS:
        raise RemoteProtocolError("no usable a=setup")
    return [
        f"a=ice-ufrag:{value('ice-ufrag', ICE_UFRAG)}",
        f"a=ice-pwd:{value('ice-pwd', ICE_PASSWORD)}",
        f"a=fingerprint:{value('fingerprint', FINGERPRINT)}",
        f"a=setup:{setup}",
    ]


def extension_lines(attributes: Attributes) -> list[str]:
    """Header extensions that the library knows (RFC 8285; one-byte headers)."""
    return [
        f"a=extmap:{int(found[1])} {found[2]}"
        for found in attributes.matches("extmap", EXTENSION)
        if found[2] in EXTENSIONS and 0 < int(found[1]) < 15
    ]


def source_lines(attributes: Attributes) -> list[str]:
    """Whom packets come from, and the source of their retransmissions (RFC 5576)."""
    pair = attributes.matches("ssrc-group", SOURCE_PAIR)
    first = attributes.matches("ssrc", SOURCE)
    sources = [pair[0][1], pair[0][2]] if pair else [found[1] for found in first[:1]]
    return [f"a=ssrc:{int(source)} cname:guest" for source in sources if int(source) < 2**32]


def opus_payload(attributes: Attributes) -> int | None:
    """Payload type of Opus (RFC 7587), or None."""
    for codec in attributes.matches("rtpmap", RTPMAP):
        is_opus = codec[2].lower() == "opus" and (codec[3], codec[4]) == ("48000", "2")
        if is_opus and 95 < int(codec[1]) < 128:
            return int(codec[1])
    return None


def h264_payloads(attributes: Attributes) -> dict[int, str]:
    """Payload type to profile-level-id; constrained baseline first (RFC 6184, 8.1)."""
    parameters = attributes.parameters()
    found: dict[int, str] = {}
    for codec in attributes.matches("rtpmap", RTPMAP):
        number = int(codec[1])
        own = parameters.get(number, {})
        profile = PROFILE.fullmatch(own.get("profile-level-id", CONSTRAINED_BASELINE))
        is_h264 = codec[2].upper() == "H264" and codec[3] == "90000" and 95 < number < 128
        if is_h264 and profile and own.get("packetization-mode") == "1":
            constrained = int(profile[1], 16) & 0x40
            found[number] = CONSTRAINED_BASELINE if constrained else BASELINE
    return dict(sorted(found.items(), key=lambda item: item[1] != CONSTRAINED_BASELINE))


def vp8_payloads(attributes: Attributes) -> list[int]:
    """Payload types of VP8 (RFC 7741)."""
    return [
        int(codec[1])
        for codec in attributes.matches("rtpmap", RTPMAP)
        if codec[2].upper() == "VP8" and codec[3] == "90000" and 95 < int(codec[1]) < 128
    ]


def retransmission_payloads(attributes: Attributes, payloads: list[int]) -> dict[int, int]:
    """Payload type of each retransmission format to the one it repeats (RFC 4588)."""
    parameters = attributes.parameters()
    found: dict[int, int] = {}
    for codec in attributes.matches("rtpmap", RTPMAP):
        number = int(codec[1])
        base = parameters.get(number, {}).get("apt", "")
        known = base.isdecimal() and len(base) < 4 and int(base) in payloads
        if codec[2].lower() == "rtx" and 95 < number < 128 and number not in payloads and known:
            found[number] = int(base)
    return found


def feedbacks(attributes: Attributes, number: int) -> list[str]:
    """What the other end can report about this payload type, as far as we use it (RFC 4585)."""
    offered = {
        found[2]
        for found in attributes.matches("rtcp-fb", FEEDBACK)
        if found[1] in {"*", str(number)}
    }
    return [way for way in FEEDBACKS if way in offered]
