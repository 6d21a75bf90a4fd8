"""How long a handshake takes, from the first byte of hello to the bearer: over real HTTP and a real
broker on this machine, counters on the disk, without radio and TLS.

    python -m bench.pairing [--count 300]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from edgebox.headset.pairing import add_routes
from edgebox.pairing.wire import Challenge, Paired
from edgebox.sim.headset_device import SimDevice
from tests.conftest import Broker
from tests.integration.pairing_rig import PairingBox
from tests.unit.pairing.fleet import Fleet


def main() -> None:
    """Print p50 and p95."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory(prefix="edgebox-") as directory:
        broker = Broker(Path(directory))
        broker.start()
        try:
            asyncio.run(_run(Path(directory), broker, count))
        finally:
            broker.kill()


async def _run(directory: Path, broker: Broker, count: int) -> None:
    fleet = Fleet(directory / "pki")
    fleet.utc = time.time()
    device = fleet.device()
    async with PairingBox(fleet, "box-1", directory, broker) as box:
        box.door.gate.take_registry(fleet.registry(ago_s=1.0), time.monotonic())
        app = web.Application()
        add_routes(app, box.door)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/pair"
        try:
            async with aiohttp.ClientSession() as client:
                taken = [await _once(client, url, device) for _ in range(count)]
        finally:
            await runner.cleanup()
    cuts = statistics.quantiles(taken, n=20)
    print(f"handshake, {count} times: p50 {statistics.median(taken) * 1000:.1f} ms, "
          f"p95 {cuts[18] * 1000:.1f} ms, worst {max(taken) * 1000:.1f} ms")  # fmt: skip


async def _once(client: aiohttp.ClientSession, url: str, device: SimDevice) -> float:
    """Seconds; waits first, so that the box's limit on one address is kept."""
    await asyncio.sleep(0.8)
    began_at = time.perf_counter()
    hello = device.hello()
    challenge = msgspec.json.decode(await _ask(client, f"{url}/hello", hello), type=Challenge)
    said = device.prove(hello, challenge, time.time())
    paired = msgspec.json.decode(await _ask(client, f"{url}/prove", said), type=Paired)
    took_s = time.perf_counter() - began_at
    device.take(paired)
    await _ask(client, f"{url}/heartbeat", device.beat())
    return took_s


async def _ask(client: aiohttp.ClientSession, url: str, body: msgspec.Struct) -> bytes:
    headers = {"Content-Type": "application/json"}
    async with client.post(url, data=msgspec.json.encode(body), headers=headers) as answer:
        answer.raise_for_status()
        return await answer.read()


if __name__ == "__main__":
    main()
