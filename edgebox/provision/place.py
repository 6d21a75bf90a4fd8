"""Where a box's identity lies, and how files come there whole or not at all.

<etc>/edgebox.toml                     box.id, box.vehicle and the hub's addresses are set here
<etc>/mosquitto/box.conf               the broker's, with its bridge to the hub
<etc>/credentials/fleet-ca.pem         the authority
<etc>/credentials/identity.pem         the box's certificate and its key, made here; mode 0600.
                                       Written last: it says "provisioned". One file, so that
                                       no loss of power leaves a key without its certificate
<etc>/credentials/next.key             the key of a request that has no answer yet
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.host.files import write_whole
from edgebox.identity.request import key_pem, make_key


@dataclass(frozen=True)
class Place:
    """The box's configuration directory."""

    etc: Path

    @property
    def config(self) -> Path:
        return self.etc / "edgebox.toml"

    @property
    def broker(self) -> Path:
        return self.etc / "mosquitto/box.conf"

    @property
    def credentials(self) -> Path:
        return self.etc / "credentials"

    @property
    def authority(self) -> Path:
        return self.credentials / "fleet-ca.pem"

    @property
    def identity(self) -> Path:
        return self.credentials / "identity.pem"

    @property
    def next_key(self) -> Path:
        return self.credentials / "next.key"

    @property
    def is_provisioned(self) -> bool:
        return self.identity.exists()

    def pending_key(self) -> ec.EllipticCurvePrivateKey:
        """The key to ask a certificate for. Kept on disk before anybody is asked: when the answer
        is lost, or the power, the same key asks again. Raises DeviceError."""
        found = read_key(self.next_key)
        if found is None:
            found = make_key()
            write_whole(self.next_key, key_pem(found), mode=0o600)
        return found

    def put_identity(self, certificate: str) -> None:
        """The pending key and its certificate are the box's from now on. Raises DeviceError."""
        write_whole(self.identity, certificate.encode() + self.next_key.read_bytes(), mode=0o600)
        self.next_key.unlink()


def read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """None for one that is missing or damaged: another is made then."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None
