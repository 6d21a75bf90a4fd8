"""Headsets on the panel, as plain values without a word of any language."""

from typing import Literal

from msgspec import Struct

from edgebox.messages.pairing import Reason

RegistryState = Literal["good", "ageing", "expired", "none", "clock"]
CertificateState = Literal["good", "half", "expired", "missing", "off"]


class DeviceView(Struct, frozen=True, kw_only=True):
    """One device the crew should know of."""

    device: str
    name: str
    digits: str
    state: Literal["paired", "asks", "refused"]
    reason: Reason | Literal[""] = ""
    belongs: str = ""


class HeadsetView(Struct, frozen=True, kw_only=True):
    """All of them."""

    here: bool = False
    """The headset service runs and has an access point."""
    vehicle: str = ""
    devices: tuple[DeviceView, ...] = ()
    card: DeviceView | None = None
    """The one that wants attention now."""
    registry: RegistryState = "none"
    expires_utc: float | None = None
    certificate: CertificateState = "off"
    certificate_until_utc: float = 0.0
