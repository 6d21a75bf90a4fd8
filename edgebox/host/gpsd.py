"""gpsd's JSON protocol: the core without I/O, and a client that reads on and on.

gpsd_json(5), "Protocol": lines of JSON, ended by CR LF; `?WATCH` asks for reports, of which TPV
(time, position, velocity) is the one that counts. A report says no more than it holds: a fix that
is lost is a position without values.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edgebox.config import parse_address
from edgebox.errors import RemoteProtocolError
from edgebox.messages.vehicle import Position

logger = logging.getLogger(__name__)

WATCH = b'?WATCH={"enable":true,"json":true};\r\n'
LINE_MAX = 16_384
"""gpsd's longest reports (SKY) stay below 8 KiB."""
CONNECT_S = 5.0
RETRY_S = 5.0
READ_BYTES = 4096
FIX_2D = 2


class Fix(Struct, frozen=True, kw_only=True):
    """One TPV report: where the vehicle was at `at_utc`; without a fix only the time, if any."""

    at_utc: float | None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    error_m: float | None = None
    speed_mps: float | None = None
    track_deg: float | None = None


class _Tpv(Struct, frozen=True, kw_only=True):
    """gpsd_json(5), "TPV". `eph` is the horizontal error, 95 %, in metres."""

    class_: Literal["TPV"] = msgspec.field(name="class")
    mode: int = 0
    time: str | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    eph: Annotated[float, Meta(ge=0)] | None = None
    speed: Annotated[float, Meta(ge=0)] | None = None
    track: Annotated[float, Meta(ge=0, le=360)] | None = None


class GpsdProtocol:
    """Feed it what comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive_data(self, data: bytes) -> list[Fix]:
        """Fixes in these bytes. Raises RemoteProtocolError; what was before is then lost."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        if len(rest) > LINE_MAX:
            self._buffer = bytearray()
            raise RemoteProtocolError("gpsd: a line without end")
        fixes = [_read_line(bytes(line)) for line in lines if line.strip()]
        return [fix for fix in fixes if fix is not None]


def _read_line(line: bytes) -> Fix | None:
    try:
        kind = msgspec.json.decode(line, type=dict[str, Any]).get("class")
        if kind != "TPV":
            return None
        tpv = msgspec.json.decode(line, type=_Tpv)
        at_utc = None if tpv.time is None else _utc(tpv.time)
    except (msgspec.DecodeError, RecursionError, UnicodeError, ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"gpsd: not a report: {error}") from error
    if tpv.mode < FIX_2D or at_utc is None or tpv.lat is None or tpv.lon is None:
        return Fix(at_utc=at_utc)
    return Fix(
        at_utc=at_utc,
        latitude_deg=tpv.lat,
        longitude_deg=tpv.lon,
        error_m=tpv.eph,
        speed_mps=tpv.speed,
        track_deg=tpv.track,
    )


def _utc(time: str) -> float:
    """ISO 8601 with its zone. Raises ValueError."""
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.timestamp()


def position(fix: Fix, now_utc: float) -> Position:
    """As published. A report without a time is as old as its arrival."""
    return Position(
        at_utc=now_utc if fix.at_utc is None else fix.at_utc,
        received_utc=now_utc,
        latitude_deg=fix.latitude_deg,
        longitude_deg=fix.longitude_deg,
        error_m=fix.error_m,
        speed_mps=fix.speed_mps,
        track_deg=fix.track_deg,
    )


async def fixes(address: str) -> AsyncGenerator[Fix | None, None]:
    """Every fix of the gpsd at host:port; None when it is lost. Connects again by itself."""
    while True:
        connection = await _connect(address)
        if connection is not None:
            reader, writer = connection
            try:
                async with contextlib.aclosing(_read(reader)) as read:
                    async for fix in read:
                        yield fix
            finally:
                writer.close()
            yield None
        await asyncio.sleep(RETRY_S)


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(*parse_address(address))
    except (OSError, TimeoutError) as error:
        logger.debug("gpsd at %s: %s", address, error)
        return None
    writer.write(WATCH)
    return reader, writer


async def _read(reader: asyncio.StreamReader) -> AsyncGenerator[Fix, None]:
    protocol, broken = GpsdProtocol(), 0
    while True:
        try:
            data = await reader.read(READ_BYTES)
        except OSError:
            return
        if not data:
            return
        try:
            for fix in protocol.receive_data(data):
                yield fix
        except RemoteProtocolError as error:
            broken += 1
            if broken == 1:
                logger.warning("%s", error)
