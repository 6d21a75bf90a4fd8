"""`edgebox authority ...`: what the fleet's operator does on the hub."""

import base64
import datetime
import os
import secrets
import time
from pathlib import Path

from edgebox.authority import keys
from edgebox.authority.register import Issued
from edgebox.config import Config, resolve_file
from edgebox.errors import ConfigError, DeviceError
from edgebox.host.files import write_whole


def init(config: Config, name: str) -> list[str]:
    """Make the authority's and the hub's keys and certificates where there are none."""
    return [f"made {path}" for path in keys.make(config, name)] or ["all there, nothing changed"]


def voucher(config: Config, box: str, vehicle: str, hours: float) -> tuple[list[str], str]:
    """Draw one; what to tell people, and its text, which is shown this once only."""
    now_utc = time.time()
    drawn = keys.open_desk(config).draw_voucher(
        config.hub.public_url, box, vehicle, now_utc=now_utc, hours=hours
    )
    said = [
        f"{box} ({vehicle}): good once, until {_date(now_utc + hours * 3600)} UTC.",
        "Type it at the box, or put it into a file edgebox-voucher.txt on a USB stick:",
    ]
    return said, drawn.text()


def replace(config: Config, box: str, hours: float) -> tuple[list[str], str]:
    """The box is broken, lost or stolen: shut its certificates out, draw a voucher for the next.

    Raises ConfigError when nobody knows the box, or no list of what is shut out is configured.
    """
    register = keys.open_register(config)
    known = register.voucher(box)
    if known is None:
        raise ConfigError(f"no box {box!r} was ever given a voucher; see `edgebox authority list`")
    if not config.bond.revoked:
        raise ConfigError("bond.revoked is empty: there is no file to shut the old box out by")
    path = resolve_file(config, config.bond.revoked)
    now_utc = time.time()
    shut_out = register.revoke(box, now_utc)
    _append(path, [f"serial:{serial}  # {box}, {_date(now_utc)}" for serial in shut_out])
    said, text = voucher(config, box, known.vehicle, hours)
    return [f"{len(shut_out)} certificate(s) of {box} shut out in {path}", *said], text


def staff(config: Config, name: str, role: str, path: Path) -> list[str]:
    """A certificate for the browser of one of the staff. Raises ConfigError or DeviceError."""
    password = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    bundle, serial = keys.make_person(config, name, role, password)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(bundle)
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}") from error
    return [
        f"{path} is for the browser of {name} ({role}); its password, told by another way:",
        password,
        f"To shut it out, put the line serial:{serial} into the file hub.staff_revoked names.",
    ]


def show(config: Config) -> list[str]:
    """All certificates, newest first."""
    now_utc = time.time()
    return [
        f"{one.box:<32} {_state(one, now_utc):<26} until {_date(one.ends_utc)}  {one.serial}"
        for one in keys.open_register(config).certificates()
    ]


def _append(path: Path, lines: list[str]) -> None:
    before = path.read_text() if path.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    write_whole(path, (before + "".join(f"{line}\n" for line in lines)).encode(), mode=0o644)


def _state(one: Issued, now_utc: float) -> str:
    if one.revoked_utc is not None:
        return f"shut out {_date(one.revoked_utc)}"
    return "good" if one.ends_utc > now_utc else "ended"


def _date(utc: float) -> str:
    return datetime.datetime.fromtimestamp(utc, datetime.UTC).strftime("%Y-%m-%d %H:%M")
