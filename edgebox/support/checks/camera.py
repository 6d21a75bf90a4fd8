"""Does each camera deliver pictures? By media's word: what it calls ready or live gave one lately.

Media keeps each camera open and counts its pictures, encoded or not; an encoder process whose open
camera gives none for five seconds is started anew. So nothing has to be touched to know.
"""

from dataclasses import dataclass

from edgebox.messages.session import CameraStatus
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

START_S = 15.0
"""A network camera after power-on."""
SLOW_SHARE = 0.5
"""Of the rate that is configured; sensors halve it in the dark."""


@dataclass(frozen=True)
class Facts:
    """`cameras`: None if media does not say. `wanted_fps`: by camera, as configured."""

    cameras: tuple[CameraStatus, ...] | None
    wanted_fps: dict[str, float]


async def read(here: Surroundings) -> Facts:
    """What was heard."""
    session = here.heard.session
    wanted = {camera.id: float(camera.fps) for camera in here.config.media.camera}
    return Facts(None if session is None else session.cameras, wanted)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One for each camera."""
    if facts.cameras is None:
        return (untested("unheard", "media says nothing"),)
    found = tuple(
        _judge_one(camera, facts.wanted_fps.get(camera.id), now_utc) for camera in facts.cameras
    )
    return found or (untested("absent", "no camera is configured"),)


def _judge_one(camera: CameraStatus, wanted_fps: float | None, now_utc: float) -> Verdict:
    rate = f", {camera.fps:.0f} pictures a second" if camera.fps else ""
    measured = f"{camera.id} ({camera.kind}) {camera.state}, {camera.width}x{camera.height}{rate}"
    look_at = camera.detail or f"journalctl -u edgebox-media: camera {camera.id}"
    if camera.state == "absent":
        return fault(f"absent-{_plug(camera.kind)}", measured, look_at, camera.name)
    if camera.state == "failed":
        return fault(f"failed-{_plug(camera.kind)}", measured, look_at, camera.name)
    if camera.state == "starting":
        if now_utc - camera.since_utc > START_S:
            return fault(f"failed-{_plug(camera.kind)}", measured, look_at, camera.name)
        return untested("starting", measured, camera.name)
    if wanted_fps and 0 < camera.fps < SLOW_SHARE * wanted_fps:
        slow = f"{measured} of {wanted_fps:.0f}"
        return attention("slow", slow, "light at the camera; USB speed; network", camera.name)
    return good(measured, camera.name)


def _plug(kind: str) -> str:
    """What people can do about it: a cable, the vehicle's network, a headset, or nothing."""
    return {"v4l2": "usb", "rtsp": "network", "headset": "headset"}.get(kind, "inside")


CAMERA = Check("camera", read, judge)
