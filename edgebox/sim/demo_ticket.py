"""A code for the demo's first headset: what fleet staff read off their page for a new device."""

import re
import ssl
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from edgebox.errors import DeviceError

CODE = re.compile(r"EDGE1:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}")
ANSWER_S = 10.0


async def ticket(keys: Path, url: str, box: str) -> str:
    """Ask the hub's page at `url` as the member of staff whose files are `fleet.*` in `keys`.

    `box`: whose headset it will be. Raises DeviceError.
    """
    # The laboratory's authority signed the hub's own certificate; this is loopback.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(keys / "fleet.pem", keys / "fleet.key")
    form = {"name": "Hodekamera", "owner": "", "box": box}
    connector, timeout = TCPConnector(ssl=context), ClientTimeout(total=ANSWER_S)
    try:
        async with (
            ClientSession(connector=connector, timeout=timeout) as session,
            session.post(f"{url}/fleet/tickets", data=form, headers={"Origin": url}) as response,
        ):
            found = CODE.search(await response.text())
    except (ClientError, TimeoutError) as error:
        raise DeviceError(f"the hub gives no code for a headset: {error}") from error
    if found is None:
        raise DeviceError(f"the hub gives no code for a headset: {response.status}")
    return found[0]
