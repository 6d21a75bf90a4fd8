"""Turns a camera by ONVIF: the newest wish counts, and it stands still when nobody wishes.

One request is on its way at a time: a slow camera gets the newest speed, not every one of them.
Stop is said by us when a move is over, because cameras have been seen to turn on for minutes.
"""

import asyncio
import contextlib
import logging
import math
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from edgebox.config import Config, read_secret
from edgebox.config.media import Camera, Ptz
from edgebox.errors import RemoteProtocolError
from edgebox.media import onvif
from edgebox.media.onvif import Account

logger = logging.getLogger(__name__)

Speed = tuple[float, float, float]
STILL: Speed = (0.0, 0.0, 0.0)

MOVE_S = 1.0
"""A move nobody renews is over after this."""
AGAIN_S = 0.4
"""A move that goes on is said anew before the camera's own time-out."""
ANSWER_S = 2.0
RETRY_S = 2.0
"""A camera that did not answer is left alone for this long."""


class Mover:
    """Use as a task running `run`."""

    def __init__(self, camera: Camera, ptz: Ptz, password: str):
        self._name = camera.id
        self._address = ptz.address
        self._account = Account(ptz.username, password) if ptz.username else None
        self._wanted: Speed = STILL
        self._until = 0.0
        self._changed = asyncio.Event()
        self._retry_at = 0.0
        self._offset = timedelta()
        self._profile = ""
        self._ptz_address = ""

    def move(self, pan: float, tilt: float, zoom: float) -> bool:
        """Speeds from -1 to 1, until the next call or for MOVE_S; False if it does not answer."""
        now = asyncio.get_running_loop().time()
        if now < self._retry_at:
            return False
        self._wanted, self._until = (pan, tilt, zoom), now + MOVE_S
        self._changed.set()
        return True

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout, middlewares=self._digest()) as session:
            while True:
                await self._changed.wait()
                await self._follow(session)

    def _digest(self) -> tuple[aiohttp.DigestAuthMiddleware, ...]:
        """For cameras that want HTTP digest (RFC 7616) instead of WS-Security."""
        if self._account is None:
            return ()
        account = self._account
        return (aiohttp.DigestAuthMiddleware(login=account.username, password=account.password),)

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        """Do what is wanted until the camera stands still."""
        loop = asyncio.get_running_loop()
        said, said_at = STILL, -math.inf
        while True:
            self._changed.clear()
            now = loop.time()
            speed = self._wanted if now < self._until else STILL
            if speed != said or now - said_at >= AGAIN_S:
                if not await self._say(session, speed):
                    self._retry_at = loop.time() + RETRY_S
                    return
                said, said_at = speed, now
            if speed == STILL:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(said_at + AGAIN_S, self._until)):
                    await self._changed.wait()

    async def _say(self, session: aiohttp.ClientSession, speed: Speed) -> bool:
        try:
            if not self._profile:
                await self._find(session)
            body = (
                onvif.stop(self._profile)
                if speed == STILL
                else onvif.continuous_move(self._profile, *speed)
            )
            onvif.check_done(await self._ask(session, self._ptz_address, body))
        except (aiohttp.ClientError, TimeoutError, OSError, RemoteProtocolError) as error:
            what = str(error) or type(error).__name__
            logger.warning("camera %s does not turn: %s", self._name, what)
            self._profile = ""
            return False
        return True

    async def _find(self, session: aiohttp.ClientSession) -> None:
        """Clock, services and profile of the camera."""
        told = await self._ask(session, self._address, onvif.GET_TIME, anonymously=True)
        self._offset = onvif.parse_time(told) - datetime.now(UTC)
        capabilities = await self._ask(session, self._address, onvif.GET_CAPABILITIES)
        services = onvif.parse_services(capabilities)
        media = self._reachable(services.media)
        profile = onvif.parse_profile(await self._ask(session, media, onvif.GET_PROFILES))
        self._ptz_address, self._profile = self._reachable(services.ptz), profile

    def _reachable(self, address: str) -> str:
        """A camera may believe itself to be elsewhere: the path is its, the place is ours."""
        ours, theirs = urlsplit(self._address), urlsplit(address)
        return urlunsplit((ours.scheme, ours.netloc, theirs.path, theirs.query, ""))

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        address: str,
        body: str,
        *,
        anonymously: bool = False,
    ) -> bytes:
        at_utc = datetime.now(UTC) + self._offset
        account = None if anonymously else self._account
        data = onvif.envelope(body, account, secrets.token_bytes(16), at_utc)
        headers = {"Content-Type": onvif.CONTENT_TYPE}
        async with session.post(
            address, data=data, headers=headers, allow_redirects=False
        ) as answer:
            # A fault comes with status 400 or 500 and says more than the status does.
            found = b""
            async for chunk in answer.content.iter_chunked(65_536):
                found += chunk
                if len(found) > onvif.SIZE_MAX:
                    break
            return found


def movers(config: Config) -> dict[str, Mover]:
    """For the cameras that can turn, by id. Raises ConfigError for a missing password."""
    found = {}
    for camera in config.media.camera:
        if camera.ptz is not None:
            ptz = camera.ptz
            password = read_secret(config, ptz.password).decode() if ptz.password else ""
            found[camera.id] = Mover(camera, ptz, password)
    return found
