"""A preview for the panel's page: a real WHEP server whose picture moves (aiortc)."""

import asyncio
import fractions
from typing import Self

import av
from aiohttp import web
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription

WIDTH, HEIGHT = 640, 360


def lit_room() -> bytearray:
    """Brightness of a cabin: a wall, a lamp above, a stretcher; one byte for each pixel."""
    rows = []
    for y in range(HEIGHT):
        row = bytearray(105 + y // 7 + x // 16 for x in range(WIDTH))
        if y < 26:
            row[180:460] = b"\xf0" * 280
        if 210 <= y < 300:
            row[120:520] = b"\xd8" * 400
        if 190 <= y < 240:
            row[130:230] = b"\xea" * 100
        rows.append(row)
    return bytearray().join(rows)


class MovingPicture(MediaStreamTrack):
    """The cabin with something that moves, 12 pictures a second."""

    kind = "video"

    def __init__(self, moves: asyncio.Event) -> None:
        """No picture comes while `moves` is not set."""
        super().__init__()
        self._moves = moves
        self._count = 0
        self._room = lit_room()

    async def recv(self) -> av.VideoFrame:
        """Next picture."""
        await asyncio.sleep(1 / 12)
        await self._moves.wait()
        image = bytearray(self._room)
        place = 40 + self._count * 7 % 520
        for y in range(316, 332):
            image[y * WIDTH + place : y * WIDTH + place + 60] = b"\x28" * 60
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        frame.planes[0].update(bytes(image))
        for plane, colour in ((1, 131), (2, 122)):
            frame.planes[plane].update(bytes([colour]) * (WIDTH * HEIGHT // 4))
        frame.pts, frame.time_base = self._count, fractions.Fraction(1, 12)
        self._count += 1
        return frame


class Preview:
    """WHEP by draft-ietf-wish-whep, as media serves it to the panel's page."""

    def __init__(self, listen: str, origin: str):
        self._listen = listen
        self._origin = origin
        self.asked: list[str] = []
        self.dropped = 0
        self._peers: list[RTCPeerConnection] = []
        self._making = asyncio.Lock()
        """One that is closed while it opens its sockets would leave them."""
        self._moves = asyncio.Event()
        self._moves.set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/whep/{camera}", self._offer)
        app.router.add_post("/guest/{camera}", self._offer)
        app.router.add_delete("/whep/{camera}/{id}", self._drop)
        app.router.add_route("OPTIONS", "/{path:.*}", self._options)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        host, _, port = self._listen.rpartition(":")
        await web.TCPSite(self._runner, host, int(port)).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        # Which waits for offers that are being answered.
        await self._runner.cleanup()
        await self.cut()

    def freeze(self) -> None:
        """No more pictures; connections stay."""
        self._moves.clear()

    async def cut(self) -> None:
        """All pictures end, as when media dies."""
        async with self._making:
            for peer in self._peers:
                await peer.close()
            self._peers.clear()

    def _headers(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Origin": self._origin,
            "Access-Control-Allow-Methods": "POST, DELETE",
            "Access-Control-Allow-Headers": "content-type",
            "Access-Control-Expose-Headers": "Location",
        }

    async def _options(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers=self._headers())

    async def _offer(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/sdp"
        assert request.headers["Origin"] == self._origin
        camera = request.match_info["camera"]
        self.asked.append(camera)
        peer = RTCPeerConnection()
        peer.addTrack(MovingPicture(self._moves))
        offer = RTCSessionDescription(await request.text(), "offer")
        async with self._making:
            self._peers.append(peer)
            await peer.setRemoteDescription(offer)
            await peer.setLocalDescription(await peer.createAnswer())
        headers = self._headers() | {"Location": f"/whep/{camera}/{len(self._peers)}"}
        return web.Response(
            status=201,
            text=peer.localDescription.sdp,
            content_type="application/sdp",
            headers=headers,
        )

    async def _drop(self, request: web.Request) -> web.Response:
        self.dropped += 1
        return web.Response(status=200, headers=self._headers())
