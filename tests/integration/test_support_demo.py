"""The self-test and the bundle of the whole demo, by command, as a technician at the box does."""

import asyncio
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.demo import RunningDemo, demo

pytestmark = [pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(180)]


async def edgebox(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edgebox", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def self_test(running: RunningDemo) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Exit code, grades by code, and all of it."""
    code, said = await edgebox("self-test", "--json", "--config", str(running.configuration()))
    test = json.loads(said)
    return code, {one["code"]: one["grade"] for one in test["findings"]}, test


async def until_found(running: RunningDemo, code: str) -> tuple[int, dict[str, str]]:
    """Test again until `code` is found."""
    while True:
        exit_code, found, _ = await self_test(running)
        if code in found:
            return exit_code, found


async def until_tried(running: RunningDemo, checks: set[str]) -> dict[str, Any]:
    """Test again until nothing of `checks` is untested: a monitor is, until it has connected.

    A demo that is still starting is never red.
    """
    while True:
        exit_code, _, test = await self_test(running)
        assert exit_code == 0, test["findings"]
        if not checks & {one["check"] for one in test["findings"] if one["grade"] == "untested"}:
            return test


async def test_demo_is_well_until_something_is_broken(tmp_path: Path) -> None:
    async with demo() as running:
        tried = {"turn", "hub", "bond", "link", "camera", "modem", "clock", "monitor"}
        test = await until_tried(running, tried)
        assert test["grade"] == "good", test["findings"]
        running.set_link("lte-1", cut=True)
        exit_code, found = await until_found(running, "link.down")
        assert (exit_code, found["link.down"]) == (0, "attention")
        for name in ("lte-2", "nr-1"):
            running.set_link(name, cut=True)
        exit_code, found = await until_found(running, "bond.down")
        assert (exit_code, found["bond.down"]) == (1, "fault")
        path = tmp_path / "bundle.tar.gz"
        exit_code, _ = await edgebox("support-bundle", str(path), "--config",
                                     str(running.configuration()))  # fmt: skip
        assert exit_code == 0
        assert path.stat().st_mode & 0o077 == 0
        assert_tells_and_keeps(path, running.configuration().parent)


def assert_tells_and_keeps(path: Path, directory: Path) -> None:
    """The bundle tells of the cut links and of no secret of the demo."""
    secret = (directory / "turn-secret").read_text().strip()
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        texts = {
            entry.name: file.read().decode()
            for entry in archive.getmembers()
            if (file := archive.extractfile(entry)) is not None
        }
    assert '"code": "bond.down"' in texts["edgebox/selftest.json"]
    assert "edgebox/logs/bond.txt" in texts
    assert not [name for name, text in texts.items() if secret in text]
    assert not [name for name, text in texts.items() if "-----BEGIN" in text]
