"""The whole way of a headset: enrolled by fleet staff, then live in its own vehicle, no taps."""

import asyncio
import sys

import pytest

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.base import Done
from edgebox.messages.session import MEDIA_SESSION, START_VIDEO, MediaSession, StartVideo
from tests.demo import demo
from tests.integration.media_rig import Observer

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(120)]


def state_of(session: MediaSession) -> str:
    return next((one.state for one in session.cameras if one.kind == "headset"), "")


async def test_enrolled_headset_is_live_without_a_tap() -> None:
    async with demo() as running:
        config = load(running.configuration())
        name, _, url = (await running.printed()).partition(": ")
        assert name == "headset"
        device = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edgebox", "sim-headset", url
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
