"""The whole way of a headset: enrolled by fleet staff, then live in its own vehicle, no taps."""

import asyncio
import re
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.base import Done
from edgebox.messages.session import MEDIA_SESSION, START_VIDEO, MediaSession, StartVideo
from tests.demo import demo
from tests.integration.media_rig import Observer

CODE = re.compile(r"EDGE1:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}")

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(120)]


async def code_of(directory: Path, box: str) -> str:
    """What the fleet's page shows for a new device of this vehicle."""
    url = load(directory / "hub.toml").hub.staff_url
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    staff = directory / "pki/staff"
    context.load_cert_chain(staff / "fleet.pem", staff / "fleet.key")
    form = {"name": "Hodekamera", "owner": "", "box": box}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.post(f"{url}/fleet/tickets", data=form, headers={"Origin": url}) as response,
    ):
        found = CODE.search(await response.text())
        assert found, response.status
        return found[0]


def state_of(session: MediaSession) -> str:
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


async def test_enrolled_headset_is_live_without_a_tap() -> None:
    async with demo() as running:
        path = running.configuration()
        config = load(path)
        code = await code_of(path.parent, config.box.id)
        port = config.headset.listen.rpartition(":")[2]
        url = f"https://{config.headset.name}:{port}/"
        device = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edgebox", "sim-headset", url, "--code", code
        )
        try:
            async with Bus(config.bus.address, "test", box=config.box.id) as bus:
                box = Observer(bus)
                await bus.subscribe(MEDIA_SESSION, box.keep)
                await box.until(lambda session: state_of(session) == "ready", 40)
                assert await bus.request(START_VIDEO, StartVideo()) == Done()
                await box.until(lambda session: state_of(session) == "live", 20)
                running.kill("media")
                await box.until(lambda session: state_of(session) != "live", 10)
                await box.until(lambda session: state_of(session) == "live", 20)
        finally:
            device.terminate()
            await device.wait()
