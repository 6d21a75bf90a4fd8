"""The boot backend as RAUC calls it: only a proved system becomes the default."""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "image-build/overlay/usr/lib/edgebox/boot-slot"
FLASHED = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"


class Slots:
    """A boot partition in a directory."""

    def __init__(self, directory: Path):
        self.file = directory / "autoboot.txt"
        self.file.write_text(FLASHED)

    def call(self, *words: str) -> str:
        """What it prints. Raises subprocess.CalledProcessError."""
        environment = os.environ | {"EDGEBOX_BOOTCONFIG": str(self.file.parent)}
        done = subprocess.run(
            [PROGRAM, *words], check=True, capture_output=True, text=True, env=environment
        )
        return done.stdout.strip()

    def starts(self) -> tuple[str, str]:
        """What the firmware starts, and what it starts when it is asked to try."""
        text = self.file.read_text()
        assert len(text) <= 512, "the firmware reads no more"
        found = re.search(
            r"^\[all\]\ntryboot_a_b=1\nboot_partition=([23])\n\[tryboot\]\nboot_partition=([23])\n\Z",
            text,
            re.MULTILINE,
        )
        assert found
        return "ab"[int(found[1]) - 2], "ab"[int(found[2]) - 2]


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path)


def test_an_update_from_its_installation_to_its_confirmation(slots: Slots) -> None:
    assert (slots.call("get-primary"), slots.call("get-state", "a")) == ("a", "good")
    slots.call("set-state", "b", "bad")  # RAUC begins to write
    slots.call("set-primary", "b")  # it has written all
    assert (slots.call("get-primary"), slots.call("get-state", "b")) == ("b", "bad")
    assert slots.starts() == ("a", "b")
    slots.call("set-state", "b", "good")
    assert slots.starts() == ("b", "a")
    assert (slots.call("get-primary"), slots.call("get-state", "a")) == ("b", "good")


def test_what_is_given_up_is_not_started_again(slots: Slots) -> None:
    slots.call("set-primary", "b")
    slots.call("set-state", "b", "bad")
    assert slots.call("get-primary") == "a"
    assert slots.starts()[0] == "a"


def test_only_good_moves_the_default_whatever_comes(slots: Slots) -> None:
    chosen = random.Random(7)
    proved = "a"
    for _ in range(25):
        slot = chosen.choice("ab")
        words = chosen.choice(
            (("set-primary", slot), ("set-state", slot, "bad"), ("set-state", slot, "good"))
        )
        slots.call(*words)
        if words[-1] == "good":
            proved = slot
        first, second = slots.starts()
        assert first == proved
        assert second != proved
        assert slots.call("get-primary") in "ab"


@pytest.mark.parametrize(
    "words",
    [("set-primary", "c"), ("set-state", "b", "maybe"), ("get-state", ""), ("x",), ()],
)
def test_nonsense_changes_nothing(slots: Slots, words: tuple[str, ...]) -> None:
    before = slots.file.read_text()
    with pytest.raises(subprocess.CalledProcessError):
        slots.call(*words)
    assert slots.file.read_text() == before


@pytest.mark.parametrize("on_pi", [True, False])
def test_a_try_is_asked_for_as_the_machine_wants_it(slots: Slots, on_pi: bool) -> None:
    """What systemctl is told; a stand-in for it says so."""
    directory = slots.file.parent
    asked, firmware = directory / "asked", directory / "bootloader"
    (directory / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{asked}\n')
    (directory / "systemctl").chmod(0o755)
    if on_pi:
        firmware.touch()
    environment = os.environ | {
        "EDGEBOX_BOOTCONFIG": str(directory),
        "EDGEBOX_FIRMWARE": str(firmware),
        "PATH": f"{directory}:{os.environ['PATH']}",
    }
    subprocess.run([PROGRAM, "restart"], check=True, env=environment)
    assert asked.read_text() == "reboot\n", "nothing new: what is proved is started"
    assert not (directory / "tryboot").exists()
    slots.call("set-primary", "b")
    subprocess.run([PROGRAM, "restart"], check=True, env=environment)
    words = asked.read_text().splitlines()[-1]
    assert words == ("reboot --reboot-argument=0 tryboot" if on_pi else "reboot")
    assert (directory / "tryboot").exists() is not on_pi


@pytest.mark.parametrize("text", ["", "[all]\n", "rubbish", "[all]\nboot_partition=7\n"])
def test_a_damaged_file_is_not_made_up(slots: Slots, text: str) -> None:
    slots.file.write_text(text)
    for words in (("get-primary",), ("set-primary", "b"), ("set-state", "b", "good")):
        with pytest.raises(subprocess.CalledProcessError):
            slots.call(*words)
    assert slots.file.read_text() == text
