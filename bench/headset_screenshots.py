"""Pictures of the headset's page in every state: head-worn display, phone, tablet.

    python -m bench.headset_screenshots [DIRECTORY]

A real listener, media and Chromium with its fake camera; pairing's word is made up.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.conftest import Broker
from tests.integration.headset_rig import headset_box, headset_configuration, headset_page
from tests.integration.media_rig import until
from tests.small_png import make_small

FORMS = {
    "854x480-nb": ((854, 480), "nb"),
    "854x480-en": ((854, 480), "en"),
    "390x844-nb": ((390, 844), "nb"),
    "1280x800-en": ((1280, 800), "en"),
}
SETTLE_S = 0.4
PAIRED = {"state": "paired", "vehicle": "Ambulanse 1-7", "digits": "47"}
STATES: dict[str, dict[str, Any]] = {
    "starting": {"state": "starting"},
    "unenrolled": {"state": "unenrolled"},
    "unenrolled-used": {"state": "unenrolled", "reason": "ticket"},
    "waiting": {"state": "waiting", "vehicle": "Ambulanse 1-7", "digits": "47"},
    "waiting-code": {
        "state": "waiting", "vehicle": "Ambulanse 1-7", "digits": "47", "reason": "code",
    },
    "elsewhere": {"state": "refused", "reason": "elsewhere", "belongs": "Ambulanse Sandviken 2-4"},
    "revoked": {"state": "refused", "reason": "revoked"},
    "false-box": {"state": "refused", "reason": "false-box"},
    "offline": {"state": "offline"},
}  # fmt: skip
VIEW = {
    "type": "view", "session": "live", "hidden": False, "muted": False, "camera": "live",
    "sees": ["Dr. Berg, Haukeland", "AMK Bergen"], "hears": [],
}  # fmt: skip
MARKS: list[dict[str, Any]] = [
    {"type": "point", "on": True, "x": 0.35, "y": 0.4, "by": "Dr. Berg"},
    {"type": "line", "stroke": "a.1", "points": [[0.55, 0.3], [0.65, 0.5], [0.6, 0.65]]},
]
SAID = {
    "nb": "Kan du vise venstre pupille en gang til, og holde lyset litt fra siden?",
    "en": "Could you show the left pupil once more, with the light from the side?",
}
PICTURE = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [854, 480];
  const draw = canvas.getContext("2d");
  draw.drawImage(document.getElementById("picture"), 0, 0, 854, 480);
  [draw.strokeStyle, draw.lineWidth, draw.lineCap] = ["#ffe14d", 5, "round"];
  draw.strokeRect(380, 190, 120, 90);
  const data = canvas.toDataURL("image/jpeg", 0.8).split(",")[1];
  const parts = data.match(/.{1,12000}/g);
  return parts.map((data, part) => ({type: "picture", by: "Dr. Berg", id: 1, part,
                                     of: parts.length, data}));
}"""
CAPABLE = """
MediaStreamTrack.prototype.getCapabilities = () => ({torch: true, zoom: {min: 1, max: 5}});
"""


async def take(directory: Path, form: str) -> None:
    """All states in one form."""
    size, lang = FORMS[form]
    with tempfile.TemporaryDirectory(prefix="edgebox-") as place:
        broker = Broker(Path(place))
        broker.start()
        try:
            config = headset_configuration(broker, Path(place))
            async with (
                headset_box(config) as box,
                headset_page(box, size=size, lang=lang, script=CAPABLE) as page,
            ):

                async def show(name: str) -> None:
                    await asyncio.sleep(SETTLE_S)
                    path = directory / f"headset-{name}-{form}.png"
                    await page.screenshot(path=path)
                    make_small(path)

                async def hear(event: dict[str, Any]) -> None:
                    await page.evaluate("(event) => headset.events.heard(event)", event)

                await until(page, "window.pairing && document.body.dataset.state === 'live'", 20)
                await hear(VIEW | {"sees": []})
                await show("live-nobody")
                for event in (VIEW, *MARKS):
                    await hear(event)
                await show("live-seen")
                await hear({"type": "text", "by": "Dr. Berg", "text": SAID[lang]})
                await show("live-text")
                await page.click("#said")
                await hear(VIEW | {"muted": True})
                for name in ("mute", "quiet"):
                    await until(page, f"document.querySelector('[data-command={name}]')", 20)
                    await page.click(f'[data-command="{name}"]')
                await show("live-silent")
                for name in ("unmute", "listen"):
                    await page.click(f'[data-command="{name}"]')
                for event in (VIEW, *await page.evaluate(PICTURE)):
                    await hear(event)
                await until(page, "!document.getElementById('shown').hidden")
                await show("live-picture")
                await page.click('[data-command="close"]')
                await page.click('[data-command="stop"]')
                await show("stopped")
                for name, state in STATES.items():
                    await page.evaluate("(state) => pairing.set(state)", state)
                    await show(name)
        finally:
            broker.kill()


async def _main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for form in FORMS:
        await take(directory, form)


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "docs/screenshots"
    asyncio.run(_main(Path(target)))
