"""How a camera is, and one still of it, for the technician: the crew allows that camera once.

Figures are no picture: what the camera says of itself, how bright and how sharp its picture is, and
whether it moves. A still is one. The crew's tap goes from the panel straight to media, sealed
(edgebox.host.seal), so no other service of the box can say that there was one.
"""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, Request, Text

StillState = Literal["off", "asked", "granted"]
JPEG_MAX = 128 * 1024
"""Bytes. As base64 in JSON it passes every broker on the way."""
Serial = Annotated[str, Meta(pattern=r"^[0-9A-F]{1,40}\Z")]


class TestCamera(Message, frozen=True, tag="camera"):
    """How is it?"""

    __test__ = False  # pytest takes it for a test otherwise

    camera: Id


class AskStill(Message, frozen=True, tag="still-ask"):
    """The technician would like a still of it; the crew is asked."""

    camera: Id


class TakeStill(Message, frozen=True, tag="still"):
    """Take what the crew allowed."""

    camera: Id


class CameraFigures(Message, frozen=True, tag="camera-figures"):
    """Without a picture. None: not measured, `why`."""

    camera: Id
    name: Text
    state: Literal["starting", "ready", "live", "absent", "failed"]
    detail: Text = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    brightness: float | None = None
    """Mean luma of the picture, 0 black to 1 white."""
    dark: float | None = None
    """Share of it that is nearly black, 0 to 1."""
    bright: float | None = None
    """Share of it that is nearly white."""
    contrast: float | None = None
    """Standard deviation of luma, same scale as `brightness`; a lens cap has next to none."""
    sharpness: float | None = None
    """Standard deviation of luma's Laplacian, in 8-bit steps; an unsharp picture has few."""
    moves: bool | None = None
    """Two pictures one after the other differ, be it by noise; a frozen one does not."""
    why: Literal["", "video-on", "no-picture"] = ""


class CameraStill(Message, frozen=True, tag="camera-still"):
    """A picture, at most 640 wide and JPEG_MAX long."""

    camera: Id
    at_utc: float
    width: int
    height: int
    jpeg: Annotated[bytes, Meta(max_length=JPEG_MAX)]


# The crew, by the panel


class GrantStill(Message, frozen=True):
    """To the support service: the crew allowed it, media has it."""

    id: Id
    """Of the session."""
    camera: Id


GRANT_STILL = Request("box/{box}/local/support/still/grant", GrantStill, Done)


class RefuseStill(Message, frozen=True):
    """No still."""


REFUSE_STILL = Request("box/{box}/local/support/still/refuse", RefuseStill, Done)


class StillGrant(Message, frozen=True):
    """To media: this technician may have one still of this camera. Good once, for a minute."""

    id: Id
    """Random; the same is never good again."""
    instance: Id
    """Of the media that is meant."""
    session: Id
    serial: Serial
    technician: Text
    camera: Id
    seal: Annotated[str, Meta(max_length=200)]
    """The panel's, over all above (`sealed_parts`)."""


def sealed_parts(grant: StillGrant) -> tuple[str, ...]:
    """What the seal is over, in this order."""
    return (
        "still",
        *(grant.id, grant.instance, grant.session),
        *(grant.serial, grant.technician, grant.camera),
    )


ALLOW_STILL = Request("box/{box}/local/media/still/allow", StillGrant, Done)

# The support service, of media


class AskFigures(Message, frozen=True):
    """Of one camera."""

    camera: Id


ASK_FIGURES = Request("box/{box}/local/media/camera", AskFigures, CameraFigures)


class FetchStill(Message, frozen=True):
    """By the crew's grant, which this spends."""

    session: Id
    serial: Serial
    camera: Id


FETCH_STILL = Request("box/{box}/local/media/still/fetch", FetchStill, CameraStill)
