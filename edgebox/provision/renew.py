"""`edgebox renew-certificate`: the next certificate, at half of the present one's time.

Run by a timer. Never during a mission: bond and broker are started again with it, and an ambulance
that is always on the move still has half a certificate's time, more than six months, to stand.
"""

import asyncio
import logging
import time
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.bus import Bus
from edgebox.config import Config
from edgebox.errors import ConfigError, DeviceError
from edgebox.identity.certificate import check_issued, past_half, pem
from edgebox.identity.request import make_request, sign
from edgebox.messages.base import Fault
from edgebox.messages.identity import RENEW, RenewCertificate
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.provision.place import Place, read_key

logger = logging.getLogger(__name__)

STATE_S = 5.0
ANSWER_S = 20.0

Outcome = Literal["renewed", "not yet", "mission"]


async def renew(config: Config, place: Place, *, now_utc: float | None = None) -> Outcome:
    """What was done. Raises ConfigError or DeviceError saying why it could not be."""
    at_utc = time.time() if now_utc is None else now_utc
    certificate, key = _present(place)
    if not past_half(certificate, at_utc):
        return "not yet"
    async with Bus(config.bus.address, "renewal", box=config.box.id) as bus:
        if await _is_live(bus):
            return "mission"
        next_key = await asyncio.to_thread(place.pending_key)
        request = make_request(next_key, config.box.id)
        asked = RenewCertificate(
            request=request,
            certificate=pem(certificate),
            signature=sign(key, request),
        )
        answer = await bus.request(RENEW, asked, timeout_s=ANSWER_S)
    if isinstance(answer, Fault):
        raise DeviceError(f"no new certificate: {answer.reason}: {answer.text}")
    authority = place.authority.read_text()
    check_issued(answer.certificate, authority, next_key.public_key(), config.box.id)
    await asyncio.to_thread(place.put_identity, answer.certificate)
    return "renewed"


def _present(place: Place) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = read_key(place.identity)
    try:
        certificate = x509.load_pem_x509_certificate(place.identity.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place.identity}: {error}; has this box an identity?") from error
    if key is None:
        raise ConfigError(f"{place.identity}: no key in it")
    return certificate, key


async def _is_live(bus: Bus) -> bool:
    """Whether video is sent. A box whose media says nothing is not in a mission."""
    found: asyncio.Future[MediaSession] = asyncio.get_running_loop().create_future()

    async def receive(session: MediaSession, keys: dict[str, str]) -> None:
        if not found.done():
            found.set_result(session)

    await bus.subscribe(MEDIA_SESSION, receive)
    try:
        async with asyncio.timeout(STATE_S):
            return (await found).state == "live"
    except TimeoutError:
        return False
