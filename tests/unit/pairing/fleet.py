"""A fleet in memory: authority, boxes, devices and a clock that tests turn."""

import random
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edgebox.host.daemons import TlsFiles
from edgebox.messages.pairing import SignedRegistry
from edgebox.pairing import keys, registry
from edgebox.pairing.authority import Authority
from edgebox.pairing.gate import Admission, Gate
from edgebox.pairing.lease import Known
from edgebox.pairing.proof import Identity
from edgebox.pairing.registry import Device, Mode, Registry, Vehicle
from edgebox.pairing.wire import Paired, Refused, Waiting
from edgebox.sim import pki
from edgebox.sim.headset_device import SimDevice

DAY_S = 86_400.0


def load(files: TlsFiles) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Certificate and key of one end."""
    key = load_pem_private_key(files.private_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()), key


class Fleet:
    """Certificates below one directory; `utc` is when the certificates were made and some."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.signer = load(pki.registry_credentials(directory))
        ca = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
        self.authority = Authority(ca)
        self.utc = ca.not_valid_before_utc.timestamp() + 2 * DAY_S
        self.devices: dict[str, Device] = {}
        self.vehicles = [Vehicle(box="box-1", name="Ambulanse 1-7"),
                         Vehicle(box="box-2", name="Ambulanse 2-4")]  # fmt: skip
        self.version = 0

    def identity(self, box: str) -> Identity:
        """A box with its certificate."""
        certificate, key = load(pki.box_credentials(self.directory, box))
        names = {one.box: one.name for one in self.vehicles}
        return Identity(box, names.get(box, "?"), certificate.public_bytes(Encoding.DER), key)

    def device(
        self, mode: Mode = "assigned", box: str = "box-1", *, name: str = "", listed: bool = True
    ) -> SimDevice:
        """A device, in the registry from the next one on."""
        made = SimDevice(self.authority)
        if listed:
            self.devices[made.id] = Device(
                key=keys.short_point(made.key.public_key()),
                name=name or f"Headset {len(self.devices) + 1}",
                mode=mode,
                box=box if mode == "assigned" else "",
                expires_utc=self.utc + 300 * DAY_S,
            )
        return made

    def registry(self, *, days: float = 30.0, ago_s: float = 60.0) -> SignedRegistry:
        """The next version, of all devices there are."""
        self.version += 1
        made = Registry(
            version=self.version,
            issued_utc=self.utc - ago_s,
            expires_utc=self.utc - ago_s + days * DAY_S,
            devices=tuple(self.devices.values()),
            vehicles=tuple(self.vehicles),
        )
        certificate, key = self.signer
        return registry.seal(made, key, certificate.public_bytes(Encoding.DER))

    def gate(self, box: str = "box-1", known: Mapping[str, Known] | None = None) -> Gate:
        """A box with the newest registry."""
        gate = Gate(self.identity(box), self.authority, known or {}, random.Random(box).randbytes)
        gate.take_registry(self.registry(), 0.0)
        return gate

    def knock(
        self,
        gate: Gate,
        device: SimDevice,
        now: float,
        *,
        code: str = "",
        clock_s: float = 0.0,
        outside: bool = False,
        signal_dbm: int | None = None,
    ) -> Paired | Waiting | Refused:
        """The whole handshake; `clock_s`: how far the device's clock is off."""
        hello = device.hello()
        challenge = gate.hello(hello, now, self.utc)
        said = device.prove(hello, challenge, self.utc + clock_s, code)
        found = gate.prove(said, now, self.utc, outside=outside, signal_dbm=signal_dbm)
        if not isinstance(found, Admission):
            return found
        paired, _ = gate.grant(found, now, self.utc)
        device.take(paired)
        return paired
