"""Bundles over a real HTTP server: in parts, cut everywhere, and what the hub gives to whom."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from time import time

import aiohttp
import pytest
from aiohttp import web

from edgebox.config.bond import Link
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.hub import update_serve
from edgebox.hub.update_files import bundle_path
from edgebox.hub.update_serve import AT_ONCE_PER_BOX, Signer
from edgebox.messages.update import Release
from edgebox.sim.ports import free_port
from edgebox.update.download import download

CONTENT = bytes(range(256)) * 2
SHA = hashlib.sha256(CONTENT).hexdigest()


class CutLine:
    """A TCP relay to the hub that is cut after so many bytes of the answer."""

    def __init__(self, port: int):
        self.port = free_port()
        self.left = 10**9
        self.asked: list[bytes] = []
        self._hub_port = port

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._hub_port)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(request)
            up_writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while self.left > 0 and (data := await up_reader.read(self.left)):
                self.left -= len(data)
                writer.write(data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            up_writer.close()


@contextlib.asynccontextmanager
async def hub(directory: Path) -> AsyncIterator[tuple[Signer, str, int]]:
    """Its signer, its address and port."""
    port = free_port()
    signer, app = Signer(f"http://127.0.0.1:{port}"), web.Application()
    update_serve.add_routes(app, signer, directory)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield signer, f"http://127.0.0.1:{port}", port
    finally:
        await runner.cleanup()


def release(url: str, size: int = len(CONTENT)) -> Release:
    return Release(sha256=SHA, version="1.1.0", size_bytes=size, url=url)


def nothing(have: int) -> None:
    """Nobody looks at the progress."""


async def test_cut_at_every_byte_it_goes_on_where_it_was(tmp_path: Path) -> None:
    bundle_path(tmp_path, SHA).write_bytes(CONTENT)
    async with hub(tmp_path) as (signer, base, port):
        line = CutLine(port)
        url = signer.url("box-1", SHA, time()).replace(base, f"http://127.0.0.1:{line.port}")
        async with line.open():
            whole = 0
            for cut in range(0, 2000, 5):
                path, line.left = tmp_path / "part", cut
                path.unlink(missing_ok=True)
                line.asked.clear()
                try:
                    await download(release(url), path, None, nothing)
                except DeviceError:
                    have = path.stat().st_size if path.exists() else 0
                    assert path.read_bytes() == CONTENT[:have] if have else True
                    line.left = 10**9
                    await download(release(url), path, None, nothing)
                    assert f"Range: bytes={have}-".encode() in line.asked[-1]
                else:
                    whole += 1
                assert path.read_bytes() == CONTENT
                if whole > 3:
                    return
    pytest.fail("the line was never long enough")


async def test_a_piece_at_a_time(tmp_path: Path) -> None:
    """Every connection dies after a little: what is there only ever grows."""
    bundle_path(tmp_path, SHA).write_bytes(CONTENT)
    async with hub(tmp_path) as (signer, base, port):
        line = CutLine(port)
        url = signer.url("box-1", SHA, time()).replace(base, f"http://127.0.0.1:{line.port}")
        path, before = tmp_path / "part", 0
        async with line.open():
            for _ in range(100):
                line.left = 700
                with contextlib.suppress(DeviceError):
                    await download(release(url), path, None, nothing)
                have = path.stat().st_size if path.exists() else 0
                assert have >= before
                before = have
                if have == len(CONTENT):
                    break
    assert path.read_bytes() == CONTENT


async def test_who_may_fetch(tmp_path: Path) -> None:
    bundle_path(tmp_path, SHA).write_bytes(CONTENT)
    (tmp_path / "secret").write_text("secret")
    async with hub(tmp_path) as (signer, base, _), aiohttp.ClientSession() as session:
        good = signer.url("box-1", SHA, time())

        async def status(url: str) -> int:
            async with session.get(url) as response:
                return response.status

        assert await status(good) == 200
        assert await status(good.replace("box-1", "box-2")) == 403
        assert await status(good.replace(SHA, "0" * 64)) == 403
        assert await status(good[:-1] + ("0" if good[-1] != "0" else "1")) == 403
        assert await status(signer.url("box-1", SHA, time() - update_serve.URL_S)) == 403
        assert await status(signer.url("box-1", "0" * 64, time())) == 404
        assert await status(f"{base}/update/box-1/..%2fsecret/1/{'0' * 64}") == 404
        async with session.get(good, headers={"Range": "bytes=500-"}) as response:
            assert response.status == 206
            assert await response.read() == CONTENT[500:]
        async with session.get(good, headers={"Range": f"bytes={len(CONTENT)}-"}) as response:
            assert response.status == 416


async def test_one_box_does_not_take_all_the_places(tmp_path: Path) -> None:
    big = 64 * 1024 * 1024
    with bundle_path(tmp_path, SHA).open("wb") as file:
        file.truncate(big)
    async with hub(tmp_path) as (signer, _, _), aiohttp.ClientSession() as session:
        url = signer.url("box-1", SHA, time())
        async with contextlib.AsyncExitStack() as held:
            for _ in range(AT_ONCE_PER_BOX):
                response = await held.enter_async_context(session.get(url))
                assert response.status == 200
            async with session.get(url) as refused:
                assert refused.status == 503
                assert refused.headers["Retry-After"]
            async with session.get(signer.url("box-2", SHA, time())) as other:
                assert other.status == 200


async def test_more_than_was_said_is_not_taken(tmp_path: Path) -> None:
    bundle_path(tmp_path, SHA).write_bytes(CONTENT)
    async with hub(tmp_path) as (signer, _, _):
        url = signer.url("box-1", SHA, time())
        for size in (len(CONTENT) - 1, len(CONTENT) + 1):
            with pytest.raises(RemoteProtocolError):
                await download(release(url, size), tmp_path / "part", None, nothing)
        assert not (tmp_path / "part").exists()


async def test_it_goes_by_the_link_that_was_chosen(tmp_path: Path) -> None:
    bundle_path(tmp_path, SHA).write_bytes(CONTENT)
    async with hub(tmp_path) as (signer, _, _):
        url = signer.url("box-1", SHA, time())
        path = tmp_path / "part"
        await download(release(url), path, Link(name="lo", interface="lo"), nothing)
        assert path.read_bytes() == CONTENT
        path.unlink()
        await download(release(url), path, Link(name="lo", source="127.0.0.9"), nothing)
        assert path.read_bytes() == CONTENT
        path.unlink()
        with pytest.raises(DeviceError):
            await download(release(url), path, Link(name="gone", interface="wwan9"), nothing)
