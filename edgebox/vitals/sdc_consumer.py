"""An ISO/IEEE 11073 SDC device: owner of the process that takes part in the protocol.

SOAP, subscriptions and schema checks are many threads and much memory, and read XML from outside:
they are in a process of their own (sdc_process.py), which may die without taking a value of another
monitor along. It is started again after START_AGAIN_S. Its docstring says who may reach it.
"""

import asyncio
import contextlib
import logging
import sys
import time

import msgspec

from edgebox.config import Config, resolve_file
from edgebox.config.vitals import Monitor
from edgebox.errors import ConfigError, RemoteProtocolError
from edgebox.observation import unpack
from edgebox.vitals import sdc_pipe
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.recorder import Recorder

logger = logging.getLogger(__name__)

START_AGAIN_S = 2.0
END_S = 2.0


class SdcConsumer:
    """One device."""

    def __init__(self, config: Config, monitor: Monitor, attendant: Attendant, recorder: Recorder):
        self._config = config
        self._monitor = monitor
        self._attendant = attendant
        self._recorder = recorder
        self._connected = False

    async def run(self) -> None:
        """Take part until cancelled."""
        while True:
            try:
                task = self._task()
            except ConfigError as error:
                self._attendant.failed(str(error))
            else:
                await self._follow(task)
            await asyncio.sleep(START_AGAIN_S)

    def _task(self) -> sdc_pipe.Task:
        files = {
            key: str(resolve_file(self._config, getattr(self._monitor, key)).resolve())
            for key in ("ca", "certificate", "private_key")
        }
        return sdc_pipe.Task(
            device=self._monitor.id,
            identity=self._monitor.identity,
            interface=self._monitor.interface,
            waves=self._monitor.waves,
            **files,
        )

    async def _follow(self, task: sdc_pipe.Task) -> None:
        """One life of the process."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edgebox.vitals.sdc_process",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        why = "the SDC process ended"
        try:
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(msgspec.json.encode(task) + b"\n")
                await self._read(process.stdout)
        except RemoteProtocolError as error:
            why = f"the SDC process: {error}"
            logger.error("%s: %s", self._monitor.id, why)
        except OSError as error:
            why = f"the SDC process: {error.strerror}"
        finally:
            await _end(process)
            self._lost(why)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        """Reports until there are no more. Raises RemoteProtocolError."""
        while True:
            try:
                head = await stream.readexactly(sdc_pipe.HEAD.size)
                body = await stream.readexactly(sdc_pipe.length(head))
            except asyncio.IncompleteReadError:
                return
            self._take(sdc_pipe.read(body))

    def _take(self, report: sdc_pipe.Report) -> None:
        now, now_utc = time.monotonic(), time.time()
        match report.what:
            case "searching":
                self._lost(report.text)
                self._attendant.failed(report.text)
            case "connected":
                self._connected = True
                self._attendant.device = report.text
                self._attendant.opened(now)
            case "data":
                found = unpack(report.content)
                self._recorder.record([*found, *self._attendant.observe(found, now)])
                self._recorder.record(
                    self._attendant.heard(
                        len(report.content), report.readable, report.damaged, now, now_utc
                    )
                )

    def _lost(self, why: str) -> None:
        if self._connected:
            self._connected = False
            now, now_utc = time.monotonic(), time.time()
            self._recorder.record(self._attendant.closed(now, now_utc, why))


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends by itself when its input closes; if not, it is ended."""
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await process.wait()
            return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
