"""The crew allows a technician one still of one camera: media is told, sealed, then support."""

import secrets

from msgspec.structs import replace

from edgebox.bus import Bus
from edgebox.host.seal import Seal
from edgebox.messages.base import Done, Fault
from edgebox.messages.support_still import (
    ALLOW_STILL,
    GRANT_STILL,
    GrantStill,
    StillGrant,
    sealed_parts,
)
from edgebox.panel.support import SupportDesk

ANSWER_S = 5.0
CHANGED = Fault(reason="not-found", text="another wish was shown meanwhile")


async def allow_still(
    bus: Bus, seal: Seal | None, desk: SupportDesk, session: str, serial: str, camera: str
) -> Done | Fault:
    """As the page showed it: whose session, which camera."""
    wish = desk.wish
    if wish is None or (wish.id, wish.serial, wish.still_camera) != (session, serial, camera):
        return CHANGED
    if seal is None or not desk.media:
        return Fault(reason="unreachable", text="media says nothing")
    grant = StillGrant(
        id=secrets.token_urlsafe(24),
        instance=desk.media,
        session=session,
        serial=serial,
        technician=wish.technician,
        camera=camera,
        seal="",
    )
    sealed = replace(grant, seal=seal.over(*sealed_parts(grant)))
    answer = await bus.request(ALLOW_STILL, sealed, timeout_s=ANSWER_S)
    if isinstance(answer, Fault):
        return answer
    return await bus.request(GRANT_STILL, GrantStill(id=session, camera=camera), timeout_s=ANSWER_S)
