"""An SDP offer (RFC 8866, RFC 9429): what we serve of it, and nothing else (no I/O).

The text comes from a browser somewhere. It is taken apart here, each value is checked, and what the
WebRTC library gets is written anew from the checked values: nothing hostile reaches it.

Each section, all in one BUNDLE, is put to one use, if the person may have it:

| use     | the page offers                     | we serve                                         |
|---------|-------------------------------------|--------------------------------------------------|
| picture | video, recvonly or sendrecv         | a camera, H.264 in packetization mode 1          |
| guest   | video, sendonly; the first one      | the page's own camera, H.264 or VP8              |
| sound   | audio; the first one                | Opus, in the directions the person may use       |
| data    | application; the first one          | a data channel                                   |

Every other section is answered as rejected (port 0), in its place.
"""

import re
from dataclasses import dataclass
from typing import Literal

from edgebox.errors import RemoteProtocolError
from edgebox.media import sdp
from edgebox.media.sdp import Attributes, Candidate

SIZE_MAX = 65_536
LINES_MAX = 4_000
SECTIONS_MAX = 16
GUEST_PICTURE_KBPS = 700
GUEST_SOUND_BPS = 24_000
"""Speech is good at this; what guests send goes over the vehicle's links, too."""

MID = re.compile(r"[A-Za-z0-9_.+-]{1,16}")
MEDIA = re.compile(r"m=([a-z]{1,16}) (\d{1,5}) ([A-Z/]{1,32})((?: [A-Za-z0-9-]{1,24}){1,128})")
SCTP_PORT = re.compile(r"\d{1,5}")
H264_PARAMETERS = "level-asymmetry-allowed=1;packetization-mode=1"
CONNECTION_LINE = re.compile(r"^c=.*\r\n", re.MULTILINE)
H264_LINE = re.compile(r"^(a=fmtp:\d+ [^\r\n]*packetization-mode=1[^\r\n]*)\r\n", re.MULTILINE)
OPUS_LINE = re.compile(r"^a=rtpmap:(\d+) opus/48000/2\r\n", re.MULTILINE)

Use = Literal["", "picture", "guest", "sound", "data"]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
PictureCodec = Literal["H264", "VP8"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of an offer may be served. The default is the crew's own preview."""

    pictures: bool = True
    picture_codecs: tuple[PictureCodec, ...] = ("H264",)
    hears: bool = False
    speaks: bool = False
    shows: bool = False
    shows_kbps: int = GUEST_PICTURE_KBPS
    """What the answer allows the page's own camera."""
    shows_h264: bool = False
    """H.264 alone from a page's own camera that can send it: viewers get it as it came."""
    start_kbps: int = 0
    """What Chromium begins with, instead of rising for many seconds; 0: as it likes."""
    data: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One `m=` section. `lines`: how it is offered to the library; empty if we do not serve it."""

    media: str
    protocol: str
    formats: str
    mid: str
    use: Use = ""
    lines: tuple[str, ...] = ()
    direction: Direction = "inactive"
    """Ours: `sendonly` means that we send."""


class Offer:
    """A checked offer."""

    def __init__(self, text: str, allowed: Allowed = Allowed()):
        """Raises RemoteProtocolError for anything that is not an offer we can answer."""
        if len(text) > SIZE_MAX:
            raise RemoteProtocolError("offer too long")
        lines = text.splitlines()
        if len(lines) > LINES_MAX or not lines or lines[0] != "v=0":
            raise RemoteProtocolError("not a session description")
        starts = [i for i, line in enumerate(lines) if line.startswith("m=")]
        if not 0 < len(starts) <= SECTIONS_MAX:
            raise RemoteProtocolError(f"{len(starts)} media sections")
        head = Attributes(lines[: starts[0]])
        ends = [*starts[1:], len(lines)]
        parts = [lines[start:end] for start, end in zip(starts, ends, strict=True)]
        self._allowed = allowed
        self.sections: list[Section] = []
        reader = _Reader(head, allowed)
        for part in parts:
            self.sections.append(reader.section(part))
        mids = [section.mid for section in self.sections]
        if len(set(mids)) != len(mids):
            raise RemoteProtocolError("two sections with one mid")
        self.served = [section for section in self.sections if section.use]
        self.candidates: list[Candidate] = []
        for part, section in zip(parts, self.sections, strict=True):
            if self.served and section.mid == self.served[0].mid:
                self.candidates = sdp.candidates(part)

    def of(self, use: Use) -> list[Section]:
        """The sections put to this use."""
        return [section for section in self.sections if section.use == use]

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
            _completed(section, next(served), self._allowed) if section.use else _rejection(section)
            for section in self.sections
        )


class _Reader:
    """Reads the sections of one offer in their order."""

    def __init__(self, head: Attributes, allowed: Allowed):
        self._head = head
        self._allowed = allowed
        self._bundled = _bundled(head)
        self._taken: set[Use] = set()

    def section(self, part: list[str]) -> Section:
        """Raises RemoteProtocolError when it is malformed."""
        media = MEDIA.fullmatch(part[0])
        attributes = Attributes(part)
        mid = attributes.first("mid") or ""
        if not media or not MID.fullmatch(mid):
            raise RemoteProtocolError("media section without a usable m= line or mid")
        kind, port, protocol, formats = media.groups()
        section = Section(kind, protocol, formats.strip(), mid)
        rejected = port == "0" and attributes.first("bundle-only") is None
        if rejected or mid not in self._bundled:
            return section
        use = self._use(kind, attributes)
        direction, lines = self._served(use, mid, attributes)
        if not lines or use in self._taken:
            return section
        if use != "picture":
            self._taken.add(use)
        return Section(kind, protocol, formats.strip(), mid, use, tuple(lines), direction)

    def _use(self, kind: str, attributes: Attributes) -> Use:
        allowed = self._allowed
        if kind == "video" and attributes.has("recvonly", "sendrecv"):
            return "picture" if allowed.pictures else ""
        if kind == "video" and attributes.has("sendonly"):
            return "guest" if allowed.shows else ""
        if kind == "audio":
            return "sound" if allowed.hears or allowed.speaks else ""
        return "data" if kind == "application" and allowed.data else ""

    def _served(self, use: Use, mid: str, attributes: Attributes) -> tuple[Direction, list[str]]:
        """Our direction and the section as we want it answered; no lines if we cannot serve it."""
        match use:
            case "picture":
                codecs = _video_lines(attributes, self._allowed.picture_codecs)
                return "sendonly", self._media("video", mid, "recvonly", attributes, codecs)
            case "guest":
                only = _video_lines(attributes, ("H264",)) if self._allowed.shows_h264 else {}
                codecs = only or _video_lines(attributes, ("H264", "VP8"))
                lines = self._media("video", mid, "sendonly", attributes, codecs)
                return "recvonly", lines + (sdp.source_lines(attributes) if lines else [])
            case "sound":
                return self._sound(mid, attributes)
            case "data":
                return "sendrecv", self._data(mid, attributes)
        return "inactive", []

    def _sound(self, mid: str, attributes: Attributes) -> tuple[Direction, list[str]]:
        number = sdp.opus_payload(attributes)
        send = self._allowed.hears and not attributes.has("sendonly", "inactive")
        receive = self._allowed.speaks and not attributes.has("recvonly", "inactive")
        if number is None or not (send or receive):
            return "inactive", []
        ours: Direction = "sendrecv" if send and receive else "sendonly" if send else "recvonly"
        theirs = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(ours, ours)
        codec = {number: [f"a=rtpmap:{number} opus/48000/2"]}
        lines = self._media("audio", mid, theirs, attributes, codec)
        return ours, lines + (sdp.source_lines(attributes) if receive else [])

    def _media(
        self,
        kind: str,
        mid: str,
        direction: str,
        attributes: Attributes,
        codecs: dict[int, list[str]],
    ) -> list[str]:
        if not codecs:
            return []
        if attributes.first("rtcp-mux") is None:
            raise RemoteProtocolError("rtcp-mux is required")
        return [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(str(number) for number in codecs)}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            f"a={direction}",
            "a=rtcp-mux",
            *sdp.transport_lines(attributes, self._head),
            *sdp.extension_lines(attributes),
            *(line for lines in codecs.values() for line in lines),
        ]

    def _data(self, mid: str, attributes: Attributes) -> list[str]:
        """RFC 8841."""
        port = attributes.matches("sctp-port", SCTP_PORT)
        if not port or not 0 < int(port[0][0]) < 65_536:
            return []
        return [
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{mid}",
            *sdp.transport_lines(attributes, self._head),
            f"a=sctp-port:{int(port[0][0])}",
            "a=max-message-size:65536",
        ]


def _bundled(head: Attributes) -> frozenset[str]:
    for group in head.all("group"):
        kind, *mids = group.split()[: SECTIONS_MAX + 1] or [""]
        if kind == "BUNDLE":
            return frozenset(mids)
    return frozenset()


def _video_lines(attributes: Attributes, wanted: tuple[PictureCodec, ...]) -> dict[int, list[str]]:
    """The lines of each payload type, those we prefer first, retransmissions last."""
    found: dict[int, list[str]] = {}
    if "H264" in wanted:
        for number, profile in sdp.h264_payloads(attributes).items():
            found[number] = [
                f"a=rtpmap:{number} H264/90000",
                *(f"a=rtcp-fb:{number} {way}" for way in sdp.feedbacks(attributes, number)),
                f"a=fmtp:{number} {H264_PARAMETERS};profile-level-id={profile}",
            ]
    if "VP8" in wanted:
        for number in sdp.vp8_payloads(attributes):
            found[number] = [
                f"a=rtpmap:{number} VP8/90000",
                *(f"a=rtcp-fb:{number} {way}" for way in sdp.feedbacks(attributes, number)),
            ]
    for number, base in sdp.retransmission_payloads(attributes, list(found)).items():
        found[number] = [f"a=rtpmap:{number} rtx/90000", f"a=fmtp:{number} apt={base}"]
    return found


def _completed(section: Section, answered: str, allowed: Allowed) -> str:
    """What the library leaves out: Opus's parameters (RFC 7587, 6.1), a limit (RFC 8866, 5.8)."""
    if section.use == "guest":
        if allowed.start_kbps:
            start = f";x-google-start-bitrate={allowed.start_kbps}"
            answered = H264_LINE.sub(lambda found: found[1] + start + "\r\n", answered)
        return CONNECTION_LINE.sub(rf"\g<0>b=AS:{allowed.shows_kbps}\r\n", answered, count=1)
    if section.use != "sound":
        return answered
    return OPUS_LINE.sub(
        lambda found: (
            f"{found[0]}a=fmtp:{found[1]} minptime=10;useinbandfec=1;usedtx=1;stereo=0;"
            f"maxaveragebitrate={GUEST_SOUND_BPS}\r\n"
        ),
        answered,
    )


def _rejection(section: Section) -> str:
    """RFC 9429, 5.3.1: port 0, same media, protocol and formats."""
    return (
        f"m={section.media} 0 {section.protocol} {section.formats}\r\n"
        f"c=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{section.mid}\r\n"
    )
