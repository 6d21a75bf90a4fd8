"""Waves and picture on the remote page are of one moment, within 100 ms."""

import asyncio
import statistics

import pytest

from tests.demo import chromium, demo, until_true
from tests.integration.test_vitals_live import join
from tests.integration.vitals_alignment import LOOK_JS, Look, look

pytestmark = [pytest.mark.browser, pytest.mark.timeout(150)]
LOOKS = 12
WITHIN_S = 0.1


async def test_waves_stand_where_the_picture_is() -> None:
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        doctor = await join(browser, running.room, "Kari Berg")
        await panel.click("#start")
        words = "document.querySelector('#waves-late').innerText"
        known = f"/øyeblikk som bildet|samme øyeblikk/.test({words})"
        await until_true(doctor, known, timeout_s=40)
        await doctor.evaluate(LOOK_JS)
        seen: list[Look] = []
        async with asyncio.timeout(40):
            while len(seen) < LOOKS:
                await asyncio.sleep(0.37)
                if (one := await look(doctor)) is not None and one.errors_s:
                    seen.append(one)
        errors_s = [statistics.median(one.errors_s) for one in seen]
        assert abs(statistics.median(errors_s)) < WITHIN_S, errors_s
        assert sorted(abs(one) for one in errors_s)[-3] < WITHIN_S, errors_s
        assert all(one.newest_s < 2.0 for one in seen)
