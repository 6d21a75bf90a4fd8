"""The sound process and its owner: mute, missing devices, and what happens when it dies."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edgebox.config.media import Loudspeaker, Media, Microphone
from edgebox.media.sound.cabin import PACKETS_PER_S, Cabin
from edgebox.media.sound.opus import PACKET_MAX
from edgebox.media.sound.records import GUESTS_MAX, Sound

TONE = Media(microphone=Microphone(kind="tone"), loudspeaker=Loudspeaker(kind="meter"))


@asynccontextmanager
async def cabin(media: Media = TONE, directory: Path = Path("/")) -> AsyncIterator[Cabin]:
    one = Cabin(media, str(directory), lambda: None)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds: object, timeout_s: float = 8) -> None:
    assert callable(holds)
    async with asyncio.timeout(timeout_s):
        while not holds():
            await asyncio.sleep(0.01)


def children() -> list[int]:
    text = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    return [
        int(pid)
        for pid in text.split()
        if b"edgebox.media.sound.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def test_sound_goes_on_however_much_was_ordered_since_the_session_began() -> None:
    async with cabin() as one:
        one.set_live(True)
        for _ in range(40_000):
            one.arrange()
        voice = one.join(hears=True, speaks=False)
        assert voice is not None
        heard: list[Sound] = []
        voice.sink = heard.append
        await until(lambda: len(heard) > 5)


async def test_mute_takes_effect_at_once_and_so_does_the_end_of_the_session() -> None:
    async with cabin() as one:
        voice = one.join(hears=True, speaks=True)
        assert voice is not None
        heard: list[Sound] = []
        voice.sink = heard.append
        await until(lambda: one.status.microphone == "ready")
        assert heard == [], "there is no session yet"
        one.set_live(True)
        await until(lambda: len(heard) > 10)
        steps = {b.pts - a.pts for a, b in itertools.pairwise(heard)}
        assert steps == {960}
        assert one.status.microphone == "live"
        assert one.status.bitrate_bps > 0

        one.mute(True)
        count = len(heard)
        assert one.status.muted
        await asyncio.sleep(0.3)
        assert len(heard) == count, "nothing leaves from the moment of the order on"

        one.mute(False)
        await until(lambda: len(heard) > count)
        one.set_live(False)
        count = len(heard)
        await asyncio.sleep(0.3)
        assert len(heard) == count


async def test_a_killed_process_comes_back_with_the_same_orders() -> None:
    async with cabin() as one:
        voice = one.join(hears=True, speaks=False)
        assert voice is not None
        heard: list[Sound] = []
        voice.sink = heard.append
        one.set_live(True)
        await until(lambda: len(heard) > 5)
        (first,) = children()
        killed_at = time.monotonic()
        os.kill(first, signal.SIGKILL)
        await until(lambda: one.status.microphone == "starting")
        assert "starts anew" in one.status.detail
        count = len(heard)
        await until(lambda: len(heard) > count + 5)
        assert time.monotonic() - killed_at < 5
        assert children() != [first]
    assert children() == []


async def test_a_process_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgebox.media.sound.cabin.UNRESPONSIVE_S", 1.0)
    async with cabin() as one:
        await until(lambda: one.status.microphone == "ready")
        (first,) = children()
        os.kill(first, signal.SIGSTOP)
        await until(lambda: children() not in ([], [first]))
        await until(lambda: one.status.microphone == "ready")


async def test_missing_devices_are_said_and_taken_when_they_come(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    media = Media(
        microphone=Microphone(kind="alsa", source="plughw:CARD=Nowhere"),
        loudspeaker=Loudspeaker(kind="file", source="later/heard"),
    )
    async with cabin(media, tmp_path) as one:
        await until(lambda: (one.status.microphone, one.status.loudspeaker) == ("absent",) * 2)
        assert "plughw:CARD=Nowhere: plug it in" in one.status.detail
        (tmp_path / "later").mkdir()
        await until(lambda: one.status.loudspeaker == "ready")
        assert one.status.microphone == "absent", "each is on its own"
        await until((tmp_path / "later/heard").exists)


async def test_too_much_and_too_large_is_dropped_and_counted() -> None:
    async with cabin() as one:
        voice, silent = one.join(hears=True, speaks=True), one.join(hears=True, speaks=False)
        assert voice is not None
        assert silent is not None
        for number in range(3 * PACKETS_PER_S):
            voice.take(number, number * 960, b"abc")
        assert voice.dropped > PACKETS_PER_S
        silent.take(1, 960, b"abc")
        assert silent.dropped == 1
        await asyncio.sleep(0.1)
        before = voice.dropped
        voice.take(9999, 960, bytes(PACKET_MAX + 1))
        voice.take(9999, 960, b"")
        assert voice.dropped == before + 2


async def test_there_is_a_limit_and_numbers_are_not_used_again_at_once() -> None:
    async with cabin() as one:
        voices = [one.join(hears=True, speaks=True) for _ in range(GUESTS_MAX)]
        assert one.join(hears=True, speaks=True) is None
        for voice in voices[:3]:
            assert voice is not None
            voice.leave()
        again = one.join(hears=True, speaks=True)
        assert again is not None
        again.leave()
        assert one.join(hears=True, speaks=True) is not None
