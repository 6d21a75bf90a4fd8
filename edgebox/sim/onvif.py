"""A network camera's ONVIF side, without the camera: it answers and turns as one would.

What it answers is what the ONVIF service descriptions (WSDL) ask for. It wants a WS-Security
UsernameToken with a digest of its own clock's time, takes no nonce twice, and answers what it
refuses with a SOAP fault. Like cameras seen in the field it may have a wrong clock, believe itself
at another address, and turn on until it is told to stop.

Who may reach it: programs of this machine; it listens on loopback alone.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from aiohttp import web

from edgebox.sim.ports import LOOPBACK, free_port

SOAP = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
PROFILE = "profile_1"
FRESH = timedelta(seconds=10)


class _RefusedError(Exception):
    """Answered with a fault."""


class OnvifCamera:
    """Use `serving`; `position` and `speed` tell what it does."""

    def __init__(
        self,
        username: str = "edgebox",
        password: str = "tests-only",  # noqa: S107 - of a stand-in
        *,
        clock_offset_s: float = 0.0,
        believes: str = "",
        obeys_timeout: bool = False,
    ):
        """`believes`: the address it names itself with, instead of its own."""
        self._username, self._password = username, password
        self._offset = timedelta(seconds=clock_offset_s)
        self._believes = believes
        self._obeys_timeout = obeys_timeout
        self._nonces: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.port = free_port()
        self.speed = (0.0, 0.0, 0.0)
        """Pan, tilt and zoom, -1 to 1."""
        self.heard: list[str] = []
        """Operations that were done."""
        self.refused = 0

    @property
    def address(self) -> str:
        """Of its device service."""
        return f"http://{LOOPBACK}:{self.port}/onvif/device_service"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen while in the context."""
        application = web.Application()
        application.router.add_post("/onvif/{service}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self.port).start()
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            envelope = ElementTree.fromstring(await request.read())  # noqa: S314 - from our tests
            body = envelope.find(f"{{{SOAP}}}Body")
            if body is None or not len(body):
                raise _RefusedError("ter:WellFormed")
            operation = body[0]
            namespace, _, name = operation.tag[1:].partition("}")
            if name != "GetSystemDateAndTime":
                self._check(envelope)
            answer = self._do(namespace, name, operation)
            self.heard.append(name)
        except (ElementTree.ParseError, _RefusedError) as error:
            self.refused += 1
            return web.Response(status=400, text=_fault(str(error)), content_type=_TYPE)
        return web.Response(text=_envelope(answer), content_type=_TYPE)

    def _check(self, envelope: ElementTree.Element) -> None:
        """UsernameToken Profile 1.0, 3.1. Raises _RefusedError."""
        found = {one.tag.rpartition("}")[2]: (one.text or "") for one in envelope.iter()}
        nonce, created = found.get("Nonce", ""), found.get("Created", "")
        whole = base64.b64decode(nonce) + created.encode() + self._password.encode()
        digest = base64.b64encode(hashlib.sha1(whole, usedforsecurity=False).digest()).decode()
        right = found.get("Username") == self._username and found.get("Password") == digest
        if not right or nonce in self._nonces:
            raise _RefusedError("ter:NotAuthorized")
        self._nonces.add(nonce)
        age = datetime.now(UTC) + self._offset - datetime.fromisoformat(created)
        if abs(age) > FRESH:
            raise _RefusedError("ter:NotAuthorized")

    def _do(self, namespace: str, name: str, operation: ElementTree.Element) -> str:
        known: dict[tuple[str, str], Callable[[], str]] = {
            (DEVICE, "GetSystemDateAndTime"): self._time,
            (DEVICE, "GetCapabilities"): self._capabilities,
            (MEDIA, "GetProfiles"): lambda: _PROFILES,
            (PTZ, "ContinuousMove"): lambda: self._move(operation),
            (PTZ, "Stop"): lambda: self._stop(operation),
        }
        answer = known.get((namespace, name))
        if answer is not None:
            return answer()
        raise _RefusedError("ter:ActionNotSupported")

    def _time(self) -> str:
        now = datetime.now(UTC) + self._offset
        return (
            f'<GetSystemDateAndTimeResponse xmlns="{DEVICE}" xmlns:tt="{SCHEMA}">'
            "<SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time>"
            f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
            f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
            f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></SystemDateAndTime></GetSystemDateAndTimeResponse>"
        )

    def _capabilities(self) -> str:
        base = self._believes or f"http://{LOOPBACK}:{self.port}"
        return (
            f'<GetCapabilitiesResponse xmlns="{DEVICE}" xmlns:tt="{SCHEMA}"><Capabilities>'
            f"<tt:Media><tt:XAddr>{base}/onvif/media_service</tt:XAddr>"
            "<tt:StreamingCapabilities/></tt:Media>"
            f"<tt:PTZ><tt:XAddr>{base}/onvif/ptz_service</tt:XAddr></tt:PTZ>"
            "</Capabilities></GetCapabilitiesResponse>"
        )

    def _move(self, operation: ElementTree.Element) -> str:
        self._named(operation)
        pan_tilt = operation.find(f".//{{{SCHEMA}}}PanTilt")
        zoom = operation.find(f".//{{{SCHEMA}}}Zoom")
        pan, tilt = (
            (float(pan_tilt.get("x", "0")), float(pan_tilt.get("y", "0")))
            if pan_tilt is not None
            else self.speed[:2]
        )
        speed = (pan, tilt, float(zoom.get("x", "0")) if zoom is not None else self.speed[2])
        if max(map(abs, speed)) > 1:
            raise _RefusedError("ter:InvalidArgVal")
        self.speed = speed
        if self._timer is not None:
            self._timer.cancel()
        if self._obeys_timeout:
            self._timer = asyncio.get_running_loop().call_later(1.0, self._stand_still)
        return f'<ContinuousMoveResponse xmlns="{PTZ}"/>'

    def _stop(self, operation: ElementTree.Element) -> str:
        self._named(operation)
        self._stand_still()
        return f'<StopResponse xmlns="{PTZ}"/>'

    def _named(self, operation: ElementTree.Element) -> None:
        token = operation.find(f"{{{PTZ}}}ProfileToken")
        if token is None or token.text != PROFILE:
            raise _RefusedError("ter:NoProfile")

    def _stand_still(self) -> None:
        self.speed = (0.0, 0.0, 0.0)


_TYPE = "application/soap+xml"
_PROFILES = (
    f'<GetProfilesResponse xmlns="{MEDIA}" xmlns:tt="{SCHEMA}">'
    '<Profiles token="fixed" fixed="true"><tt:Name>without</tt:Name></Profiles>'
    f'<Profiles token="{PROFILE}" fixed="true"><tt:Name>main</tt:Name>'
    '<tt:PTZConfiguration token="ptz_1"><tt:Name>ptz</tt:Name><tt:UseCount>1</tt:UseCount>'
    "<tt:NodeToken>node_1</tt:NodeToken></tt:PTZConfiguration></Profiles></GetProfilesResponse>"
)


def _envelope(body: str) -> str:
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'


def _fault(code: str) -> str:
    return _envelope(
        f'<s:Fault xmlns:ter="http://www.onvif.org/ver10/error"><s:Code><s:Value>s:Sender'
        f"</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code><s:Reason>"
        '<s:Text xml:lang="en">refused</s:Text></s:Reason></s:Fault>'
    )
