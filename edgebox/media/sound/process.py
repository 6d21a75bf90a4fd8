"""The process that hears and speaks in the cabin; `cabin.py` is its owner.

Run as `python -m edgebox.media.sound.process FD`: FD is its end of a socket pair (records.py).
It opens microphone and loudspeaker at once and keeps them open; one that goes away is opened anew
until it is back, and meanwhile the other goes on. The process ends when its owner does.

The microphone sets the pace, or without one the clock: every 20 ms the mixer takes a step. Devices
are opened in threads of their own, since a driver may take its time.
"""

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import msgspec

from edgebox.config.media import Loudspeaker as LoudspeakerSection
from edgebox.config.media import Microphone as MicrophoneSection
from edgebox.errors import DeviceError
from edgebox.media import child
from edgebox.media.sound import device, records
from edgebox.media.sound.alsa import AlsaLoudspeaker, AlsaMicrophone
from edgebox.media.sound.device import Loudspeaker, Microphone, SoundGoneError
from edgebox.media.sound.mixer import Mixer
from edgebox.media.sound.opus import Samples

logger = logging.getLogger(__name__)

REPORT_EVERY_S = 0.5
REOPEN_S = 1.0
NICE = -11
"""Sound that comes late is a gap; granted only if the unit may."""

D = TypeVar("D", bound=Microphone | Loudspeaker)


def open_microphone(section: MicrophoneSection, directory: Path) -> Microphone:
    """Raises SoundGoneError, or DeviceError if it can never work."""
    match section.kind:
        case "alsa":
            return AlsaMicrophone(section.source)
        case "file":
            return device.FileMicrophone(directory / section.source)
        case "tone":
            return device.ToneMicrophone()
        case "none":
            raise DeviceError("no microphone is configured")


def open_loudspeaker(section: LoudspeakerSection, directory: Path) -> Loudspeaker:
    """Raises SoundGoneError, or DeviceError if it can never work."""
    match section.kind:
        case "alsa":
            return AlsaLoudspeaker(section.source)
        case "file":
            return device.FileLoudspeaker(directory / section.source)
        case "meter":
            return device.Meter()
        case "none":
            raise DeviceError("no loudspeaker is configured")


class Kept(Generic[D]):
    """A device that is opened anew for as long as it is not there."""

    def __init__(self, configured: bool, opened: Callable[[], D]):
        self._open = opened
        self._missing = threading.Event()
        self.device: D | None = None
        self.state: records.DeviceState = "starting" if configured else "none"
        self.detail = ""
        if configured:
            self._missing.set()
            threading.Thread(target=self._keep, name="device", daemon=True).start()

    def lost(self, error: DeviceError) -> None:
        """It went away while in use."""
        gone, self.device = self.device, None
        self.state, self.detail = "absent", str(error)[:200]
        if gone is not None:
            gone.close()
        self._missing.set()

    def _keep(self) -> None:
        while True:
            self._missing.wait()
            try:
                opened = self._open()
            except SoundGoneError as error:
                self.state, self.detail = "absent", str(error)[:200]
            except DeviceError as error:
                self.state, self.detail = "failed", str(error)[:200]
            else:
                self._missing.clear()
                self.state, self.detail = "ready", ""
                self.device = opened
                continue
            time.sleep(REOPEN_S)


class Worker:
    """Takes the steps."""

    def __init__(self, channel: socket.socket):
        self._channel = channel
        self._incoming: BinaryIO = channel.makefile("rb")
        _, body = _read(self._incoming)
        start = msgspec.json.decode(body, type=records.Start)
        directory = Path(start.directory)
        self._microphone: Kept[Microphone] = Kept(
            start.microphone.kind != "none", lambda: open_microphone(start.microphone, directory)
        )
        self._loudspeaker: Kept[Loudspeaker] = Kept(
            start.loudspeaker.kind != "none",
            lambda: open_loudspeaker(start.loudspeaker, directory),
        )
        self._mixer = Mixer()
        self._pace = device.Pace()
        self._arrived: deque[tuple[float, tuple[int, ...], bytes]] = deque()
        self._steps = 0
        self._reported = records.Report()
        self._report_at = 0.0

    def run(self) -> None:
        """Until the owner goes away."""
        threading.Thread(target=self._receive, name="orders", daemon=True).start()
        while True:
            near = self._hear()
            now = time.monotonic()
            self._obey()
            far, packets = self._mixer.step(near, now)
            self._play(far)
            number = self._mixer.orders.number
            for packet in packets:
                self._channel.sendall(records.sound(packet.mix, number, packet.pts, packet.data))
            self._steps += 1
            self._report(now)

    def _hear(self) -> Samples | None:
        microphone = self._microphone.device
        if microphone is None:
            self._pace.wait()
            return None
        try:
            return microphone.read()
        except SoundGoneError as error:
            self._microphone.lost(error)
            self._pace = device.Pace()
            return None

    def _play(self, far: Samples) -> None:
        loudspeaker = self._loudspeaker.device
        if loudspeaker is not None:
            try:
                loudspeaker.write(far)
            except SoundGoneError as error:
                self._loudspeaker.lost(error)

    def _receive(self) -> None:
        while True:
            try:
                header, body = _read(self._incoming)
            except EOFError:
                os._exit(0)
            self._arrived.append((time.monotonic(), header, body))

    def _obey(self) -> None:
        while self._arrived:
            at, (kind, guest, sequence, _, timestamp), body = self._arrived.popleft()
            if kind == records.ORDER:
                self._mixer.obey(msgspec.json.decode(body, type=records.Orders))
            else:
                self._mixer.packet(guest, sequence, timestamp, body, at)

    def _report(self, now: float) -> None:
        late, lost, refused = self._mixer.counters
        details = [one.detail for one in (self._microphone, self._loudspeaker) if one.detail]
        report = records.Report(
            microphone=self._microphone.state,
            loudspeaker=self._loudspeaker.state,
            detail="; ".join(details)[:200],
            voices=self._mixer.voices(now),
            steps=self._steps,
            late=late,
            lost=lost,
            refused=refused,
        )
        if now < self._report_at and _same(report, self._reported):
            return
        self._reported, self._report_at = report, now + REPORT_EVERY_S
        self._channel.sendall(records.record(records.REPORT, report))


def _same(one: records.Report, other: records.Report) -> bool:
    """Equal but for the counters."""
    counters = {"steps": 0, "late": 0, "lost": 0, "refused": 0}
    replace = msgspec.structs.replace
    return replace(one, **counters) == replace(other, **counters)


def _read(incoming: BinaryIO) -> tuple[tuple[int, ...], bytes]:
    """The next record: header's fields and body. Raises EOFError when the owner has gone."""
    header = child.read_exactly(incoming, records.HEADER.size)
    fields = records.HEADER.unpack(header)
    return fields, child.read_exactly(incoming, fields[3])


def main() -> None:
    """Become the sound process of the socket given as the first argument."""
    child.become("sound", _work)


def _work(channel: socket.socket) -> None:
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    Worker(channel).run()


if __name__ == "__main__":
    main()
