"""A stock Firefox, driven by WebDriver BiDi (W3C): the browser speaks it itself, no driver between.

Playwright needs a Firefox of its own making; hospitals use this one.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

FIREFOX = "/usr/bin/firefox-esr"
PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # A hospital's Firefox fetches Cisco's OpenH264 at its first start. Here, without the Internet,
    # it decodes by the system's libavcodec instead.
    "media.webrtc.hw.h264.enabled": True,
    "gfx.blacklist.webrtc.hw.acceleration.h264": 1,
    "media.peerconnection.ice.loopback": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.auto": False,
    "intl.accept_languages": "nb-NO, nb",
    "remote.active-protocols": 1,
}
READY = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Session:
    """One WebSocket to the browser; commands are answered in any order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse):
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    async def command(self, method: str, **parameters: Any) -> Any:
        """The result. Raises AssertionError with the browser's words."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        try:
            answer = await self._waiting[number]
        finally:
            del self._waiting[number]
        assert answer["type"] == "success", f"{method}: {answer.get('message')}"
        return answer["result"]

    async def close(self) -> None:
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            waiting = self._waiting.get(message.get("id"))
            if waiting is not None:
                waiting.set_result(message)


class FirefoxPage:
    """One tab, with the little of Playwright's page that the tests need."""

    def __init__(self, session: Session, context: str):
        self._session = session
        self._context = context

    async def goto(self, url: str) -> None:
        await self._session.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def evaluate(self, expression: str) -> Any:
        """What the expression gives, awaited, as JSON does."""
        answer = await self._session.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        value = answer["result"]
        return json.loads(value["value"]) if value["type"] == "string" else None

    async def click(self, selector: str) -> None:
        await self._pointer(selector)

    async def move(self, selector: str) -> None:
        """The mouse to the middle of an element."""
        await self._pointer(selector, press=False)

    async def fill(self, selector: str, text: str) -> None:
        await self.evaluate(f"void (document.querySelector({json.dumps(selector)}).value = '')")
        await self._pointer(selector)
        keys = [{"type": kind, "value": one} for one in text for kind in ("keyDown", "keyUp")]
        await self._act([{"type": "key", "id": "keys", "actions": keys}])

    async def inner_text(self, selector: str) -> str:
        text = await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
        return str(text)

    async def press(self, key: str) -> None:
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        await self._act([{"type": "key", "id": "keys", "actions": keys}])

    async def screenshot(self, path: Path) -> None:
        answer = await self._session.command(
            "browsingContext.captureScreenshot", context=self._context
        )
        path.write_bytes(base64.b64decode(answer["data"]))

    async def _pointer(self, selector: str, *, press: bool = True) -> None:
        where = await self.evaluate(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'});"
            " const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        x, y = (round(one) for one in where)
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "x": x, "y": y}]
        if press:
            actions += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        await self._act([{"type": "pointer", "id": "mouse", "actions": actions}])

    async def _act(self, actions: list[dict[str, Any]]) -> None:
        await self._session.command("input.performActions", context=self._context, actions=actions)


@contextlib.asynccontextmanager
async def firefox_page(**preferences: Any) -> AsyncIterator[FirefoxPage]:
    """A headless Firefox with a profile of its own and one tab."""
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in {**PREFERENCES, **preferences}.items()
        ]
        (Path(profile) / "user.js").write_text("".join(lines))
        process = await asyncio.create_subprocess_exec(
            *(FIREFOX, "--headless", "--no-remote", "--profile", profile),
            "--remote-debugging-port=0",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(40):
                url = ""
                while not url:
                    line = (await process.stderr.readline()).decode(errors="replace")
                    assert line, "Firefox ended"
                    found = READY.search(line)
                    url = found[1] if found else ""
            drain = asyncio.create_task(_drain(process.stderr))
            async with (
                aiohttp.ClientSession() as client,
                client.ws_connect(f"{url}/session", max_msg_size=0) as socket,
            ):
                session = Session(socket)
                await session.command("session.new", capabilities={})
                tab = await session.command("browsingContext.create", type="tab")
                yield FirefoxPage(session, tab["context"])
                await session.close()
            drain.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass
