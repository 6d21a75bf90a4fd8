"""Technical help on the panel in each form: a still that is asked for, and no way to the hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from edgebox.messages.services import SERVICE_STATUS, ServiceStatus
from edgebox.messages.support import SUPPORT_CHAT, SUPPORT_SESSION, ChatLine, SupportSession
from tests.integration.panel_box import (
    StandIn,
    brokers,
    chromium,
    config_for,
    open_panel,
    running_panel,
    stand_in,
)
from tests.integration.panel_preview import Preview
from tests.integration.test_panel_screens import FORMS, see

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(120)]


def session(**changes: Any) -> SupportSession:
    return SupportSession(
        **{
            "state": "active",
            "id": "s1",
            "technician": "Ingebjørg Wilhelmsen",
            "serial": "AA",
            "left_s": 1700.0,
            "doing": "still-ask",
            "command_line": "off",
            "way": "bridge",
            **changes,
        }
    )


@contextlib.asynccontextmanager
async def panes() -> AsyncIterator[tuple[StandIn, list[Page]]]:
    """The pane of technical help in every form."""
    with brokers() as both:
        config = config_for(both)
        origin = f"http://{config.panel.listen}"
        async with (
            stand_in(config, both) as box,
            Preview(config.media.preview_listen, origin),
            running_panel(config) as url,
            chromium() as browser,
        ):
            pages = [await open_panel(browser, url, size=size, cookies=c) for _, size, c in FORMS]
            running = ServiceStatus(service="support", instance="i", state="running", since_utc=0.0)
            await box.media.publish(SERVICE_STATUS, running, service="support")
            for page in pages:
                await page.tap("#settings")
                await page.tap("#support-open")
            yield box, pages


async def until(pages: list[Page], name: str, value: str) -> None:
    for page in pages:
        await expect(page.locator("body")).to_have_attribute(f"data-{name}", value)


async def test_every_screen_of_a_still_fits_every_form() -> None:
    found: dict[str, Any] = {}
    async with panes() as (box, pages):
        camera = box.session.cameras[0].id

        async def say(scene: str, name: str, value: str, **changes: Any) -> None:
            await box.media.publish(SUPPORT_SESSION, session(**changes))
            await until(pages, name, value)
            await asyncio.sleep(0.1)
            await see(f"support-{scene}", pages, found)

        await say("still-asked", "still", "asked", still="asked", still_camera=camera)
        line = ChatLine(session="s1", by="technician", text="Kan jeg se kameraet?", at_utc=0.0)
        for _ in range(3):
            await box.media.publish(SUPPORT_CHAT, line)
        chatting = {"still": "asked", "still_camera": camera, "command_line": "asked"}
        await say("still-and-more", "shell", "asked", **chatting)
        calling = {"still": "asked", "still_camera": camera, "call": "open"}
        await say("still-in-call", "call", "open", **calling)
        await say("still-granted", "still", "granted", still="granted", still_camera=camera)
        await say("no-way", "still", "off", way="none")
        await say(
            "wrong-clock", "support", "asked", state="asked", way="clock", technician="", id="s2"
        )
    assert not found, "\n".join(f"{where}: {faults}" for where, faults in found.items())
