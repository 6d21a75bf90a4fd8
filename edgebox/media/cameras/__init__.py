"""Picture sources, one file each. They run inside the encoder process of their camera."""

from pathlib import Path

from edgebox.config.media import Camera
from edgebox.media.cameras.source import Source


def open_source(camera: Camera, directory: Path) -> Source:
    """Open the camera; each kind is imported only where it is used.

    Raises CameraGoneError if it is not there now, DeviceError if it cannot work as configured.
    """
    if camera.kind == "pattern":
        from edgebox.media.cameras.pattern import PatternSource

        return PatternSource(camera)
    if camera.kind == "file":
        from edgebox.media.cameras.file import FileSource

        return FileSource(camera, directory)
    if camera.kind == "rtsp":
        from edgebox.media.cameras.rtsp import RtspSource

        return RtspSource(camera)
    if camera.kind == "v4l2":
        from edgebox.media.cameras.v4l2 import V4l2Source

        return V4l2Source(camera)
    from edgebox.media.cameras.picamera import PicameraSource

    return PicameraSource(camera)
