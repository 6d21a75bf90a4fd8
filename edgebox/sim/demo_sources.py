"""Cameras, microphone and loudspeaker of the demo, as its arguments name them."""

from dataclasses import dataclass
from pathlib import Path

from edgebox.config.media import Camera, Loudspeaker, Microphone
from edgebox.errors import ConfigError


@dataclass(frozen=True)
class Sound:
    """Microphone and loudspeaker of the demo's cabin."""

    microphone: Microphone
    loudspeaker: Loudspeaker


def microphone_from_argument(argument: str) -> Microphone:
    """What `--microphone` names: `tone`, a sound file, or an ALSA device."""
    if argument == "tone":
        return Microphone(kind="tone")
    path = Path(argument).expanduser()
    if path.is_file():
        return Microphone(kind="file", source=str(path.resolve()))
    return Microphone(kind="alsa", source=argument)


def loudspeaker_from_argument(argument: str) -> Loudspeaker:
    """What `--loudspeaker` names: `meter`, a file to write, or an ALSA device."""
    if argument == "meter":
        return Loudspeaker(kind="meter")
    if "/" in argument:
        return Loudspeaker(kind="file", source=str(Path(argument).expanduser().resolve()))
    return Loudspeaker(kind="alsa", source=argument)


def camera_from_argument(index: int, argument: str) -> Camera:
    """What `--camera` names: a device, an RTSP address, `picamera:N`, `pattern`, or a file.

    Raises ConfigError when it is none of these.
    """
    name = f"Kamera {index + 1}"
    identity = f"camera-{index + 1}"
    if argument == "pattern":
        return Camera(id=identity, name=name, kind="pattern")
    if argument.startswith(("rtsp://", "rtsps://")):
        return Camera(id=identity, name=name, kind="rtsp", source=argument)
    if argument.startswith("/dev/"):
        return Camera(id=identity, name=name, kind="v4l2", source=argument)
    if argument.startswith("picamera:"):
        return Camera(
            id=identity, name=name, kind="picamera", source=argument.removeprefix("picamera:")
        )
    path = Path(argument).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"--camera {argument}: no such file; give a file, /dev/video0, rtsp://..., "
            f"picamera:0 or pattern"
        )
    return Camera(id=identity, name=name, kind="file", source=str(path.resolve()))


DEFAULT_CAMERAS = (
    Camera(id="patient", name="Pasient", kind="pattern", width=1280, height=720, fps=25),
    Camera(
        id="outside",
        name="Ute",
        kind="pattern",
        view="outside",
        width=1280,
        height=720,
        fps=25,
    ),
)
