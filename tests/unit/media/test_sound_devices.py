"""Microphones and loudspeakers, ALSA by the real libasound with devices of its own that need no
hardware (alsa-lib, PCM plugins `null` and `file`)."""

import errno
import time
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgebox.config.media import Loudspeaker, Microphone
from edgebox.errors import DeviceError
from edgebox.media.sound.alsa import AHEAD, SILENT_MAX, AlsaLoudspeaker, AlsaMicrophone
from edgebox.media.sound.device import BLOCK, HEADER, SoundGoneError, beep
from edgebox.media.sound.device import Microphone as Source
from edgebox.media.sound.opus import Samples
from edgebox.media.sound.process import Kept, open_loudspeaker, open_microphone

NONE = Path("/nonexistent")


@pytest.fixture
def alsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with ALSA's whole configuration: `speech` reads a file, `out` writes one."""
    (tmp_path / "speech.raw").write_bytes(np.arange(4 * BLOCK, dtype=np.int16).tobytes())
    (tmp_path / "alsa.conf").write_text(
        f"""
        pcm.nothing {{ type null }}
        pcm.speech {{ type file; slave.pcm nothing; file /dev/null; format raw
                      infile "{tmp_path}/speech.raw" }}
        pcm.out {{ type file; slave.pcm nothing; file "{tmp_path}/out.raw"; format raw }}
        pcm.card {{ type hw; card 7; device 0 }}
        """
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "alsa.conf"))
    return tmp_path


def heard(microphone: Source, count: int) -> Samples:
    """So many blocks."""
    blocks: list[Samples] = []
    while len(blocks) < count:
        block = microphone.read()
        if block is not None:
            blocks.append(block)
    return np.concatenate(blocks)


def test_alsa_hears(alsa: Path) -> None:
    microphone = AlsaMicrophone("speech")
    blocks = heard(microphone, 3)
    microphone.close()
    assert np.array_equal(blocks, np.arange(3 * BLOCK, dtype=np.int16))


def test_a_microphone_that_falls_silent_is_gone(
    alsa: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    microphone = AlsaMicrophone("speech")
    library = microphone._library
    silent = SimpleNamespace(
        snd_pcm_readi=lambda *what: -errno.EAGAIN,
        snd_pcm_wait=lambda *what: 0,
        snd_pcm_close=library.snd_pcm_close,
    )
    monkeypatch.setattr(microphone, "_library", silent)
    for _ in range(SILENT_MAX):
        assert microphone.read() is None
    with pytest.raises(SoundGoneError, match="fell silent"):
        microphone.read()
    microphone.close()


def test_alsa_speaks(alsa: Path) -> None:
    loudspeaker = AlsaLoudspeaker("out")
    for number in range(3):
        loudspeaker.write(np.full(BLOCK, number + 1, np.int16))
    loudspeaker.close()
    played = np.frombuffer((alsa / "out.raw").read_bytes(), np.int16)
    assert not played[:AHEAD].any(), "silence in front, for late blocks"
    assert list(played[AHEAD::BLOCK]) == [1, 2, 3]


@pytest.mark.parametrize("name", ["card", "unknown", ""])
def test_a_missing_device_says_what_to_do(alsa: Path, name: str) -> None:
    with pytest.raises(SoundGoneError, match=r"microphone .*plug it in"):
        AlsaMicrophone(name)
    with pytest.raises(SoundGoneError, match=r"loudspeaker .*plug it in"):
        AlsaLoudspeaker(name)


def test_a_device_that_comes_later_is_taken(alsa: Path) -> None:
    configuration = alsa / "alsa.conf"
    text = configuration.read_text()
    configuration.write_text(text.replace("pcm.speech", "pcm.later"))
    kept: Kept[AlsaMicrophone] = Kept(True, lambda: AlsaMicrophone("speech"))
    until(lambda: kept.state == "absent")
    assert "plug it in" in kept.detail
    configuration.write_text(text)
    until(lambda: kept.device is not None)
    assert (kept.state, kept.detail) == ("ready", "")
    kept.lost(SoundGoneError("gone"))
    until(lambda: kept.device is not None)
    assert kept.device is not None
    kept.device.close()


def until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_file_is_heard_in_a_loop(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(np.arange(BLOCK * 3 // 2, dtype=np.int16).tobytes())
    microphone = open_microphone(Microphone(kind="file", source="speech.wav"), tmp_path)
    found = heard(microphone, 3)
    microphone.close()
    assert np.array_equal(found, np.tile(np.arange(BLOCK * 3 // 2, dtype=np.int16), 2))


@pytest.mark.parametrize("content", [None, b"", b"not sound"])
def test_a_file_without_sound_is_said(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "speech.wav").write_bytes(content)
    microphone = open_microphone(Microphone(kind="file", source="speech.wav"), tmp_path)
    with pytest.raises(SoundGoneError, match="no sound in"):
        microphone.read()


def test_what_is_played_is_written_with_its_time(tmp_path: Path) -> None:
    loudspeaker = open_loudspeaker(Loudspeaker(kind="file", source="heard"), tmp_path)
    started = time.time()
    loudspeaker.write(np.ones(BLOCK, np.int16))
    loudspeaker.close()
    data = (tmp_path / "heard").read_bytes()
    head = len(HEADER.format(0))
    assert float(data[:head].decode().split("at_utc=")[1]) == pytest.approx(started, abs=0.1)
    assert len(data) == head + 2 * BLOCK


def test_beeps_come_at_full_seconds() -> None:
    quiet, begins = beep(1000.5, BLOCK), beep(1000.99, BLOCK)
    assert not quiet.any()
    assert not begins[:480].any()
    assert begins[481:].any()


def test_the_tone_keeps_time() -> None:
    microphone = open_microphone(Microphone(kind="tone"), NONE)
    started = time.monotonic()
    for _ in range(10):
        assert len(heard(microphone, 1)) == BLOCK
    assert 0.19 < time.monotonic() - started < 0.4
    microphone.close()


def test_nothing_configured_is_none() -> None:
    kept: Kept[AlsaMicrophone] = Kept(False, lambda: AlsaMicrophone(""))
    assert (kept.state, kept.device) == ("none", None)
    with pytest.raises(DeviceError):
        open_microphone(Microphone(), NONE)
    with pytest.raises(DeviceError):
        open_loudspeaker(Loudspeaker(), NONE)
    open_loudspeaker(Loudspeaker(kind="meter"), NONE).write(np.zeros(BLOCK, np.int16))
