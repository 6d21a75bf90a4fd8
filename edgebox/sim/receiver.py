"""A stand-in for gpsd with a receiver: a vehicle on its way round a lake in Bergen.

Speaks as much of gpsd_json(5) as the box listens to. Listens on loopback; whoever is on this
machine may connect.
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from edgebox.sim.ports import LOOPBACK

CENTRE_DEG = (60.3885, 5.3285)
RADIUS_DEG = (0.0018, 0.0036)
"""North and east; at 60 degrees a circle of 200 m."""
ROUND_S = 80.0
RADIUS_M = 200.0
REPORT_S = 1.0


@contextlib.asynccontextmanager
async def receiver(port: int) -> AsyncIterator[None]:
    """Serves while in the context."""
    server = await asyncio.start_server(_serve, LOOPBACK, port)
    try:
        yield
    finally:
        server.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b'{"class":"VERSION","release":"sim","proto_major":3,"proto_minor":14}\r\n')
        await reader.readline()  # ?WATCH
        while not reader.at_eof():
            writer.write(report(time.time()))
            await writer.drain()
            await asyncio.sleep(REPORT_S)
    except OSError:
        pass  # the vehicle service was stopped
    finally:
        writer.close()


def report(now_utc: float) -> bytes:
    """Where the vehicle is then, as one TPV line."""
    angle = 2 * math.pi * (now_utc % ROUND_S) / ROUND_S
    fix = {
        "class": "TPV",
        "mode": 3,
        "time": datetime.fromtimestamp(now_utc, UTC).isoformat().replace("+00:00", "Z"),
        "lat": round(CENTRE_DEG[0] + RADIUS_DEG[0] * math.cos(angle), 6),
        "lon": round(CENTRE_DEG[1] + RADIUS_DEG[1] * math.sin(angle), 6),
        "eph": 6.0,
        "speed": round(2 * math.pi * RADIUS_M / ROUND_S, 1),
        "track": round((math.degrees(angle) + 90) % 360, 1),
    }
    return json.dumps(fix).encode() + b"\r\n"
