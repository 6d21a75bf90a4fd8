"""WHIP clients that are not ours publish to the box: two of npm in a browser, one without."""

import asyncio
import contextlib
import json
import shutil
import struct
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtp import RtpPacket
from playwright.async_api import Page, Route, async_playwright

from edgebox.media.aiortc_hooks import receiving
from edgebox.media.sound.opus import Decoder
from edgebox.messages.base import Done
from edgebox.messages.session import (
    START_VIDEO,
    CameraStatus,
    MediaSession,
    StartVideo,
    WatchAnswer,
)
from tests.conftest import Broker, TurnServer
from tests.integration.headset_rig import (
    BEARER,
    CHROMIUM,
    FAKE_MEDIA,
    NAME,
    HeadsetBox,
    headset_box,
    headset_configuration,
)
from tests.integration.media_rig import FLAGS, admit, chromium_page, frames_seen, watch
from tests.integration.sound_page import CALL_JS, call
from tests.integration.tones import AUDIBLE_FLAGS, DOCTOR_HZ, DOCTOR_JS

NODE = Path(__file__).parents[1] / "node"
MODULES = NODE / "node_modules"
CLIENT = "https://client.test"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (MODULES / "werift").is_dir() or shutil.which("node") is None,
        reason="clients of npm are not installed: make node-clients",
    ),
]

PUBLISH = {
    "whip-whep": """async ([url, bearer]) => {
        const { WHIPClient } = await import("/whip-whep.js");
        const media = await navigator.mediaDevices.getUserMedia({video: true, audio: true});
        window.pc = new RTCPeerConnection({bundlePolicy: "max-bundle"});
        for (const track of media.getTracks()) pc.addTransceiver(track, {direction: "sendonly"});
        window.client = new WHIPClient();
        await client.publish(pc, url, bearer);
        window.stop = () => client.stop();
    }""",
    "eyevinn": """async ([url, bearer]) => {
        const { WHIPClient } = await import("/eyevinn.js");
        const media = await navigator.mediaDevices.getUserMedia({video: true, audio: true});
        window.client = new WHIPClient({endpoint: url, opts: {authkey: bearer,
                                        noTrickleIce: false}});
        await client.setIceServersFromEndpoint?.().catch(() => {});
        await client.ingest(media);
        window.pc = client.peer;
        window.stop = () => client.destroy();
    }""",
}


BUNDLES = {
    "/events.js": ("events", "events.js", ("EventEmitter",)),
    "/sdp-transform.js": ("sdp-transform/lib", "index.js", ("parse", "write")),
}
"""What the client leaves to a bundler: modules of node's own kind."""


def bundle(directory: str, entry: str, names: tuple[str, ...]) -> str:
    """All files of a directory as one module of browsers' kind, which exports these names."""
    files = sorted((MODULES / directory).glob("*.js"))
    parts = [
        f'"./{path.stem}": (module, exports, require) => {{{path.read_text()}\n}},'
        for path in files
    ]
    exported = "".join(f"export const {name} = found.{name};" for name in names)
    return (
        f"const parts = {{{''.join(parts)}}};"
        "const made = {};"
        "const require = (name) => {"
        "  const key = name.replace(/\\.js$/, '');"
        "  if (!made[key]) {"
        "    made[key] = {exports: {}};"
        "    parts[key](made[key], made[key].exports, require);"
        "  }"
        "  return made[key].exports;"
        "};"
        f"const found = require('./{Path(entry).stem}');{exported}"
    )


def headset(session: MediaSession) -> CameraStatus | None:
    return next((one for one in session.cameras if one.kind == "headset"), None)


def is_in(state: str) -> Any:
    """For `until`."""
    return lambda session: (found := headset(session)) is not None and found.state == state


async def _module(route: Route) -> None:
    files = {
        "/whip-whep.js": MODULES / "whip-whep/whip.js",
        "/eyevinn.js": MODULES / "@eyevinn/whip-web-client/dist/whip-client.modern.js",
    }
    path = route.request.url.removeprefix(CLIENT)
    if path in files:
        await route.fulfill(path=files[path], content_type="text/javascript")
    elif path in BUNDLES:
        await route.fulfill(body=bundle(*BUNDLES[path]), content_type="text/javascript")
    else:
        imports = json.dumps({"imports": {path[1:-3]: path for path in BUNDLES}})
        body = f'<!doctype html><script type="importmap">{imports}</script>'
        await route.fulfill(body=body, content_type="text/html")


@contextlib.asynccontextmanager
async def client_page() -> AsyncIterator[Page]:
    """A page of another origin than the box."""
    async with async_playwright() as play:
        flags = [
            *FLAGS,
            *FAKE_MEDIA,
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
            "--disable-features=LocalNetworkAccessChecks",
        ]
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=flags)
        context = await browser.new_context(ignore_https_errors=True)
        page = await context.new_page()
        await page.route(f"{CLIENT}/**", _module)
        await page.goto(f"{CLIENT}/")
        yield page
        await browser.close()


@pytest.mark.parametrize("client", list(PUBLISH))
async def test_client_of_npm_publishes_and_ends(
    client: str, broker: Broker, tmp_path: Path
) -> None:
    config = headset_configuration(broker, tmp_path)
    async with headset_box(config) as box, client_page() as page:
        await page.evaluate(PUBLISH[client], [f"{box.url}/whip", BEARER])
        await box.observer.until(is_in("ready"))
        assert await box.observer.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.observer.until(is_in("live"))
        await page.evaluate("stop()")
        await box.observer.until(is_in("absent"))
        assert box.statuses[-1].headsets == ()


@pytest.mark.parametrize("client", list(PUBLISH))
async def test_client_with_a_wrong_bearer_gets_nothing(
    client: str, broker: Broker, tmp_path: Path
) -> None:
    config = headset_configuration(broker, tmp_path)
    async with headset_box(config) as box, client_page() as page:
        with contextlib.suppress(Exception):
            await page.evaluate(PUBLISH[client], [f"{box.url}/whip", "a-bearer-made-up"])
        await asyncio.sleep(0.3)
        assert headset(box.observer.sessions[-1]) is None


@pytest.mark.parametrize(
    ("codec", "encoder"),
    [("H264", "passthrough"), pytest.param("VP8", "libx264", marks=pytest.mark.long)],
)
async def test_werift_is_seen_by_the_doctor(
    codec: str,
    encoder: str,
    broker: Broker,
    turn_server: TurnServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """H.264 as it came; VP8 encoded anew, for the doctor's connection was promised H.264.

    It is killed at last: it ends nothing, its consent expires (RFC 7675), and the session with it.
    """
    monkeypatch.setattr(receiving, "CONSENT_S", 6.0)  # instead of 30
    config = headset_configuration(broker, tmp_path, turn_server.address)
    stream = tmp_path / "stream"
    stream.write_bytes(rtp_stream(codec))
    async with headset_box(config) as box, chromium_page() as doctor:
        async with werift(box, codec, stream):
            found = headset(await box.observer.until(is_in("ready")))
            assert found is not None
            assert (
                await box.observer.bus.request(START_VIDEO, StartVideo(cameras=(found.id,)))
                == Done()
            )
            await admit(box.observer)
            answer = await watch(box.observer, doctor, turn_server, sections=1, admitted=True)
            assert isinstance(answer, WatchAnswer)
            await frames_seen(doctor, "p1", {stream.mid for stream in answer.streams}, more_than=20)
            session = await box.observer.until(
                lambda s: (one := headset(s)) is not None and one.encoder == encoder
            )
            shown = headset(session)
            assert shown is not None
            assert (shown.width, shown.height) == (640, 360)
        await box.observer.until(is_in("absent"), 30)
        async with asyncio.timeout(30):
            while box.statuses[-1].headsets:
                await asyncio.sleep(0.05)


@pytest.mark.long
async def test_werift_hears_the_doctor_until_the_lease_ends(
    broker: Broker, turn_server: TurnServer, tmp_path: Path
) -> None:
    """Over the access point, with ICE, DTLS and SRTP that are no browser's: Opus that decodes."""
    config = headset_configuration(broker, tmp_path, turn_server.address)
    preview = f"http://{config.media.preview_listen}/"
    async with headset_box(config) as box, chromium_page(*AUDIBLE_FLAGS, url=preview) as doctor:
        await doctor.evaluate("() => {" + CALL_JS + DOCTOR_JS + "}")
        assert await box.observer.bus.request(START_VIDEO, StartVideo()) == Done()
        await box.observer.until(lambda s: s.state == "live")
        process = await asyncio.create_subprocess_exec(
            "node", NODE / "werift_listen.mjs", f"https://{config.headset.listen}/whep", BEARER,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            answer = await call(box.observer, doctor, turn_server, sections=1)
            assert isinstance(answer, WatchAnswer), answer
            decoder, samples = Decoder(), np.zeros(0, np.int16)
            async with asyncio.timeout(20):
                while len(samples) < 48_000:
                    line = (await process.stdout.readline()).strip().decode()
                    assert line, samples
                    assert not line.startswith("refused"), line
                    if line not in {"answered", "connected"}:
                        samples = np.concatenate([samples, decoder.decode(bytes.fromhex(line))])
            spectrum = np.abs(np.fft.rfft(samples[-24_000:].astype(float)))
            assert abs(int(spectrum.argmax()) * 2 - DOCTOR_HZ) < 10
            box.door.end(BEARER)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    while await process.stdout.readline():
                        pass
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await process.stdout.readline()
        finally:
            process.kill()
            await process.communicate()


@contextlib.asynccontextmanager
async def werift(box: HeadsetBox, codec: str, stream: Path) -> AsyncIterator[None]:
    """Publishes while in the context."""
    url = f"https://{box.config.headset.listen}/whip"
    process = await asyncio.create_subprocess_exec(
        "node", NODE / "werift_publish.mjs", url, BEARER, codec, stream,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            while (line := (await process.stdout.readline()).strip()) != b"connected":
                assert not line.startswith(b"refused"), line
                assert line
        yield
    finally:
        process.kill()
        await process.communicate()


def rtp_stream(codec: str) -> bytes:
    """Two seconds of 640x360 at 15 pictures a second; each packet after its length."""
    encoder: Any = H264Encoder() if codec == "H264" else Vp8Encoder()
    out = bytearray()
    for number in range(30):
        plane = np.full((540, 640), 60 + 4 * number, np.uint8)
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts, frame.time_base = number * 6000, Fraction(1, 90_000)
        payloads, stamp = encoder.encode(frame, force_keyframe=number == 0)
        for index, payload in enumerate(payloads):
            packet = RtpPacket(
                payload_type=96, sequence_number=0, timestamp=stamp, payload=payload,
                marker=int(index == len(payloads) - 1),
            )  # fmt: skip
            data = packet.serialize()
            out += struct.pack("!H", len(data)) + data
    return bytes(out)
