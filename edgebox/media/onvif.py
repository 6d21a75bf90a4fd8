"""The few ONVIF messages that turn a camera: SOAP 1.2 over HTTP (no I/O, told the time).

Asked in this order: GetSystemDateAndTime (a camera's clock is often wrong, and passwords are
digested with its time), GetCapabilities (where media and PTZ services are), GetProfiles (which one
has a PTZ configuration), then ContinuousMove and Stop. ONVIF Core Specification 5.9 (WS-Security
UsernameToken), Device, Media and PTZ Service Specifications.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from edgebox.errors import RemoteProtocolError

SIZE_MAX = 512 * 1024
SOAP = "http://www.w3.org/2003/05/soap-envelope"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
DIGEST = (
    "http://docs.oasis-open.org/wss/2004/01/"
    "oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
)
BASE64 = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
)
CONTENT_TYPE = "application/soap+xml; charset=utf-8"
MOVE_S = 1
"""What the camera is told; some never stop by themselves, so that Stop is said as well."""

GET_TIME = f'<GetSystemDateAndTime xmlns="{DEVICE}"/>'
GET_CAPABILITIES = f'<GetCapabilities xmlns="{DEVICE}"><Category>All</Category></GetCapabilities>'
GET_PROFILES = f'<GetProfiles xmlns="{MEDIA}"/>'


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks, and with which nonce and time."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Services:
    """Addresses as the camera believes them to be."""

    media: str
    ptz: str


def continuous_move(profile: str, pan: float, tilt: float, zoom: float) -> str:
    """Speeds -1 to 1 in the generic velocity spaces (PTZ Service Specification, 5.3.3)."""
    return (
        f'<ContinuousMove xmlns="{PTZ}"><ProfileToken>{escape(profile)}</ProfileToken><Velocity>'
        f'<PanTilt xmlns="{SCHEMA}" x="{pan:.3f}" y="{tilt:.3f}"/>'
        f'<Zoom xmlns="{SCHEMA}" x="{zoom:.3f}"/></Velocity>'
        f"<Timeout>PT{MOVE_S}S</Timeout></ContinuousMove>"
    )


def stop(profile: str) -> str:
    """All of it stands still."""
    return (
        f'<Stop xmlns="{PTZ}"><ProfileToken>{escape(profile)}</ProfileToken>'
        "<PanTilt>true</PanTilt><Zoom>true</Zoom></Stop>"
    )


def envelope(body: str, account: Account | None, nonce: bytes, at_utc: datetime) -> bytes:
    """A whole request. `nonce`: 16 new random bytes. `at_utc`: by the camera's clock.

    There is no Action in the header: some cameras answer nothing that has one.
    """
    head = f"<s:Header>{_security(account, nonce, at_utc)}</s:Header>" if account else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}">{head}'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def digest(nonce: bytes, created: str, password: str) -> str:
    """Base64(SHA-1(nonce + created + password)): UsernameToken Profile 1.0, 3.1."""
    whole = nonce + created.encode() + password.encode()
    return base64.b64encode(hashlib.sha1(whole, usedforsecurity=False).digest()).decode()


def parse_time(data: bytes) -> datetime:
    """The camera's clock. Raises RemoteProtocolError."""
    utc = _first(_body(data), "UTCDateTime")
    year, month, day, hour, minute, second = (
        _number(utc, name) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")
    )
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"the camera's time is none: {error}") from error


def parse_services(data: bytes) -> Services:
    """Raises RemoteProtocolError, also for a camera that cannot turn."""
    body = _body(data)
    return Services(_address(body, "Media"), _address(body, "PTZ"))


def parse_profile(data: bytes) -> str:
    """Token of the first profile that can turn. Raises RemoteProtocolError if there is none."""
    for profile in _all(_body(data), "Profiles"):
        token = profile.get("token", "")
        if token and any(True for _ in _all(profile, "PTZConfiguration")):
            return token
    raise RemoteProtocolError("no profile of the camera can turn it")


def check_done(data: bytes) -> None:
    """Raises RemoteProtocolError for an answer that is a fault or no answer."""
    _body(data)


def _security(account: Account, nonce: bytes, at_utc: datetime) -> str:
    created = f"{at_utc:%Y-%m-%dT%H:%M:%S}.{at_utc.microsecond // 1000:03d}Z"
    return (
        f'<Security xmlns="{SECURITY}-secext-1.0.xsd" s:mustUnderstand="1"><UsernameToken>'
        f"<Username>{escape(account.username)}</Username>"
        f'<Password Type="{DIGEST}">{digest(nonce, created, account.password)}</Password>'
        f'<Nonce EncodingType="{BASE64}">{base64.b64encode(nonce).decode()}</Nonce>'
        f'<Created xmlns="{SECURITY}-utility-1.0.xsd">{created}</Created>'
        "</UsernameToken></Security>"
    )


def _body(data: bytes) -> ElementTree.Element:
    """Of an answer. Raises RemoteProtocolError; a SOAP fault is one."""
    if b"\0" in data:
        raise RemoteProtocolError("an answer in UTF-16, which could hide a document type")
    if len(data) > SIZE_MAX or b"<!" in data.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise RemoteProtocolError("an answer with a document type, or too long")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - no document type, so no entities
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise RemoteProtocolError(f"no XML: {error}") from error
    body = root.find(f"{{{SOAP}}}Body")
    if body is None:
        raise RemoteProtocolError("no SOAP 1.2 answer")
    fault = body.find(f"{{{SOAP}}}Fault")
    if fault is not None:
        text = " ".join("".join(fault.itertext()).split())
        raise RemoteProtocolError(f"the camera refuses: {text[:150]}")
    return body


def _all(parent: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    """By local name: vendors differ in what namespace they take."""
    return (one for one in parent.iter() if one.tag.rpartition("}")[2] == name)


def _first(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    for one in _all(parent, name):
        return one
    raise RemoteProtocolError(f"no {name} in the answer")


def _number(parent: ElementTree.Element, name: str) -> int:
    text = (_first(parent, name).text or "").strip()
    if not text.isdecimal() or len(text) > 4:
        raise RemoteProtocolError(f"{name} is no number")
    return int(text)


def _address(body: ElementTree.Element, service: str) -> str:
    for part in _all(body, service):
        for address in _all(part, "XAddr"):
            text = (address.text or "").strip()
            if text.startswith(("http://", "https://")) and len(text) < 500:
                return text
    raise RemoteProtocolError(f"the camera has no {service} service")
