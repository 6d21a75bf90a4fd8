"""What media says of itself on the bus: its cameras and its session."""

import msgspec

from edgebox.media.encoder import Encoder
from edgebox.messages.session import CameraStatus, MediaSession, Sending

ROUND_BPS = 10_000


def camera_status(encoder: Encoder, *, wanted: bool) -> CameraStatus:
    """`wanted`: its pictures shall go out now; the encoder's process learns that a moment later."""
    camera, report = encoder.camera, encoder.report
    live = report.state == "live" and wanted
    state = "ready" if report.state == "live" and not live else report.state
    return CameraStatus(
        id=camera.id,
        name=camera.name,
        kind=camera.kind,
        state=state,
        since_utc=encoder.since_utc,
        detail=report.detail[:200],
        width=report.width,
        height=report.height,
        fps=float(round(encoder.fps if live else report.fps)),
        bitrate_bps=_rounded(encoder.bitrate_bps) if live else 0,
        encoder=report.encoder if live else "",
        view=camera.view,
        part=encoder.part,
    )


def without_figures(session: MediaSession) -> MediaSession:
    """What is worth being said at once if it changed."""
    cameras = tuple(
        msgspec.structs.replace(camera, fps=0.0, bitrate_bps=0) for camera in session.cameras
    )
    return msgspec.structs.replace(
        session,
        cameras=cameras,
        sound=msgspec.structs.replace(session.sound, bitrate_bps=0),
        sending=msgspec.structs.replace(session.sending, total_bps=0),
    )


def problem_of(session: MediaSession) -> str:
    """Names the cameras that give no picture and the missing sound devices; empty if all work."""
    if not session.cameras:
        return "no camera is configured"
    gone = {"absent", "failed"}
    # A headset that was put down is no fault of the box.
    here = [one for one in session.cameras if one.kind != "headset"]
    missing = [one.name for one in here if one.state in gone]
    problems = [f"no picture from {', '.join(missing)}"] if missing else []
    if session.sound.microphone in gone or session.sound.loudspeaker in gone:
        problems.append(session.sound.detail)
    return "; ".join(problems)


def rounded(sending: Sending) -> Sending:
    """A rate that changes by little is the same rate."""
    return msgspec.structs.replace(sending, total_bps=_rounded(sending.total_bps))


def _rounded(rate_bps: int) -> int:
    return round(rate_bps / ROUND_BPS) * ROUND_BPS
