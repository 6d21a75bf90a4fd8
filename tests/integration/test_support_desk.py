"""Technical help with real parts: a fault, a technician who finds it, a crew that ends it."""

import asyncio
import shutil
import tarfile
import tempfile
import tomllib
from io import BytesIO
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from edgebox.bus import Bus
from edgebox.config import load
from edgebox.messages.vehicle import MODEMS, Modem, Modems
from edgebox.sim.pki import P12_PASSWORD
from tests.demo import RunningDemo, chromium, demo, until_true
from tests.integration.small_disk import small_disk

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(120)]

LOOK = """path => fetch(`${path}/order`, {
  method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ deed: { type: 'configuration' } }),
}).then(one => one.json()).then(one => one.type)"""


KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...all) { super(...all); window.connections.push(this); }
};
window.soundPackets = async (kind, field) => {
  let sum = 0;
  for (const one of window.connections) {
    for (const report of (await one.getStats()).values()) {
      if (report.type === kind) sum += report[field] ?? 0;
    }
  }
  return sum;
};
"""
NO_MICROPHONE = """() => {
  navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("", "NotFoundError");
  };
}"""
HEARD = "window.soundPackets('inbound-rtp', 'packetsReceived')"


async def desk_page(browser: Browser, running: RunningDemo) -> Page:
    """A browser with a technician's certificate."""
    directory: Path = running.configuration().parent
    hub = tomllib.loads((directory / "hub.toml").read_text())["hub"]
    context = await browser.new_context(
        ignore_https_errors=True,
        locale="nb-NO",
        viewport={"width": 1280, "height": 800},
        client_certificates=[
            {
                "origin": hub["staff_url"],
                "pfxPath": str(directory / "pki/staff/technician.p12"),
                "passphrase": P12_PASSWORD,
            }
        ],
    )
    await context.add_init_script(KEEP_CONNECTIONS)
    return await context.new_page()


async def get_help(panel: Page, desk: Page, address: str) -> str:
    """From the crew's tap until the technician is in; the link."""
    await panel.goto(address)
    await panel.click("#settings")
    await panel.click("#support-open")
    await panel.click("#support-ask")
    await until_true(panel, "document.querySelector('#support-url').innerText.includes('#')")
    link = f"https://{await panel.inner_text('#support-url')}"
    await desk.goto(link)
    assert "#" not in desk.url, "the secret is not left in the address"
    await desk.click("#join")
    await desk.wait_for_url("**/desk/box/*")
    await until_true(desk, "document.querySelector('#situation').innerText.startsWith('Du er')")
    await until_true(panel, "document.querySelector('#support-who').innerText.includes('Ola')")
    return link


async def use_the_command_line(panel: Page, desk: Page) -> None:
    """Asked for, allowed on the panel, typed into with real keys, closed by the crew's tap."""
    await desk.click("#shell-ask")
    await until_true(panel, "document.body.dataset.shell === 'asked'")
    await until_true(panel, "document.querySelector('#support-what').innerText.includes('ber om')")
    await panel.wait_for_timeout(800)
    await panel.click("#support-shell-allow")
    await until_true(desk, "!document.querySelector('#shell-open').hidden")
    await desk.click("#shell-open")
    shown = "document.querySelector('#shell .xterm-rows').innerText"
    await until_true(desk, "document.querySelector('#shell .xterm-rows') !== null", timeout_s=20)
    await until_true(desk, f"{shown}.includes(':/')")
    await until_true(panel, "document.body.dataset.shell === 'open'")
    await until_true(panel, "document.querySelector('#support-what').innerText.includes('ÅPEN')")
    await desk.keyboard.type("echo $((40+2)) ok; sleep 1000\n")
    await until_true(desk, f"{shown}.includes('42 ok')")
    await panel.click("#support-shell-end")
    await until_true(desk, "document.querySelector('#shell').childElementCount === 0")
    await until_true(desk, "!document.querySelector('#shell-ask').hidden")
    await until_true(panel, "document.body.dataset.shell === 'off'")


def set_bridge(running: RunningDemo, works: bool) -> None:
    """The broker dies, and comes back with its bridge or without."""
    path = running.configuration().parent / "mosquitto/mosquitto.conf"
    text = path.read_text()
    kept = path.with_name("kept.conf")
    if works:
        path.write_text(kept.read_text())
    else:
        kept.write_text(text)
        lines = [
            "address 127.0.0.1:9" if line.startswith("address ") else line
            for line in text.splitlines()
        ]
        path.write_text("\n".join(lines) + "\n")
    running.kill("mosquitto")


async def allow_one_still(panel: Page, desk: Page) -> None:
    """Figures of a camera, then one still of it: asked for, allowed on the panel, shown, spent."""
    row = "document.querySelector('#cameras tr').innerText"
    await until_true(desk, f"{row}.includes('Mål')")
    await desk.click("#cameras tr:first-child button:text('Mål')")
    await until_true(desk, f"/lysstyrke \\d+ %.*bildet endrer seg/.test({row})", timeout_s=20)
    await desk.click("#cameras tr:first-child button:text('Be om et bilde')")
    await until_true(panel, "document.body.dataset.still === 'asked'")
    await panel.wait_for_timeout(800)
    await panel.click("#support-still-allow")
    await desk.click("#cameras tr:first-child button:text('Hent bildet')")
    await until_true(desk, "document.querySelector('#still-picture').naturalWidth > 0")
    await until_true(panel, "document.body.dataset.still === 'off'")
    await until_true(desk, f"{row}.includes('Be om et bilde')")


async def talk_to_each_other(panel: Page, desk: Page) -> None:
    """The technician calls, the crew answers, holds the button, lets go and hangs up."""
    says = "document.querySelector('#call-text').innerText"
    await desk.evaluate(NO_MICROPHONE)
    await desk.click("#call-start")
    await until_true(desk, f"{says}.startsWith('Fant ingen mikrofon')")
    assert await panel.evaluate("document.body.dataset.call") == "off", "nobody was asked"
    await desk.evaluate("delete navigator.mediaDevices.getUserMedia")
    await desk.click("#call-start")
    await until_true(panel, "document.body.dataset.call === 'asked'")
    assert await panel.locator("#call-answer").is_visible(), "one tap answers"
    await panel.wait_for_timeout(800)
    await panel.click("#call-answer")
    await until_true(desk, f"{says}.startsWith('Du høres i bilen')", timeout_s=15)
    await until_true(panel, "document.querySelector('#call-hold').ariaDisabled === 'false'")
    await until_true(desk, "window.soundPackets('outbound-rtp', 'packetsSent')")
    assert await desk.evaluate(HEARD) == 0, "nothing before the button"

    await panel.hover("#call-hold")
    await panel.mouse.down()
    await until_true(panel, "document.body.dataset.mic === 'open'")
    await until_true(panel, "document.querySelector('#support-what').innerText.includes('ÅPEN')")
    await until_true(desk, f"{says}.startsWith('Mannskapet holder inne')")
    await until_true(desk, f"{HEARD}.then(one => one > 60)")
    await panel.mouse.up()
    await until_true(panel, "document.body.dataset.mic === 'shut'")
    await until_true(desk, f"{says}.startsWith('Du høres i bilen')")
    heard = await desk.evaluate(HEARD)
    await desk.wait_for_timeout(500)
    assert await desk.evaluate(HEARD) == heard, "nothing after it"

    await panel.click("#call-end")
    await until_true(desk, f"{says} === 'Mannskapet la på.'")
    await until_true(desk, "connections.every(one => one.connectionState === 'closed')")


async def test_technician_finds_the_fault_and_the_crew_ends_it() -> None:
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        running.set_link("lte-1", cut=True)
        desk = await desk_page(browser, running)
        link = await get_help(panel, desk, running.panel)

        # What the fault is.
        links = "document.querySelector('#links').innerText"
        await until_true(desk, f"/Telenor\\s+(down|suspect)/.test({links})")

        # One link measured alone, while the crew sees it; what cannot be measured is not made up.
        await desk.click("#links tr:nth-child(2) button")
        await until_true(panel, "document.body.innerText.includes('tester et mobilnett')")
        tests = "document.querySelector('#link-tests').innerText"
        await until_true(desk, f"/Telia.*testes nå/.test({tests})")
        await desk.click("#check-all")
        found = "[...document.querySelectorAll('#findings tr')].map(one => one.innerText)"
        wrong = f"{found}.some(one => /link\\s+Telenor/.test(one) && !one.startsWith('I orden'))"
        await until_true(desk, wrong, timeout_s=40)

        measured = r"Telia.*Tap: [\d,]+ % opp, [\d,]+ % ned.*Svartid: \d+ ms.*Fart opp.*Fart ned"
        await until_true(desk, f"/{measured}/.test({tests})", timeout_s=30)
        await desk.click("#links tr:nth-child(1) button")
        await until_true(desk, f"/Telenor.*Ikke målt: \\S+/.test({tests})")

        await allow_one_still(panel, desk)

        # Configuration and bundle without secrets.
        await desk.click("#configuration-show")
        await until_true(
            desk, "document.querySelector('#configuration').innerText.includes('[bond')"
        )
        async with desk.expect_download() as download:
            await desk.click("#bundle")
        bundle = Path(await (await download.value).path()).read_bytes()
        with tarfile.open(fileobj=BytesIO(bundle)) as archive:
            names = archive.getnames()
        assert any(name.endswith("selftest.json") for name in names), names

        # A word to the crew, and theirs back.
        await desk.fill("#line", "Ta ut og inn SIM-kortet i Telenor")
        await desk.press("#line", "Enter")
        await until_true(panel, "document.querySelector('#support-chat').innerText.includes('SIM')")
        await panel.click("[data-reply=yes]")
        await until_true(desk, "document.querySelector('#chat').innerText.includes('Ja')")

        await use_the_command_line(panel, desk)
        await talk_to_each_other(panel, desk)

        path = f"/desk/box/{desk.url.rsplit('/', 1)[1]}"
        assert await desk.evaluate(LOOK, path) == "effective"
        await panel.click("#support-stop")
        ended = "document.querySelector('#situation').innerText"
        await until_true(desk, f"{ended}.startsWith('Mannskapet har avsluttet')")
        assert await desk.locator("#inside").is_hidden()
        assert await desk.evaluate(LOOK, path) == "Fault"
        await desk.goto(link)
        await desk.click("#join")
        await until_true(desk, "!document.querySelector('#problem').hidden")


CLOCK = """
import os, time
if os.environ.get("EDGEBOX_DEMO_PART") in {parts}:
    real = time.time
    time.time = lambda: real() + 90.0
"""
BOX_PARTS = {"bond", "media", "panel", "vehicle", "vitals", "headset", "support"}
DISK_MB = 128
FAULTS = {
    "camera": "Feil",
    "clock": "Feil",
    "disk-space": "Feil",
    "modem": "Se på",
}


async def say_no_network(address: str, box: str) -> None:
    """What ModemManager says of a modem that finds no network."""
    modem = Modem(interface="lte-1", state="searching", operator="", generation="", signal=0)
    async with Bus(address, "test", box=box) as bus:
        while True:
            await bus.publish(MODEMS, Modems(modems=(modem,)))
            await asyncio.sleep(0.1)


async def test_technician_finds_faults_of_camera_clock_disk_modem_and_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box's clock is wrong from the start: its session works all the same."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(parts=BOX_PARTS))
    async with chromium() as browser:  # before TMPDIR is set: its own files are elsewhere
        with (
            tempfile.TemporaryDirectory(prefix="d") as short,
            small_disk(Path(short), DISK_MB) as disk,
        ):
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            monkeypatch.setenv("TMPDIR", str(disk))
            await with_faults(browser, disk)


async def with_faults(browser: Browser, disk: Path) -> None:
    async with demo("--camera", "/dev/video99") as running:
        config = load(running.configuration())
        modems = asyncio.create_task(say_no_network(config.bus.address, config.box.id))
        try:
            await find_and_end(running, browser, disk)
        finally:
            modems.cancel()
            await asyncio.wait([modems])


async def find_and_end(running: RunningDemo, browser: Browser, disk: Path) -> None:
    panel = await browser.new_page(viewport={"width": 800, "height": 480})
    desk = await desk_page(browser, running)
    await get_help(panel, desk, running.panel)
    free = shutil.disk_usage(disk).free
    (disk / "flood").write_bytes(bytes(free - DISK_MB * 15_000))
    await desk.click("#check-all")
    rows = "[...document.querySelectorAll('#findings tr')].map(one => one.innerText)"
    for check, grade in FAULTS.items():
        await until_true(
            desk, f"{rows}.some(one => /^{grade}\\s+{check}\\s/.test(one))", timeout_s=40
        )
    # The broker dies and its bridge stays down: said as long as it lasts; who was in is in again,
    # by another way and the same grant.
    situation = "document.querySelector('#situation').innerText"
    set_bridge(running, works=False)
    await until_true(desk, f"!{situation}.startsWith('Du er')")
    await until_true(desk, f"{situation}.startsWith('Du er')", timeout_s=30)
    await until_true(desk, "document.querySelector('#way').innerText.includes('går rett over')")
    await until_true(panel, "document.body.dataset.support === 'active'", timeout_s=30)
    await panel.click("#support-stop")
    await until_true(desk, f"{situation}.startsWith('Mannskapet har avsluttet')")
    assert await desk.evaluate(LOOK, f"/desk/box/{desk.url.rsplit('/', 1)[1]}") == "Fault"
