"""A fresh box becomes the one its voucher names: `edgebox provision`.

A configuration may come along, on the same USB stick: it takes the place of the present one, with
the box's name and hub put in. It has to load before anybody is asked: the voucher is good once.

Everything can be done again after a loss of power or connection at any point: the key is kept
before a certificate is asked for, the hub answers the same key again, the identity is written last.
"""

import asyncio
import logging
import tempfile
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from edgebox.config import load
from edgebox.errors import ConfigError, DeviceError, RemoteProtocolError
from edgebox.host.files import write_whole
from edgebox.identity import voucher as vouchers
from edgebox.identity.certificate import check_issued
from edgebox.identity.request import make_request
from edgebox.identity.voucher import Voucher
from edgebox.messages.identity import Enrol, Enrolled
from edgebox.provision.broker import broker_text
from edgebox.provision.config_edit import with_identity
from edgebox.provision.place import Place

logger = logging.getLogger(__name__)

ANSWER_S = 20.0
ANSWER_MAX = 32_768


async def enrol(place: Place, text: str, settings: Path | None = None) -> str:
    """Spend the voucher; gives the box id. `settings`: a configuration that may have come along.

    Raises DeviceError, ConfigError, RemoteProtocolError.
    """
    if place.is_provisioned:
        raise ConfigError(
            f"{place.identity}: this box has an identity; `edgebox factory-reset` puts it away"
        )
    voucher = vouchers.parse(text)
    source = settings if settings is not None and settings.exists() else place.config
    # As it will be: a voucher is not spent on a configuration that would be refused then.
    _settings(source, voucher.box, vehicle="vehicle", hub="hub.example.org")
    key = await asyncio.to_thread(place.pending_key)
    request = make_request(key, voucher.box)
    answer = await _ask(voucher, request)
    _check(voucher, key, answer)
    await asyncio.to_thread(_install, place, voucher.box, answer, source)
    return voucher.box


async def _ask(voucher: Voucher, request: str) -> Enrolled:
    proof = vouchers.prove(voucher.secret, "enrol", voucher.box, request)
    body = msgspec.json.encode(Enrol(request=request, proof=proof))
    url = f"{voucher.hub}/enrol/{voucher.box}"
    try:
        async with (
            asyncio.timeout(ANSWER_S),
            aiohttp.ClientSession() as session,
            session.post(url, data=body, allow_redirects=False) as response,
        ):
            content = await response.content.read(ANSWER_MAX)
            status = response.status
    except TimeoutError as error:
        raise DeviceError(f"{voucher.hub}: no answer within {ANSWER_S:g} s") from error
    except aiohttp.ClientError as error:
        raise DeviceError(f"{voucher.hub}: {error}") from error
    if status == 403:
        raise ConfigError("the hub refuses: the voucher is used, too old, or not of this hub")
    if status != 200:
        raise DeviceError(f"{voucher.hub}: answered {status}; is it the hub?")
    try:
        return msgspec.json.decode(content, type=Enrolled)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RemoteProtocolError(f"{voucher.hub}: not the answer of a hub") from error


def _check(voucher: Voucher, key: ec.EllipticCurvePrivateKey, answer: Enrolled) -> None:
    """Nothing is believed that somebody without the voucher could have said."""
    parts = (answer.certificate, answer.authority, answer.vehicle, answer.hub)
    if not vouchers.is_proved(answer.proof, voucher.secret, "enrolled", voucher.box, *parts):
        raise RemoteProtocolError(f"{voucher.hub}: the answer is not by who drew the voucher")
    check_issued(answer.certificate, answer.authority, key.public_key(), voucher.box)


def _install(place: Place, box: str, answer: Enrolled, source: Path) -> None:
    text = _settings(source, box, vehicle=answer.vehicle, hub=answer.hub)
    write_whole(place.config, text.encode(), mode=0o644)
    broker = broker_text(box, answer.hub)
    write_whole(place.broker, broker.encode(), mode=0o644)
    write_whole(place.authority, answer.authority.encode(), mode=0o644)
    place.put_identity(answer.certificate)


def _settings(source: Path, box: str, *, vehicle: str, hub: str) -> str:
    """What `source` says, for this box. Raises ConfigError for what would not load."""
    try:
        found = source.read_text(encoding="utf-8-sig") if source.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: {error}") from error
    text = with_identity(found, box=box, vehicle=vehicle, hub=hub)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / source.name
        path.write_text(text)
        load(path)
    return text
