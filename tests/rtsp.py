"""A real RTSP server (GStreamer) in place of a network camera: it can be unplugged."""

import subprocess

from edgebox.config.media import Camera
from edgebox.sim.ports import free_port

SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer, GLib
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[2])
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
GLib.MainLoop().run()
"""
SOURCE = (
    "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
)
H264 = f"( {SOURCE} x264enc tune=zerolatency key-int-max=30 bitrate=400 ! rtph264pay name=pay0 )"
MJPEG = f"( {SOURCE} jpegenc ! rtpjpegpay name=pay0 )"


class NetworkCamera:
    """One that can be unplugged."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def camera(self) -> Camera:
        url = f"rtsp://user:secret@127.0.0.1:{self.port}/live"
        return Camera(id="net", name="Nettverk", kind="rtsp", source=url)

    def plug(self, pipeline: str) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-c", SERVER, str(self.port), pipeline], stderr=subprocess.DEVNULL
        )

    def unplug(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
