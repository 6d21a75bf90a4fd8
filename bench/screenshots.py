"""Pictures of every state of the remote page in docs/screenshots: both languages, both sizes.

    python -m bench.screenshots [DIRECTORY]

A real hub, coturn and Chromium, with the tests' stand-in box. The panel's come from
tests/integration/test_panel_screens.py.
"""

import asyncio
import io
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
from playwright.async_api import Page

from tests.conftest import Broker, TurnServer
from tests.integration.hub_box import chromium, running_hub, stand_in_box, until
from tests.integration.hub_states import FORMS, JOURNEYS, Form, Journey

SETTLE_MS = 700
BESIDES = {
    *("join-observer", "join-technician", "join-pilot", "join-interpreter", "join-bystander"),
    *("link-closed", "still-coming", "cabin-muted", "weak", "ended", "removed", "elsewhere"),
    *("pilot-no-position", "technician", "sound-blocked", "frozen"),
}
"""Shown in one form only: they look like others."""


def smaller(png: bytes) -> bytes:
    """The same picture with a palette of 256 colours: a quarter of the bytes."""
    with av.open(io.BytesIO(png)) as container:
        assert isinstance(container, av.container.InputContainer)
        frame = next(container.decode(video=0))
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    split = graph.add("split")
    generate = graph.add("palettegen", "reserve_transparent=0")
    use = graph.add("paletteuse", "dither=none")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(use, 0, 0)
    split.link_to(generate, 1, 0)
    generate.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    source.push(frame)
    source.push(None)
    paletted = sink.pull()
    assert isinstance(paletted, av.VideoFrame)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "pal8"
    encoder.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*encoder.encode(paletted), *encoder.encode()])


async def take(form: Form, directory: Path) -> None:
    """All journeys with one kind of screen."""

    async def show(state: str, page: Page) -> None:
        if state in BESIDES and form is not FORMS[0]:
            return
        await page.wait_for_timeout(SETTLE_MS)
        png = await page.screenshot()
        (directory / f"remote-{state}-{form.name}.png").write_bytes(smaller(png))

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
