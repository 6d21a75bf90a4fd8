"""[[camera]], [microphone], [loudspeaker] and [media]."""

from typing import Annotated, Literal

from msgspec import Meta, field

from edgebox.config.kinds import Address, Name, Section

SOURCE_OF = {
    "file": "the path of a video file",
    "v4l2": "a device such as /dev/v4l/by-path/...",
    "rtsp": "an address such as rtsp://host/stream",
}
"""Kinds of camera that cannot do without."""


SOUND_SOURCE_OF = {"alsa": "the name of a PCM, such as plughw:CARD=Speaker", "file": "a path"}
"""Kinds of microphone and loudspeaker that cannot do without."""


class Ptz(Section, frozen=True):
    """How a camera is turned: ONVIF, Profile S or T."""

    address: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s@]+/\S*\Z",
            description="http://host/onvif/device_service, with a port if need be",
        ),
    ]
    """Of the camera's device service."""
    username: Annotated[str, Meta(max_length=64)] = ""
    password: str = ""
    """File that holds it."""


class Camera(Section, frozen=True):
    """One picture source."""

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=40)]
    """Shown to crew and remote help."""
    kind: Literal["pattern", "file", "v4l2", "rtsp", "picamera", "headset"]
    """`headset` never stands in the file: headsets pair by themselves."""
    view: Literal["patient", "outside"] = "patient"
    """`outside`: never shows a patient; the only pictures a pilot gets."""
    source: str = ""
    """`file`: path (plays in a loop). `v4l2`: /dev/v4l/by-path/... `rtsp`: rtsp://...
    `picamera`: camera number. `pattern`: nothing."""
    width: Annotated[int, Meta(ge=160, le=3840, multiple_of=2)] = 1280
    height: Annotated[int, Meta(ge=120, le=2160, multiple_of=2)] = 720
    fps: Annotated[int, Meta(ge=1, le=60)] = 30
    send_width: Annotated[int, Meta(ge=160, le=3840, multiple_of=2)] = 1280
    send_height: Annotated[int, Meta(ge=120, le=2160, multiple_of=2)] = 720
    """The most that is sent; larger pictures are scaled down, and sharp when somebody zooms in."""
    ptz: Ptz | None = None
    """For a camera that remote help may turn."""


class Microphone(Section, frozen=True):
    """What hears the cabin."""

    kind: Literal["none", "alsa", "file", "tone"] = "none"
    """`file`: a sound file, in a loop. `tone`: a murmur with a beep each second, for tests."""
    source: Annotated[str, Meta(max_length=200)] = ""
    """`alsa`: name of a PCM, such as plughw:CARD=Speaker. `file`: path."""


class Loudspeaker(Section, frozen=True):
    """What is heard in the cabin."""

    kind: Literal["none", "alsa", "file", "meter"] = "none"
    """`file`: everything is written to a file, for tests. `meter`: nobody hears it."""
    source: Annotated[str, Meta(max_length=200)] = ""
    """`alsa`: name of a PCM. `file`: path."""


class Media(Section, frozen=True):
    """Cameras, microphone, encoders and the connections to those who watch."""

    turn: Address = "127.0.0.1:3478"
    """The only way out: the local end of the bond's forward to the hub's TURN server."""
    preview_listen: Address = "127.0.0.1:8081"
    """HTTP (WHEP) for the panel's preview. Loopback only: it has no log-in."""
    bitrate_max_bps: Annotated[int, Meta(ge=100_000, le=20_000_000)] = 3_000_000
    """Most that all pictures together may use, however much the bond could carry."""
    hardware_encoder: Literal["auto", "off"] = "auto"
    """`auto` takes h264_v4l2m2m where it works; `off` always encodes in software."""
    microphone: Microphone = field(default_factory=Microphone)
    loudspeaker: Loudspeaker = field(default_factory=Loudspeaker)
    camera: tuple[Camera, ...] = ()
