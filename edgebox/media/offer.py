"""A viewer's SDP offer (RFC 8866, RFC 9429): what we can serve of it, and nothing else (no I/O).

The text comes from a browser somewhere. It is taken apart here, each value is checked, and what the
WebRTC library gets is written anew from the checked values: nothing hostile reaches it.

Served are video sections that want to receive H.264 in packetization mode 1, all in one BUNDLE.
Every other section is answered as rejected (port 0), in its place.
"""

import re
from dataclasses import dataclass

from edgebox.errors import RemoteProtocolError

SIZE_MAX = 65_536
LINES_MAX = 4_000
SECTIONS_MAX = 16
CANDIDATES_MAX = 32

MID = re.compile(r"[A-Za-z0-9_.+-]{1,16}")
MEDIA = re.compile(r"m=([a-z]{1,16}) (\d{1,5}) ([A-Z/]{1,32})((?: [A-Za-z0-9-]{1,24}){1,128})")
ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
ICE_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
FINGERPRINT = re.compile(
    r"(sha-(?:256|384|512)) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE
)
EXTENSION = re.compile(r"(\d{1,2})(?:/[a-z]+)? (\S{1,200})")
RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9-]{1,32})/(\d{1,6})(?:/\d{1,2})?")
FMTP = re.compile(r"(\d{1,3}) (\S.{0,500})")
FEEDBACK = re.compile(r"(\d{1,3}|\*) ([a-z-]{1,16}(?: [a-z]{1,16})?)")
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


@dataclass(frozen=True, slots=True)
class Section:
    """One `m=` section. `lines`: how it is offered to the library; empty if we cannot serve it."""

    media: str
    protocol: str
    formats: str
    mid: str
    lines: tuple[str, ...]


class Offer:
    """A checked offer."""

    def __init__(self, text: str):
        """Raises RemoteProtocolError for anything that is not an offer we can answer."""
        if len(text) > SIZE_MAX:
            raise RemoteProtocolError("offer too long")
        lines = text.splitlines()
        if len(lines) > LINES_MAX or not lines or lines[0] != "v=0":
            raise RemoteProtocolError("not a session description")
        starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
        if not 0 < len(starts) <= SECTIONS_MAX:
            raise RemoteProtocolError(f"{len(starts)} media sections")
        head = _Attributes(lines[: starts[0]])
        ends = [*starts[1:], len(lines)]
        parts = [lines[start:end] for start, end in zip(starts, ends, strict=True)]
        bundled = _bundled(head)
        self.sections = [_section(part, head, bundled) for part in parts]
        mids = [section.mid for section in self.sections]
        if len(set(mids)) != len(mids):
            raise RemoteProtocolError("two sections with one mid")
        self.served = [section for section in self.sections if section.lines]
        self.candidates: list[Candidate] = []
        for part, section in zip(parts, self.sections, strict=True):
            if self.served and section.mid == self.served[0].mid:
                self.candidates = _candidates(part)

    @property
    def text(self) -> str:
        """The offer of the served sections alone, without candidates."""
        mids = " ".join(section.mid for section in self.served)
        head = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
        body = [line for section in self.served for line in section.lines]
        return "\r\n".join([*head, *body]) + "\r\n"

    def complete(self, answer: str) -> str:
        """The library's answer with the rejected sections put where they belong."""
        head, *answered = re.split(r"^(?=m=)", answer, flags=re.MULTILINE)
        served = iter(answered)
        return head + "".join(
            next(served) if section.lines else _rejection(section) for section in self.sections
        )


def parse_candidate(text: str) -> Candidate | None:
    """A candidate line, with or without `a=`. None for what we do not use: TCP, mDNS, junk."""
    found = CANDIDATE.fullmatch(text.strip().removeprefix("a="))
    if not found or "tcptype" in (found[6] or ""):
        return None
    port = int(found[4])
    if not 0 < port < 65_536:
        return None
    return Candidate(found[1], int(found[2]) & 0x7FFFFFFF, found[3], port, found[5].lower())


class _Attributes:
    """The `a=` lines of a part."""

    def __init__(self, lines: list[str]):
        pairs = [line[2:].partition(":") for line in lines if line.startswith("a=")]
        self._values = [(name, value) for name, _, value in pairs]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._values if key == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    def matches(self, name: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        return [found for value in self.all(name) if (found := pattern.fullmatch(value))]


def _bundled(head: _Attributes) -> frozenset[str]:
    for group in head.all("group"):
        kind, *mids = group.split()[: SECTIONS_MAX + 1] or [""]
        if kind == "BUNDLE":
            return frozenset(mids)
    return frozenset()


def _section(part: list[str], head: _Attributes, bundled: frozenset[str]) -> Section:
    media = MEDIA.fullmatch(part[0])
    attributes = _Attributes(part)
    mid = attributes.first("mid") or ""
    if not media or not MID.fullmatch(mid):
        raise RemoteProtocolError("media section without a usable m= line or mid")
    kind, port, protocol, formats = media.groups()
    lines: tuple[str, ...] = ()
    rejected = port == "0" and attributes.first("bundle-only") is None
    wants = any(attributes.first(way) is not None for way in ("recvonly", "sendrecv"))
    if kind == "video" and not rejected and wants and mid in bundled:
        lines = _served_lines(mid, attributes, head)
    return Section(kind, protocol, formats.strip(), mid, lines)


def _served_lines(mid: str, attributes: _Attributes, head: _Attributes) -> tuple[str, ...]:
    """The section as we want it answered; empty if it has no H.264 we can send."""
    payloads = _h264_payloads(attributes)
    if not payloads:
        return ()
    retransmissions = _retransmission_payloads(attributes, payloads)
    numbers = [str(number) for number in (*payloads, *retransmissions)]
    lines = [
        f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(numbers)}",
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        "a=recvonly",
        "a=rtcp-mux",
        *_transport_lines(attributes, head),
        *_extension_lines(attributes),
    ]
    if attributes.first("rtcp-mux") is None:
        raise RemoteProtocolError("rtcp-mux is required")
    for number, profile in payloads.items():
        lines.append(f"a=rtpmap:{number} H264/90000")
        lines += [f"a=rtcp-fb:{number} {way}" for way in _feedbacks(attributes, number)]
        lines.append(
            f"a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;"
            f"profile-level-id={profile}"
        )
    for number, base in retransmissions.items():
        lines += [f"a=rtpmap:{number} rtx/90000", f"a=fmtp:{number} apt={base}"]
    return tuple(lines)


def _transport_lines(attributes: _Attributes, head: _Attributes) -> list[str]:
    """ICE and DTLS parameters (RFC 8839, RFC 8842), of the section or of the whole session."""

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


def _extension_lines(attributes: _Attributes) -> list[str]:
    return [
        f"a=extmap:{int(found[1])} {found[2]}"
        for found in attributes.matches("extmap", EXTENSION)
        if found[2] in EXTENSIONS and 0 < int(found[1]) < 15
    ]


def _h264_payloads(attributes: _Attributes) -> dict[int, str]:
    """Payload type to profile-level-id; constrained baseline first (RFC 6184, 8.1)."""
    parameters = _parameters(attributes)
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


def _retransmission_payloads(attributes: _Attributes, payloads: dict[int, str]) -> dict[int, int]:
    """Payload type of each retransmission format to the one it repeats (RFC 4588)."""
    parameters = _parameters(attributes)
    found: dict[int, int] = {}
    for codec in attributes.matches("rtpmap", RTPMAP):
        number = int(codec[1])
        base = parameters.get(number, {}).get("apt", "")
        known = base.isdecimal() and len(base) < 4 and int(base) in payloads
        if codec[2].lower() == "rtx" and 95 < number < 128 and number not in payloads and known:
            found[number] = int(base)
    return found


def _parameters(attributes: _Attributes) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for line in attributes.matches("fmtp", FMTP):
        pairs = (pair.partition("=") for pair in line[2].split(";"))
        found[int(line[1])] = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return found


def _feedbacks(attributes: _Attributes, number: int) -> list[str]:
    offered = {
        found[2]
        for found in attributes.matches("rtcp-fb", FEEDBACK)
        if found[1] in {"*", str(number)}
    }
    return [way for way in FEEDBACKS if way in offered]


def _candidates(part: list[str]) -> list[Candidate]:
    lines = [line for line in part if line.startswith("a=candidate:")]
    found = (parse_candidate(line) for line in lines[:CANDIDATES_MAX])
    return [candidate for candidate in found if candidate]


def _rejection(section: Section) -> str:
    """RFC 9429, 5.3.1: port 0, same media, protocol and formats."""
    return (
        f"m={section.media} 0 {section.protocol} {section.formats}\r\n"
        f"c=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{section.mid}\r\n"
    )
