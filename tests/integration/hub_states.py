"""Every state of the remote page, role by role: for the accessibility tests and the screenshots.

A journey leads one person's page through its states on a real hub with the stand-in box, and shows
each by name. Who calls it decides what showing means.
"""

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import av
from playwright.async_api import Browser, Page, ViewportSize

from edgebox.config.media import Camera
from edgebox.media.cameras.pattern import PatternSource
from edgebox.media.data_messages import TakeStill
from edgebox.messages.base import Role
from edgebox.messages.session import Sending, SoundStatus
from tests.demo import until_true
from tests.integration.hub_box import StandInBox, until

MICROPHONE_REFUSED = """
navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
"""
SOUND_BLOCKED = """
let pressed = false;
const see = ({target}) => { pressed ||= Boolean(target.closest("#sound-on")); };
addEventListener("click", see, true);
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  const blocked = this.tagName === "AUDIO" && !pressed;
  return blocked ? Promise.reject(new DOMException("", "NotAllowedError")) : play.call(this);
};
"""


@dataclass(frozen=True)
class Form:
    """One kind of screen, light and language."""

    name: str
    viewport: ViewportSize
    scheme: Literal["light", "dark"]
    locale: str


LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}
FORMS = (
    Form("1280x800-day-nb", LAPTOP, "light", "nb-NO"),
    Form("1280x800-night-en", LAPTOP, "dark", "en-GB"),
    Form("360x740-day-en", PHONE, "light", "en-GB"),
    Form("360x740-night-nb", PHONE, "dark", "nb-NO"),
)


@dataclass
class Journey:
    """One person on the way through the page's states."""

    box: StandInBox
    browser: Browser
    form: Form
    show: Callable[[str, Page], Awaitable[None]]
    name: str = "Kari Berg"

    async def join(self, role: Role, *, script: str = "") -> Page:
        """The link opened, shown and used."""
        context = await self.browser.new_context(
            viewport=self.form.viewport,
            color_scheme=self.form.scheme,
            locale=self.form.locale,
            has_touch=self.form.viewport is PHONE,
        )
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        await page.goto(await self.box.invite(role))
        await page.fill("#name", self.name)
        await self.show(f"join-{role}", page)
        await page.click("button[type=submit]")
        await page.wait_for_url("**/room/*")
        return page

    async def until(self, page: Page, situation: str) -> None:
        """Wait for what the page says."""
        await until_true(page, f"edgebox.situation === '{situation}'")

    async def admit(self) -> None:
        """The crew lets everybody in."""
        await until(lambda: self.box.waiting())
        await self.box.admit(*self.box.waiting())


async def doctor(one: Journey) -> None:
    """Waits, sees, talks, points, draws, freezes, takes a still; then trouble of every kind."""
    box = one.box
    page = await one.join("doctor")
    await one.until(page, "admission")
    await one.show("admission", page)
    await one.admit()
    await one.until(page, "waiting")
    await one.show("waiting", page)
    await box.go("live")
    await one.until(page, "live")
    await until_true(page, "edgebox.canGuide && edgebox.soundPackets > 0")
    await one.show("live", page)
    await page.click("#microphone")
    await until_true(page, "!edgebox.muted")
    await page.click("#camera")
    await until_true(page, "document.querySelector('#camera').dataset.state === 'on'")
    await _marks(box)
    await until_true(page, "document.querySelectorAll('.ink polyline').length === 2")
    await one.show("marks", page)
    await page.click("#freeze")
    await one.show("frozen", page)
    await page.click("#freeze")
    await _still(one, page)
    await page.click("#devices")
    await until_true(page, "document.querySelector('#pick-microphone').options.length > 0")
    await one.show("devices", page)
    await page.click("#device-close")
    await page.click("#camera")
    await _trouble(one, page)
    await box.refuse(box.room.participants[0].id if box.room else "")
    await one.until(page, "removed")
    await one.show("removed", page)


async def _marks(box: StandInBox) -> None:
    points = [(0.62 + 0.012 * n, 0.4 + 0.1 * (n % 2) + 0.01 * n) for n in range(8)]
    circle = [(0.3, 0.5), (0.36, 0.42), (0.42, 0.5), (0.36, 0.6), (0.3, 0.5)]
    for stroke, line in enumerate((points, circle)):
        box.tell(type="Drawn", participant="x", camera="front", stroke=stroke, points=line)
    pointed = {"name": "Ola Nordmann", "participant": "x", "camera": "front", "on": True}
    box.tell(type="Pointed", x=0.5, y=0.35, **pointed)


async def _still(one: Journey, page: Page) -> None:
    box = one.box
    await page.click("#take-still")
    await until(lambda: any(isinstance(said, TakeStill) for said in box.said))
    asked = next(said for said in reversed(box.said) if isinstance(said, TakeStill))
    picture = jpeg(1920, 1080)
    box.tell(
        type="StillStart",
        id=asked.id,
        camera="front",
        at_utc=1_790_000_000.0,
        width=1920,
        height=1080,
        bytes=len(picture),
    )
    half = len(picture) // 2
    box.send(picture[:half])
    await until_true(page, "document.querySelector('#still-progress').value >= 45")
    await one.show("still-coming", page)
    box.send(picture[half:])
    await until_true(page, "document.querySelector('#still-image').naturalWidth === 1920")
    await one.show("still", page)
    await page.click("#still-close")
    box.said.clear()


async def _trouble(one: Journey, page: Page) -> None:
    box = one.box
    box.sending = Sending(level="few-frames", reason="capacity")
    await box.say()
    await one.until(page, "weak")
    await one.show("weak", page)
    box.hidden, box.sending = True, Sending(level="sound-only", reason="hidden")
    await box.say()
    await one.until(page, "hidden")
    await page.wait_for_timeout(1200)  # until the last picture is dimmed
    await one.show("hidden", page)
    box.hidden, box.sending = False, Sending(level="full")
    box.sound = SoundStatus(microphone="live", loudspeaker="ready", muted=True)
    await box.say()
    await one.until(page, "live")
    await one.show("cabin-muted", page)
    await box.say_bridge(False)
    box.still.set()
    await one.until(page, "away")
    await one.show("away", page)
    box.still.clear()
    await box.say_bridge(True)
    await one.until(page, "live")


async def doctor_without_devices(one: Journey) -> None:
    """The browser refuses the microphone and plays no sound by itself; then a newer window."""
    box = one.box
    await box.go("live")
    page = await one.join("doctor", script=MICROPHONE_REFUSED + SOUND_BLOCKED)
    await one.admit()
    await one.until(page, "live")
    await until_true(page, "!document.querySelector('#sound-on').hidden")
    await one.show("sound-blocked", page)
    await page.click("#sound-on")
    await page.click("#microphone")
    await until_true(page, "!document.querySelector('#problem').hidden")
    await one.show("microphone-refused", page)
    newer = await page.context.new_page()
    await newer.goto(page.url)
    await one.until(page, "elsewhere")
    await one.show("elsewhere", page)


async def refused(one: Journey) -> None:
    """The crew turns them away; a used link says nothing."""
    page = await one.join("observer")
    await one.until(page, "admission")
    await until(lambda: one.box.waiting())
    await one.box.refuse(one.box.waiting()[0].id)
    await one.until(page, "refused")
    await one.show("refused", page)
    await page.reload()
    await one.show("link-closed", page)


async def observer(one: Journey) -> None:
    """Sees and hears, without tools."""
    await one.box.go("live")
    page = await one.join("observer")
    await one.admit()
    await one.until(page, "live")
    await one.show("observer", page)
    await one.box.go("idle")
    await one.until(page, "ended")
    await one.show("ended", page)


async def pilot(one: Journey) -> None:
    """Sees the outside camera and where the vehicle is."""
    box = one.box
    box.outside = frozenset({"rear"})
    await box.go("live")
    page = await one.join("pilot")
    await one.admit()
    await one.until(page, "live")
    await box.say_position(
        latitude_deg=63.420_567,
        longitude_deg=10.387_912,
        error_m=6.0,
        speed_mps=22.4,
        track_deg=84.0,
    )
    await until_true(page, "!document.querySelector('#position-values').hidden")
    await one.show("pilot", page)
    await box.say_position(latitude_deg=None, longitude_deg=None)
    await until_true(page, "document.querySelector('#position-values').hidden")
    await one.show("pilot-no-position", page)


async def interpreter(one: Journey) -> None:
    """Sound only."""
    await one.box.go("live")
    page = await one.join("interpreter")
    await one.admit()
    await one.until(page, "talking")
    await page.click("#microphone")
    await until_true(page, "!edgebox.muted")
    await one.show("interpreter", page)


async def bystander(one: Journey) -> None:
    """Shows the crew what is at the scene, sees nothing."""
    box = one.box
    await box.go("live")
    page = await one.join("bystander")
    await one.admit()
    await one.until(page, "notshowing")
    await one.show("bystander", page)
    await page.click("#camera")
    await until_true(page, "!document.querySelector('#self-view').hidden")
    box.say_shown()
    await box.say()
    await one.until(page, "showing")
    await one.show("bystander-showing", page)


async def technician(one: Journey) -> None:
    """Nothing of the patient."""
    await one.box.go("live")
    page = await one.join("technician")
    await one.admit()
    await one.until(page, "restricted")
    await one.show("technician", page)


JOURNEYS = (
    doctor,
    doctor_without_devices,
    refused,
    observer,
    pilot,
    interpreter,
    bystander,
    technician,
)


def jpeg(width: int, height: int) -> bytes:
    """A test picture as a camera's still."""
    source = PatternSource(Camera(id="x", kind="pattern", name="Båre", width=width, height=height))
    frame = source.read().frame()
    source.close()
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode())
    return file.getvalue()
