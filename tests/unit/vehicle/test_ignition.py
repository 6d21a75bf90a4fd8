import asyncio
from pathlib import Path

import pytest

from edgebox.config import load
from edgebox.errors import ConfigError, DeviceError
from edgebox.host import gpio
from edgebox.update import plan
from edgebox.vehicle import ignition
from edgebox.vehicle.ignition import Hold


def test_box_goes_off_when_it_was_parked_for_long_enough() -> None:
    hold = Hold(900)
    assert not hold.is_over(ignition=True, live=False, now_at=0)
    assert not hold.is_over(ignition=False, live=False, now_at=10)
    assert not hold.is_over(ignition=False, live=False, now_at=909)
    assert hold.is_over(ignition=False, live=False, now_at=910)


def test_ignition_in_between_begins_anew() -> None:
    hold = Hold(900)
    hold.is_over(ignition=False, live=False, now_at=0)
    hold.is_over(ignition=True, live=False, now_at=899)
    assert not hold.is_over(ignition=False, live=False, now_at=900)
    assert not hold.is_over(ignition=False, live=False, now_at=1799)
    assert hold.is_over(ignition=False, live=False, now_at=1800)


def test_never_while_video_is_on_however_long() -> None:
    hold = Hold(30)
    assert not any(hold.is_over(ignition=False, live=True, now_at=at) for at in range(10_000))
    assert not hold.is_over(ignition=False, live=False, now_at=10_000), "the time begins now"
    assert hold.is_over(ignition=False, live=False, now_at=10_030)


def test_requests_have_the_size_that_the_kernel_knows_them_by() -> None:
    assert gpio.REQUEST.size == gpio.GET_LINE >> 16 & 0x3FFF
    assert gpio.VALUES.size == gpio.GET_VALUES >> 16 & 0x3FFF


def test_chip_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="gpiochip7:3: No such file"):
        gpio.GpioLine(tmp_path / "gpiochip7", 3)


@pytest.mark.parametrize(
    "text",
    [
        "kind = 'gpio'",
        "kind = 'gpio'\nsource = '/run/line'",
        "kind = 'file'",
        "kind = 'file'\nsource = '/dev/gpiochip0:1'",
        "hold_s = 5",
        "hold_s = 90_000",
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "edgebox.toml"
    path.write_text(f"[ignition]\n{text}\n")
    with pytest.raises(ConfigError, match="ignition"):
        load(path)


def test_box_that_would_be_off_before_an_update_may_restart_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edgebox.toml"
    path.write_text("[ignition]\nhold_s = 600\n")
    said = r"ignition\.hold_s: 600 .* more than the 600 .*\[update\]"
    with pytest.raises(ConfigError, match=said):
        load(path)
    path.write_text("[ignition]\nhold_s = 601\n")
    assert load(path).ignition.hold_s > plan.RESTART_FREE_S


async def test_systemd_is_asked_once_the_file_says_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, asked = tmp_path / "line", tmp_path / "asked"
    program = tmp_path / "bin/systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >{asked}.new && mv {asked}.new {asked}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(ignition, "LOOK_EVERY_S", 0.01)
    # The least that a configuration may say is ten minutes.
    monkeypatch.setattr(ignition, "Hold", lambda _: Hold(0.05))
    path = tmp_path / "edgebox.toml"
    path.write_text(f'[ignition]\nkind = "file"\nsource = "{line}"\n')
    line.write_text("1\n")
    live = True
    task = asyncio.create_task(ignition.watch(load(path), lambda: live))
    try:
        await asyncio.sleep(0.2)
        line.write_text("0\n")
        await asyncio.sleep(0.2)
        assert not asked.exists(), "video is on"
        live = False
        async with asyncio.timeout(10):
            while not asked.exists():
                await asyncio.sleep(0.01)
        assert asked.read_text() == "poweroff\n"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
