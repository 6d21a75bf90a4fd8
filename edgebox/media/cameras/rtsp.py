"""A network camera over RTSP (RFC 2326), by FFmpeg's client.

H.264 is passed on undecoded; other codecs are decoded. RTP travels inside the RTSP connection
(TCP): inside a vehicle it costs no delay, and no camera's packets are lost on the way to the box.
A camera that falls silent counts as gone.
"""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import av

from edgebox.config.media import Camera
from edgebox.errors import DeviceError
from edgebox.media import h264
from edgebox.media.cameras.source import AccessUnit, CameraGoneError, Picture, held

OPEN_TIMEOUT_S = 5.0
SILENCE_S = 2.0
"""No picture for this long: reconnect."""
OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "probesize": "32",
    "analyzeduration": "0",
    "max_delay": "0",
    "reorder_queue_size": "0",
}


class RtspSource:
    """Plays `camera.source`, an rtsp:// URL; user name and password may stand in it."""

    def __init__(self, camera: Camera):
        self._place = _without_password(camera.source)
        try:
            self._container = av.open(
                camera.source, format="rtsp", options=OPTIONS, timeout=(OPEN_TIMEOUT_S, SILENCE_S)
            )
        except (av.FFmpegError, OSError) as error:
            raise CameraGoneError(
                f"no answer from {self._place} ({error.strerror}): check power, cable and address"
            ) from error
        if not self._container.streams.video:
            self._container.close()
            raise DeviceError(f"{self._place} sends no picture")
        stream = self._container.streams.video[0]
        context = stream.codec_context
        self.width, self.height = context.width, context.height
        self.fps = float(stream.average_rate or camera.fps)
        self._parameter_sets = h264.annex_b(bytes(context.extradata or b""))
        self._items: Iterator[Picture | AccessUnit] = (
            self._units() if context.name == "h264" else self._pictures()
        )

    def read(self) -> Picture | AccessUnit:
        try:
            return next(self._items)
        except StopIteration:
            raise CameraGoneError(f"{self._place} ended its stream") from None
        except (av.FFmpegError, OSError) as error:
            raise CameraGoneError(
                f"{self._place} fell silent ({error}): check power and cable"
            ) from error

    def close(self) -> None:
        self._container.close()

    def _units(self) -> Iterator[AccessUnit]:
        stream = self._container.streams.video[0]
        for packet in self._container.demux(stream):
            at = time.monotonic()
            if not packet.size:
                continue
            data = h264.with_parameter_sets(bytes(packet), self._parameter_sets)
            found = h264.parameters(data)
            if found:
                self.width, self.height = found.width, found.height
            yield AccessUnit(at, data)

    def _pictures(self) -> Iterator[Picture]:
        for frame in self._container.decode(self._container.streams.video[0]):
            self.width, self.height = frame.width, frame.height
            yield Picture(time.monotonic(), held(frame))


def _without_password(url: str) -> str:
    """For messages and logs."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or "?"
        return f"rtsp://{host}:{parts.port or 554}{parts.path}"
    except ValueError:
        return "the RTSP camera"
