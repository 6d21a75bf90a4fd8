"""The authority's key and certificate as files; the hub's own certificate is made beside them.

    fleet-ca.pem fleet-ca.key    the authority
    hub.pem hub.key              the hub's bond, key exchange and broker; the host name is in it

Keys are PKCS 8 PEM without a password, mode 0600: the authority's user alone reads them.
"""

import os
import pwd
import time
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.authority.desk import BOX_DAYS, Desk
from edgebox.authority.register import Register
from edgebox.config import Config, resolve_file
from edgebox.errors import ConfigError
from edgebox.identity.certificate import Authority, issue, make_authority, pem
from edgebox.identity.request import key_pem, make_key


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
    """The authority's files. Raises ConfigError naming the one that is wrong."""
    certificate_path = _directory(config) / "fleet-ca.pem"
    key_path = _directory(config) / "fleet-ca.key"
    try:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}; `edgebox authority init` makes it"
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{certificate_path}, {key_path}: not readable: {error}") from error
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise ConfigError(f"{key_path}: not the key of {certificate_path}")
    return Authority(certificate, key)


def make(config: Config, name: str) -> list[Path]:
    """Make what is missing in the directory; gives what was made. Never replaces a key."""
    directory, hub = _directory(config), hub_host(config)
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    now_utc = time.time()
    made: list[Path] = []
    ca_path, ca_key_path = directory / "fleet-ca.pem", directory / "fleet-ca.key"
    if not ca_key_path.exists():
        authority = make_authority(make_key(), name, now_utc)
        made += _write(ca_key_path, key_pem(authority.key), ca_path, pem(authority.certificate))
    hub_path, hub_key_path = directory / "hub.pem", directory / "hub.key"
    if not hub_key_path.exists():
        authority = _read(ca_path, ca_key_path)
        key = make_key()
        certificate = issue(
            authority,
            key.public_key(),
            hub,
            purpose="hub",
            now_utc=now_utc,
            days=BOX_DAYS,
            names=[hub],
        )
        made += _write(hub_key_path, key_pem(key), hub_path, pem(certificate))
    return made


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


def _read(certificate: Path, key: Path) -> Authority:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{key}: not an elliptic curve key")
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)


def _write(key_path: Path, key: bytes, path: Path, certificate: str) -> list[Path]:
    with open(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(key)
    path.write_text(certificate)
    return [key_path, path]
