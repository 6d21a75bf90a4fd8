"""The vitals service: `edgebox run vitals`. Driven by app.py.

Monitors come in by listener.py (HL7), serial_port.py and datagrams.py; what they say is stored by
recorder.py, then shown (`VitalsNow`, `VitalsLive`) and brought to the hub by sender.py.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from edgebox.config import Config, resolve_file
from edgebox.config.vitals import Monitor
from edgebox.errors import DeviceError
from edgebox.host.service import Service
from edgebox.messages.vitals import (
    VITALS_LIVE,
    VITALS_NOW,
    VITALS_STATUS,
    VitalsLive,
    VitalsStatus,
    VitalsStoreStatus,
)
from edgebox.observation import Incident, Observation
from edgebox.vitals.attendant import Attendant
from edgebox.vitals.board import Board
from edgebox.vitals.datagrams import Datagrams
from edgebox.vitals.listener import Listener
from edgebox.vitals.recorder import Disk, Recorder
from edgebox.vitals.sdc_consumer import SdcConsumer
from edgebox.vitals.sender import Sender
from edgebox.vitals.serial_port import SerialPort
from edgebox.vitals.store import Entry, Store

logger = logging.getLogger(__name__)

TICK_S = 0.5
SHOW_EVERY_S = 0.5
"""Values on the panel change no faster."""
STATUS_EVERY_S = 2.0
OPEN_AGAIN_S = 2.0


async def run(config: Config) -> None:
    """Run until cancelled."""
    path = resolve_file(config, config.vitals.store)
    disk: Disk | None = None
    try:
        async with Service("vitals", config) as service:
            disk = Disk(await _open_store(config, service, path))
            await _Vitals(config, service, disk).run()
    finally:
        if disk is not None:
            await disk.close()


async def _open_store(config: Config, service: Service, path: Path) -> Store:
    """As soon as the disk lets it: a full or read-only one may be mended, and is said meanwhile."""
    monitors = tuple(Attendant(one, time.time()).status() for one in config.vitals.monitor)
    failed = ""
    while True:
        try:
            return await asyncio.to_thread(Store, path, config.vitals.disk_max_mb * 10**6)
        except DeviceError as error:
            if str(error) != failed:
                failed = str(error)
                logger.error("nothing can be stored, and so nothing is shown: %s", failed)
        store = VitalsStoreStatus(failed=failed[:200])
        status = VitalsStatus(at_utc=time.time(), monitors=monitors, store=store)
        await service.bus.publish(VITALS_STATUS, status)
        await service.set_state("degraded", failed)
        service.progress()
        await asyncio.sleep(OPEN_AGAIN_S)


class _Vitals:
    def __init__(self, config: Config, service: Service, disk: Disk):
        self._config = config
        self._service = service
        self._disk = disk
        self._recorder = Recorder(disk, self._stored)
        self._sender = Sender(service.bus, disk)
        self._board = Board()
        self._board_changed = asyncio.Event()
        self._failed = ""
        self._attendants = [Attendant(one, time.time()) for one in config.vitals.monitor]
        self._recorder.observers.append(self._observe)

    async def run(self) -> None:
        await self._sender.start()
        if aside := self._disk.store.put_aside:
            logger.error("the store was damaged; it is now %s, and a new one was begun", aside)
            text = "the store was damaged and put aside"
            self._recorder.record([_incident(text)])
        await self._service.set_state("running")
        await self._service.run(
            self._recorder.run(self._service.progress),
            self._sender.run(),
            self._show(),
            self._watch(),
            *(self._attend(one) for one in self._attendants),
        )

    def _attend(self, attendant: Attendant) -> Coroutine[Any, Any, None]:
        monitor: Monitor = attendant.monitor
        if monitor.listen:
            return Listener(monitor, attendant, self._recorder).run()
        if monitor.kind == "sdc":
            return SdcConsumer(self._config, monitor, attendant, self._recorder).run()
        if monitor.kind == "bluetooth":
            # Costs a vehicle without such a device nothing.
            from edgebox.vitals.bluetooth import BluetoothDevice

            return BluetoothDevice(monitor, attendant, self._recorder).run()
        if monitor.address:
            return Datagrams(monitor, attendant, self._recorder).run()
        return SerialPort(monitor, attendant, self._recorder).run()

    def _observe(self, observation: Observation) -> None:
        if self._board.put(observation):
            self._board_changed.set()

    async def _stored(self, entries: Sequence[Entry]) -> None:
        self._sender.stored()
        for entry in entries:
            await self._service.bus.publish(VITALS_LIVE, VitalsLive(content=entry.content))

    async def _show(self) -> None:
        """What is new at once, and no more often than people can read."""
        while True:
            await self._service.bus.publish(VITALS_NOW, self._board.now(time.time()))
            await asyncio.sleep(SHOW_EVERY_S)
            await self._board_changed.wait()
            self._board_changed.clear()

    async def _watch(self) -> None:
        said: VitalsStatus | None = None
        while True:
            now, now_utc = time.monotonic(), time.time()
            for attendant in self._attendants:
                self._recorder.record(attendant.check(now, now_utc))
            status = await self._status(now_utc)
            if said is None or _is_news(said, status):
                said = status
                await self._service.bus.publish(VITALS_STATUS, status)
            await self._say_failure()
            await asyncio.sleep(TICK_S)

    async def _status(self, now_utc: float) -> VitalsStatus:
        store = self._disk.store
        return VitalsStatus(
            at_utc=now_utc,
            monitors=tuple(one.status() for one in self._attendants),
            store=VitalsStoreStatus(
                waiting_numerics=await self._disk.call(store.waiting, "numerics"),
                waiting_waves=await self._disk.call(store.waiting, "waves"),
                oldest_utc=await self._disk.call(store.oldest_utc),
                used_bytes=store.used_bytes,
                limit_bytes=store.limit_bytes,
                dropped_waves=self._recorder.dropped.waves,
                dropped_numerics=self._recorder.dropped.numerics,
                failed=self._recorder.failed[:200],
            ),
        )

    async def _say_failure(self) -> None:
        failed = self._recorder.failed
        if failed != self._failed:
            self._failed = failed
            await self._service.set_state("degraded" if failed else "running", failed)


def _is_news(said: VitalsStatus, status: VitalsStatus) -> bool:
    """States at once, figures every STATUS_EVERY_S."""
    if status.at_utc >= said.at_utc + STATUS_EVERY_S:
        return True
    states = [(one.state, one.demo, one.detail) for one in status.monitors]
    return states != [(one.state, one.demo, one.detail) for one in said.monitors]


def _incident(text: str) -> Incident:
    return Incident(
        device="", received_utc=time.time(), source_utc=None, what="restarted", text=text
    )
