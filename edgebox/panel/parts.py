"""The parts people need (video, links, hub), each in one look. Pure."""

from edgebox.panel.view import (
    BondState,
    CameraView,
    HubState,
    LinkView,
    PartState,
    PartsView,
    Truth,
)

HUB_PARTS: dict[HubState, PartState] = {
    "up": "good",
    "away": "fault",
    "unknown": "unknown",
}


def parts(
    truth: Truth,
    cameras: tuple[CameraView, ...],
    bond: BondState,
    links: tuple[LinkView, ...],
    hub: HubState,
    hub_since_utc: float | None,
) -> PartsView:
    """What works and what does not."""
    links_up = sum(link.state == "up" for link in links)
    return PartsView(
        video=_video(truth, cameras),
        cameras_ready=sum(camera.state in {"ready", "live"} for camera in cameras),
        links=_links(bond, links_up, len(links)),
        links_up=links_up,
        hub=HUB_PARTS[hub],
        hub_since_utc=hub_since_utc if hub == "away" else None,
    )


def _video(truth: Truth, cameras: tuple[CameraView, ...]) -> PartState:
    if truth in {"unknown", "starting"}:
        return "unknown"
    working = sum(camera.state in {"ready", "live", "starting"} for camera in cameras)
    if truth == "missing" or not working:
        return "fault"
    return "good" if working == len(cameras) else "warn"


def _links(bond: BondState, links_up: int, links_all: int) -> PartState:
    if bond == "unknown":
        return "unknown"
    if bond == "down":
        return "fault"
    return "good" if bond == "up" and links_up == links_all else "warn"
