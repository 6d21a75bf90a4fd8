"""A simulated headset: the real page in a headless Chromium, with Chromium's own fake camera.

Its profile holds the device's key, as a real device does: the same directory is the same device.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from edgebox.errors import DeviceError

SIZE = "854,480"
"""Of a RealWear display."""
END_S = 5.0
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--window-size={SIZE}",
)


def command(url: str, profile: Path, *, code: str = "", address: str = "") -> list[str]:
    """How the browser is started. `code`: of enrolment, what a camera would read.

    `address`: where the page's name is, as the access point's own DNS would say. Certificates are
    not checked: no public authority signs a laboratory's.

    Raises DeviceError when there is no Chromium.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise DeviceError("no chromium on this machine: install the package chromium")
    name = urlsplit(url).hostname or ""
    rules = [f"--host-resolver-rules=MAP {name} {address}"] if address else []
    fragment = f"#{code}" if code else ""
    return [
        program,
        *ARGUMENTS,
        "--ignore-certificate-errors",
        f"--user-data-dir={profile}",
        *rules,
        url + fragment,
    ]


async def run(url: str, profile: str, code: str, address: str) -> None:
    """Until cancelled; one that ends is started anew, as a device that was switched off and on."""
    with tempfile.TemporaryDirectory(prefix="edgebox-headset-") as made:
        words = command(url, Path(profile or made), code=code, address=address)
        while True:
            async with _browser(words) as browser:
                await browser.wait()
            await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def _browser(words: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    null = asyncio.subprocess.DEVNULL
    browser = await asyncio.create_subprocess_exec(*words, stdin=null, stdout=null, stderr=null)
    try:
        yield browser
    finally:
        with contextlib.suppress(ProcessLookupError):
            browser.terminate()
        waiting = asyncio.ensure_future(browser.wait())
        ended, _ = await asyncio.wait([waiting], timeout=END_S)
        if not ended:
            browser.kill()
        await waiting
