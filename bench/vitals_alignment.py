"""How far waves and picture on the remote page are apart: `python -m bench.vitals_alignment`.

The whole demo, read from the page's pixels (tests/integration/vitals_alignment.py).
"""

import argparse
import asyncio
import statistics

from bench.report import machine, percentile, table
from tests.demo import chromium, demo, until_true
from tests.integration.test_vitals_live import join
from tests.integration.vitals_alignment import LOOK_JS, look

SETTLE_S = 10.0


async def measure(seconds: float) -> list[list[str]]:
    """Rows of a table."""
    errors, newest = [], []
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        doctor = await join(browser, running.room, "Kari Berg")
        await panel.click("#start")
        await until_true(doctor, "document.querySelectorAll('.wave canvas').length > 0", 40)
        await doctor.evaluate(LOOK_JS)
        await asyncio.sleep(SETTLE_S)
        ends_at = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends_at:
            await asyncio.sleep(0.23)
            if (one := await look(doctor)) is not None and one.errors_s:
                errors.append(statistics.median(one.errors_s))
                newest.append(one.newest_s)
    apart = [abs(one) for one in errors]
    return [
        ["looks", f"{len(errors)}"],
        ["waves against picture, median", f"{1000 * statistics.median(errors):+.0f} ms"],
        ["apart, 95 of 100", f"{1000 * percentile(apart, 0.95):.0f} ms"],
        ["apart, most", f"{1000 * max(apart):.0f} ms"],
        ["newest sample before the picture, median", f"{1000 * statistics.median(newest):.0f} ms"],
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(machine())
    print()
    print(table(["waves and picture", ""], asyncio.run(measure(options.seconds))))


if __name__ == "__main__":
    main()
