"""Monitors on serial ports: opened by a stable path, again and again, whenever they are plugged in.

`/dev/serial/by-path/...` names a socket of the vehicle, whatever adapter is in it. The port is
taken exclusively (TIOCEXCL), so that no second program reads half of what comes.
"""

import asyncio
import contextlib
import os
import time
import zoneinfo

import serial

from edgebox.config.vitals import Monitor
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.monitors.dri import Dri
from edgebox.vitals.monitors.line import IntelliVueLine, Line, Speed
from edgebox.vitals.monitors.masimo import Masimo
from edgebox.vitals.monitors.medibus import Medibus
from edgebox.vitals.monitors.nonin_text import AnyNonin
from edgebox.vitals.monitors.recognition import Recognition
from edgebox.vitals.recorder import Recorder

OPEN_AGAIN_S = 0.5
READ_BYTES = 4096
WAIT_S = 1.0
PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class SerialPort:
    """One port."""

    def __init__(self, monitor: Monitor, attendant: Attendant, recorder: Recorder):
        self._monitor = monitor
        self._attendant = attendant
        self._recorder = recorder

    async def run(self) -> None:
        """Open, read, and open again, until cancelled."""
        while True:
            line = self._line(time.monotonic())
            try:
                port = self._open(self._speed(line))
            except (OSError, ValueError) as error:
                self._attendant.failed(f"{self._monitor.port}: {error}")
                await asyncio.sleep(OPEN_AGAIN_S)
                continue
            self._attendant.opened(time.monotonic())
            try:
                why = await self._serve(port, line)
            finally:
                with contextlib.suppress(OSError):
                    os.write(port.fileno(), line.leave())
                port.close()
            now, now_utc = time.monotonic(), time.time()
            self._recorder.record(self._attendant.closed(now, now_utc, why))
            await asyncio.sleep(OPEN_AGAIN_S)

    def _line(self, now: float) -> Line:
        monitor = self._monitor
        zone = zoneinfo.ZoneInfo(monitor.timezone)
        match monitor.kind:
            case "intellivue":
                return IntelliVueLine(monitor.id, zone, waves=monitor.waves, now=now)
            case "masimo":
                return Masimo(monitor.id, zone)
            case "dri":
                return Dri(monitor.id, waves=monitor.waves, now=now)
            case "medibus":
                return Medibus(monitor.id, waves=monitor.waves, now=now)
            case "nonin":
                return AnyNonin(monitor.id)
        return Recognition(monitor.id, zone, waves=monitor.waves, now=now)

    def _speed(self, line: Line) -> Speed:
        """The protocol's own, unless the configuration says otherwise."""
        own: Speed = getattr(line, "speed", Speed(9600))
        baud, parity = self._monitor.baud or own.baud, self._monitor.parity or own.parity
        return Speed(baud, parity, own.rtscts)

    def _open(self, speed: Speed) -> serial.Serial:
        return serial.Serial(
            self._monitor.port,
            baudrate=speed.baud,
            parity=PARITIES[speed.parity],
            rtscts=speed.rtscts,
            timeout=0,
            exclusive=True,
        )

    async def _serve(self, port: serial.Serial, line: Line) -> str:
        """Until it is unplugged; why it ended."""
        loop = asyncio.get_running_loop()
        arrived = _Arrived(port.fileno())
        loop.add_reader(port.fileno(), arrived.read)
        try:
            while True:
                self._send(port, line)
                await _wait(arrived.ready, line)
                self._take(arrived.take(), line)
                if arrived.gone:
                    return arrived.gone
                speed = self._speed(line)
                if (port.baudrate, port.parity) != (speed.baud, PARITIES[speed.parity]):
                    port.baudrate, port.parity = speed.baud, PARITIES[speed.parity]
                if port.rtscts != speed.rtscts:
                    port.rtscts = speed.rtscts
        finally:
            loop.remove_reader(port.fileno())

    def _take(self, data: bytes, line: Line) -> None:
        now, now_utc = time.monotonic(), time.time()
        readable, damaged = line.readable, line.damaged
        if data:
            line.receive(data, now, now_utc)
        due = line.next_timeout()
        if due is not None and now >= due:
            line.handle_timeout(now)
        found = line.observations()
        for sender in getattr(line, "senders", ()):
            self._attendant.sender(sender, now)
        if line.name:
            self._attendant.device = line.name
        self._recorder.record([*found, *self._attendant.observe(found, now)])
        readable, damaged = max(0, line.readable - readable), max(0, line.damaged - damaged)
        if data:
            self._recorder.record(self._attendant.heard(len(data), readable, damaged, now, now_utc))

    def _send(self, port: serial.Serial, line: Line) -> None:
        # What does not fit into the port's buffer is asked again by the protocol.
        with contextlib.suppress(OSError):
            if out := line.data_to_send():
                os.write(port.fileno(), out)


class _Arrived:
    """Bytes of a port, read when the loop says that there are some."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._data = bytearray()
        self.ready = asyncio.Event()
        self.gone = ""
        """Why no more will come."""

    def read(self) -> None:
        """Only called when there is something: nothing is the end (termios(3), VMIN 0)."""
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.gone = f"the port has gone: {error.strerror}"
        else:
            self._data += data
            self.gone = self.gone if data else "the port has gone"
        self.ready.set()

    def take(self) -> bytes:
        """All that came since the last time."""
        data = bytes(self._data)
        self._data.clear()
        self.ready.clear()
        return data


async def _wait(ready: asyncio.Event, line: Line) -> None:
    due = line.next_timeout()
    wait_s = WAIT_S if due is None else min(WAIT_S, max(0.0, due - time.monotonic()))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            await ready.wait()
