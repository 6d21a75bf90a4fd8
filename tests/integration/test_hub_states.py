"""Every state of the remote page: nothing for axe-core to find, no sideways scrolling."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import axe_playwright_python
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.conftest import Broker, TurnServer
from tests.integration.hub_box import chromium, running_hub, stand_in_box, until
from tests.integration.hub_states import FORMS, JOURNEYS, Form, Journey

# One browser for all: starting one takes longer than most of these tests.
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


async def check(state: str, page: Page) -> None:
    """Nothing to complain of, and all of it within the screen's width."""
    # The page's policy lets in no script tag; the debugger's way does not ask it.
    await page.evaluate(AXE.read_text())
    result = await page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES
    )
    found = [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in result["violations"]
        for node in one["nodes"]
    ]
    assert not found, f"{state}: {found}"
    widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], f"{state} is {widths[0]} wide on {widths[1]}"


# Each state once; light and dark, wide and narrow in turn.
CASES = [
    pytest.param(
        journey, FORMS[number % 2 * 3], id=f"{journey.__name__}-{FORMS[number % 2 * 3].name}"
    )
    for number, journey in enumerate(JOURNEYS)
]
CASES += [pytest.param(JOURNEYS[0], FORMS[3], id=f"doctor-{FORMS[3].name}")]


@pytest.mark.parametrize(("journey", "form"), CASES)
async def test_every_state_is_accessible(
    broker: Broker,
    turn_server: TurnServer,
    tmp_path: Path,
    browser: Browser,
    journey: Callable[[Journey], Awaitable[None]],
    form: Form,
) -> None:
    async with running_hub(broker, tmp_path, turn_server), stand_in_box(broker, turn_server) as box:
        await until(lambda: box.room is not None)
        box.admits = False
        try:
            await journey(Journey(box, browser, form, check))
        finally:
            for context in browser.contexts:
                await context.close()
