"""The hub sends on what it stored: in order, again after errors, not twice over a restart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from edgebox.config import Config
from edgebox.config.hub import Hub
from edgebox.hub.vitals_export import Exporter, exporters
from edgebox.hub.vitals_store import VitalsStore
from edgebox.messages.vitals import VitalsBatch
from edgebox.observation import pack
from edgebox.sim.ports import free_port
from edgebox.vitals.monitors.mllp import Mllp, frame
from tests.unit.vitals.test_observation import numeric


def batch(seq: int) -> VitalsBatch:
    return VitalsBatch(
        stream="s",
        kind="numerics",
        opened_utc=0.0,
        seq=seq,
        first=1,
        at_utc=1.0,
        content=pack([numeric(float(seq))]),
    )


@contextlib.asynccontextmanager
async def stored(path: Path) -> AsyncIterator[VitalsStore]:
    store = VitalsStore(f"sqlite:///{path}")
    await store.call(store.set_up)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def running(exporter: Exporter) -> AsyncIterator[None]:
    task = asyncio.create_task(exporter.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Hospital:
    """An MLLP listener that first fails, then refuses, then accepts."""

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.values: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mllp = Mllp()
        while data := await reader.read(10_000):
            for message in mllp.receive(data, 0.0):
                lines = [line.split("|") for line in message.decode().split("\r")]
                verdict = self.answers.pop(0) if self.answers else "AA"
                if verdict == "close":
                    break
                value = next(line[5] for line in lines if line[0] == "OBX")
                self.values.append(f"{verdict} {value}")
                reply = f"MSH|^~\\&|H\rMSA|{verdict}|{lines[0][9]}\r"
                writer.write(frame(reply.encode()))
            else:
                continue
            break
        writer.close()


async def until(values: list[str], count: int) -> None:
    async with asyncio.timeout(15):
        while len(values) < count:
            await asyncio.sleep(0.02)


async def test_hl7_in_order_and_again_after_an_error(tmp_path: Path) -> None:
    hospital, port = Hospital(["close", "AE", "AA", "AR"]), free_port()
    config = Config(hub=Hub(vitals_hl7=f"127.0.0.1:{port}"), directory=str(tmp_path))
    server = await asyncio.start_server(hospital.serve, "127.0.0.1", port)
    async with server, stored(tmp_path / "hub.db") as store:
        await store.call(store.add, [("box-1", batch(1))], 1.0)
        (exporter,) = exporters(config, store)
        async with running(exporter):
            async with asyncio.timeout(5):
                while await store.call(store.exported, f"hl7 127.0.0.1:{port}") is None:
                    await asyncio.sleep(0.02)
            await store.call(store.add, [("box-1", batch(n)) for n in (2, 3, 4)], 1.0)
            await until(hospital.values, 4)
        # 1 was there before the target was configured; 3 was refused and passed over.
        assert hospital.values == ["AE 2", "AA 2", "AR 3", "AA 4"]
        await store.call(store.add, [("box-1", batch(5))], 1.0)
        (exporter,) = exporters(config, store)
        async with running(exporter):
            await until(hospital.values, 5)
        assert hospital.values[-1] == "AA 5"


async def test_fhir_bundles_with_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    seen: list[str] = []
    answers = [503, 200, 400, 201]

    async def take(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.content_type == "application/fhir+json"
        body = await request.json()
        value = body["entry"][0]["resource"]["valueQuantity"]["value"]
        status = answers.pop(0)
        seen.append(f"{status} {value}")
        return web.Response(status=status)

    port = free_port()
    application = web.Application()
    application.router.add_post("/fhir", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    url = f"http://127.0.0.1:{port}/fhir"
    hub = Hub(vitals_fhir=url, vitals_fhir_token="token")
    async with stored(tmp_path / "hub.db") as store:
        await store.call(store.note_exported, f"fhir {url}", 0)
        await store.call(store.add, [("box-1", batch(n)) for n in (1, 2, 3)], 1.0)
        (exporter,) = exporters(Config(hub=hub, directory=str(tmp_path)), store)
        async with running(exporter):
            await until(seen, 4)
        assert seen == ["503 1", "200 1", "400 2", "201 3"]
    await runner.cleanup()
