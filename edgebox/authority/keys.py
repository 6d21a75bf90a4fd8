"""Keys and certificates of fleet and staff as files, all in the authority's own directory.

    fleet-ca.pem fleet-ca.key    the fleet's authority: boxes, the hub, the list of headsets
    hub.pem hub.key              the hub's bond, key exchange and broker; its host name is in it
    registry.pem registry.key    who signs the list of headsets (edgebox.pairing.registry)
    staff-ca.pem staff-ca.key    the staff's authority: people, and the listener they come to
    staff.pem staff.key          that listener; the host of `hub.staff_url` is in it

Keys are PKCS 8 PEM without a password, mode 0600: the authority's user alone reads them.
"""

import os
import pwd
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from edgebox.authority.desk import BOX_DAYS, Desk
from edgebox.authority.register import Register
from edgebox.config import Config, resolve_file
from edgebox.errors import ConfigError
from edgebox.host.files import write_whole
from edgebox.identity.certificate import Authority, issue, make_authority, pem
from edgebox.identity.request import key_pem, make_key

OVER_BOND = "127.0.0.1"
"""What a box's broker calls the hub's when it reaches it by the conduit. No box's certificate holds
an address, so this one still says: the hub."""


def hub_host(config: Config) -> str:
    """What boxes know the hub by."""
    return urlsplit(config.hub.public_url).hostname or ""


def open_register(config: Config) -> Register:
    """Raises DeviceError."""
    return Register(_directory(config) / "register.db")


def open_desk(config: Config) -> Desk:
    """Raises ConfigError or DeviceError."""
    return Desk(load(config), open_register(config), hub_host(config))


def load(config: Config) -> Authority:
    """The fleet's authority. Raises ConfigError naming the file that is wrong."""
    return _read(_directory(config) / "fleet-ca.pem", _directory(config) / "fleet-ca.key")


def make(config: Config, name: str) -> list[Path]:
    """Make what is missing in the directory; gives what was made. Never replaces a key."""
    directory, hub = _directory(config), hub_host(config)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    made: list[Path] = []
    fleet = _make_authority(directory, "fleet-ca", name, made)
    _make_end(directory, "hub", fleet, hub, made, names=[hub, OVER_BOND])
    # No box can be called this: the name opens nothing where boxes are let in.
    _make_end(directory, "registry", fleet, "Headset registry", made, unit="registry")
    staff = _make_authority(directory, "staff-ca", f"{name}, staff", made)
    host = urlsplit(config.hub.staff_url).hostname or ""
    _make_end(directory, "staff", staff, host, made, names=[host])
    return made


def make_person(config: Config, name: str, role: str, password: str) -> tuple[bytes, str]:
    """PKCS 12 for the browser of one of the staff, and its serial number in hex.

    The key is not kept. Raises ConfigError.
    """
    staff = _read(_directory(config) / "staff-ca.pem", _directory(config) / "staff-ca.key")
    key = make_key()
    certificate = issue(
        staff,
        key.public_key(),
        name,
        purpose="client",
        now_utc=time.time(),
        days=BOX_DAYS,
        unit=role,
    )
    encryption = serialization.BestAvailableEncryption(password.encode())
    bundle = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, [staff.certificate], encryption
    )
    return bundle, f"{certificate.serial_number:X}"


def _make_authority(directory: Path, file: str, name: str, made: list[Path]) -> Authority:
    path, key_path = directory / f"{file}.pem", directory / f"{file}.key"
    if key_path.exists():
        return _read(path, key_path)
    authority = make_authority(make_key(), name, time.time())
    made += _write(key_path, key_pem(authority.key), path, pem(authority.certificate))
    return authority


def _make_end(
    directory: Path,
    file: str,
    authority: Authority,
    common_name: str,
    made: list[Path],
    *,
    unit: str = "",
    names: Sequence[str] = (),
) -> None:
    path, key_path = directory / f"{file}.pem", directory / f"{file}.key"
    if key_path.exists():
        return
    key = make_key()
    certificate = issue(
        authority,
        key.public_key(),
        common_name,
        purpose="server" if names else "client",
        now_utc=time.time(),
        days=BOX_DAYS,
        names=names,
        unit=unit,
    )
    made += _write(key_path, key_pem(key), path, pem(certificate))


def _directory(config: Config) -> Path:
    """Raises ConfigError when it is somebody else's: what root left there, its user cannot use."""
    directory = resolve_file(config, config.authority.directory)
    if directory.exists() and directory.stat().st_uid != os.geteuid():
        owner = _user(directory.stat().st_uid)
        raise ConfigError(f"{directory} belongs to {owner}: run this as `sudo -u {owner} ...`")
    return directory


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def _read(certificate_path: Path, key_path: Path) -> Authority:
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}; `edgebox authority init` makes it"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ConfigError(f"{certificate_path}, {key_path}: not readable: {error}") from error
    public = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != public:
        raise ConfigError(f"{key_path}: not the key of {certificate_path}")
    return Authority(certificate, key)


def _write(key_path: Path, key: bytes, path: Path, certificate: str) -> list[Path]:
    """The key comes last: it says that there is something."""
    write_whole(path, certificate.encode(), mode=0o644)
    write_whole(key_path, key, mode=0o600)
    return [key_path, path]
