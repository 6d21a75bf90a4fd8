"""Technical help with real parts: a fault, a technician who finds it, a crew that ends it."""

import tarfile
import tomllib
from io import BytesIO
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from edgebox.sim.pki import P12_PASSWORD
from tests.demo import RunningDemo, chromium, demo, until_true

pytestmark = [pytest.mark.alone, pytest.mark.browser, pytest.mark.timeout(120)]

LOOK = """path => fetch(`${path}/order`, {
  method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ deed: { type: 'configuration' } }),
}).then(one => one.json()).then(one => one.type)"""


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
    return await context.new_page()


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


async def test_technician_finds_the_fault_and_the_crew_ends_it() -> None:
    async with demo() as running, chromium() as browser:
        panel = await browser.new_page(viewport={"width": 800, "height": 480})
        await panel.goto(running.panel)
        running.set_link("lte-1", cut=True)
        await panel.click("#settings")
        await panel.click("#support-open")
        await panel.click("#support-ask")
        await until_true(panel, "document.querySelector('#support-url').innerText.includes('#')")
        link = f"https://{await panel.inner_text('#support-url')}"

        desk = await desk_page(browser, running)
        await desk.goto(link)
        assert "#" not in desk.url, "the secret is not left in the address"
        await desk.click("#join")
        await desk.wait_for_url("**/desk/box/*")
        await until_true(desk, "document.querySelector('#situation').innerText.startsWith('Du er')")
        await until_true(panel, "document.querySelector('#support-who').innerText.includes('Ola')")

        # What the fault is.
        links = "document.querySelector('#links').innerText"
        await until_true(desk, f"/Telenor\\s+(down|suspect)/.test({links})")
        await desk.click("#check-all")
        found = "[...document.querySelectorAll('#findings tr')].map(one => one.innerText)"
        wrong = f"{found}.some(one => /link\\s+Telenor/.test(one) && !one.startsWith('I orden'))"
        await until_true(desk, wrong, timeout_s=40)

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
