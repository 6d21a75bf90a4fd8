"""What does not work and what to do, worst first. Pure.

One cause gives one notice: while the broker is away nothing else can be known, and while every
link is down the hub cannot be reached either. A box that nobody has enrolled yet has no bond.
"""

from edgebox.panel.view import BondState, CameraView, HubState, NoticeView, SoundView, Truth


def notices(
    *,
    truth: Truth,
    broker_away_utc: float | None,
    bond: BondState,
    bond_away: bool,
    bond_since_utc: float | None,
    hub: HubState,
    hub_since_utc: float | None,
    cameras: tuple[CameraView, ...],
    sound: SoundView | None,
    enrolled: bool,
    doubled: bool,
    locked: tuple[str, ...],
    stopped: tuple[str, ...],
) -> tuple[NoticeView, ...]:
    """All that hold now. Times are wall clock; None is not known. `locked`: links, by label.

    `doubled`: another box uses this one's identity.
    """
    if truth == "unknown":
        return (NoticeView(code="broker-away", grade="fault", since_utc=broker_away_utc),)
    found: list[NoticeView] = []
    if truth == "missing":
        found.append(NoticeView(code="video-missing", grade="fault"))
    elif truth == "starting":
        found.append(NoticeView(code="video-starting", grade="warn"))
    waits = bond_away and not enrolled
    if waits:
        found.append(NoticeView(code="not-enrolled", grade="fault"))
    elif bond_away:
        found.append(NoticeView(code="bond-away", grade="fault"))
    elif bond == "down":
        found.append(NoticeView(code="bond-down", grade="fault", since_utc=bond_since_utc))
    elif bond == "connecting":
        found.append(NoticeView(code="bond-connecting", grade="warn", since_utc=bond_since_utc))
    if doubled:
        found.append(NoticeView(code="doubled", grade="fault"))
    elif hub == "away" and bond != "down" and not waits:
        found.append(NoticeView(code="hub-away", grade="fault", since_utc=hub_since_utc))
    found += [notice for camera in cameras for notice in _camera(camera)]
    found += _sound(sound) if sound is not None else []
    found += [NoticeView(code="sim-locked", grade="warn", subject=label) for label in locked]
    found += [NoticeView(code="service-stopped", grade="warn", subject=name) for name in stopped]
    return tuple(sorted(found, key=lambda notice: notice.grade != "fault"))


def _camera(camera: CameraView) -> list[NoticeView]:
    if camera.state == "absent":
        return [
            NoticeView(code="camera-absent", grade="fault", subject=camera.name, kind=camera.kind)
        ]
    if camera.state == "failed":
        return [
            NoticeView(code="camera-failed", grade="fault", subject=camera.name, kind=camera.kind)
        ]
    if camera.state == "starting":
        return [NoticeView(code="camera-starting", grade="warn", subject=camera.name)]
    return []


def _sound(sound: SoundView) -> list[NoticeView]:
    """Either may be away on purpose: then it is `none`, and no notice."""
    found = []
    if sound.microphone == "absent":
        found.append(NoticeView(code="microphone-absent", grade="fault"))
    elif sound.microphone == "failed":
        found.append(NoticeView(code="microphone-failed", grade="fault"))
    if sound.loudspeaker == "absent":
        found.append(NoticeView(code="loudspeaker-absent", grade="fault"))
    elif sound.loudspeaker == "failed":
        found.append(NoticeView(code="loudspeaker-failed", grade="fault"))
    return found
