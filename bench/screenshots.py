"""Pictures of every state of the remote page in docs/screenshots: both languages, both sizes.

    python -m bench.screenshots [DIRECTORY]

A real hub, coturn and Chromium, with the tests' stand-in box. The panel's come from
tests/integration/test_panel_screens.py.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page

from tests.conftest import Broker, TurnServer
from tests.integration.hub_box import chromium, running_hub, stand_in_box, until
from tests.integration.hub_states import FORMS, JOURNEYS, Form, Journey
from tests.small_png import make_small

SETTLE_MS = 700
BESIDES = {
    *("join-observer", "join-technician", "join-pilot", "join-interpreter", "join-bystander"),
    *("link-closed", "still-coming", "cabin-muted", "weak", "ended", "removed", "elsewhere"),
    *("pilot-no-position", "technician", "sound-blocked", "frozen"),
}
"""Shown in one form only: they look like others."""


async def take(form: Form, directory: Path) -> None:
    """All journeys with one kind of screen."""

    async def show(state: str, page: Page) -> None:
        if state in BESIDES and form is not FORMS[0]:
            return
        await page.wait_for_timeout(SETTLE_MS)
        path = directory / f"remote-{state}-{form.name}.png"
        await page.screenshot(path=path)
        make_small(path)

    async with chromium() as browser:
        for journey in JOURNEYS:
            with tempfile.TemporaryDirectory(prefix="edgebox-") as place:
                broker, turn = Broker(Path(place)), TurnServer(Path(place))
                broker.start()
                turn.start()
                try:
                    async with (
                        running_hub(broker, Path(place), turn),
                        stand_in_box(broker, turn) as box,
                    ):
                        await until(lambda: box.room is not None)
                        box.admits, box.scenic = False, True
                        await journey(Journey(box, browser, form, show))
                finally:
                    for context in browser.contexts:
                        await context.close()
                    broker.kill()
                    turn.kill()


async def main(directory: Path, only: str) -> None:
    """Each form in turn."""
    for form in FORMS:
        if only in form.name:
            await take(form, directory)


if __name__ == "__main__":
    asyncio.run(
        main(
            Path(sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots"),
            sys.argv[2] if len(sys.argv) > 2 else "",
        )
    )
