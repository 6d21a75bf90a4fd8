"""Updates: what the hub offers a box, and how far the box has come with it."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Message, Topic

VERSION_PATTERN = r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}(-[0-9]{1,6}-g[0-9a-f]{7,40})?\Z"
Version = Annotated[str, Meta(pattern=VERSION_PATTERN, max_length=70)]
"""As `git describe` says it: 1.4.0, or 1.4.0-12-gabcdef0, which is 12 commits after it."""
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
OptionalSha256 = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
SIZE_MAX = 4 * 1024**3
"""Bytes of a bundle. What claims to be more is not fetched."""
URL_PATTERN = r"^(https://|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?/)[!-~]+\Z"

State = Literal[
    "unsupported",
    "current",
    "waiting",
    "downloading",
    "checking",
    "ready",
    "installing",
    "installed",
    "restarting",
    "trying",
    "good",
    "fell-back",
    "refused",
    "failed",
]
"""`unsupported`: this machine has no second system. `waiting`: to be downloaded. `ready`: to be
installed. `installed`: to be restarted. `trying`: the new version runs and has yet to prove itself.
The last four are how a release ended on this box."""

Reason = Literal[
    "",
    "mission",
    "support",
    "headset",
    "unsure",
    "moving",
    "no-link",
    "metered",
    "no-bond",
    "hub",
    "disk",
    "self-test",
    "content",
    "signature",
    "version",
    "compatible",
    "install",
    "fault",
    "unconfirmed",
]
"""What is waited for (`mission` to `self-test`), or why it ended. `unsure`: whether the crew is in
a mission is not known. `metered`: only links that cost are up. `content`: not what the hub said it
is. `fault`: the new version's self-test found what the old one's did not. `unconfirmed`: the boot
loader came back to the old version before the new one had proved itself."""


class Release(Message, frozen=True):
    """One version to be had. What counts for the box is what the signed bundle says of itself."""

    sha256: Sha256
    """Of the bundle; this is the release's identity."""
    version: Version
    size_bytes: Annotated[int, Meta(ge=1, le=SIZE_MAX)]
    url: Annotated[str, Meta(pattern=URL_PATTERN, max_length=500)]
    """For this box, for a while; a newer offer brings the next one."""
    turn: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    """Counts up when the fleet's staff want boxes that have given it up to try once more."""


class UpdateOffer(Message, frozen=True):
    """What this box shall have; None: what it has."""

    release: Release | None = None


UPDATE_OFFER = Topic("box/{box}/down/update", UpdateOffer, retained=True)


class UpdateStatus(Message, frozen=True):
    """What runs on this box, and what becomes of the offer."""

    version: Annotated[str, Meta(max_length=70)]
    """Of what runs now."""
    state: State
    since_utc: float
    compatible: Annotated[str, Meta(max_length=64)] = ""
    """Which images fit this machine; empty: none."""
    reason: Reason = ""
    sha256: OptionalSha256 = ""
    """The release this is about; empty: none."""
    next_version: Annotated[str, Meta(max_length=70)] = ""
    turn: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    """Of the download, or of the installation."""


UPDATE_STATUS = Topic("box/{box}/up/update", UpdateStatus, retained=True)
