"""The command line as a person meets it: what it refuses, how the demo starts and ends."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo import demo, free_ports

EDGEBOX = [sys.executable, "-m", "edgebox"]


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        [*EDGEBOX, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, **environment},
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """What a refusal says: one line on stderr, exit code 2."""
    assert result.returncode == 2, result
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_unknown_key_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text("[media]\nbitrate_max_bps = 2000000\nbitrate_mx_bps = 1\n")
    said = one_line(run("check-config", "--config", str(path)))
    assert f"{path}:3: media.bitrate_mx_bps: unknown key" in said
    assert "bitrate_max_bps" in said


def test_missing_file_is_named() -> None:
    assert "/nowhere/box.toml" in one_line(run("run", "bond", "--config", "/nowhere/box.toml"))


def test_demo_says_which_camera_it_cannot_find() -> None:
    said = one_line(run("demo", "--camera", "/nowhere/film.mp4"))
    assert "--camera /nowhere/film.mp4: no such file" in said


@pytest.mark.parametrize(
    ("present", "said"),
    [((), "apt install coturn"), (("turnserver",), "apt install mosquitto")],
)
def test_demo_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], said: str
) -> None:
    for name in present:
        (tmp_path / name).symlink_to("/bin/true")
    code = (
        "from edgebox.host import daemons; daemons.SYSTEM_DIRECTORIES = '/nowhere'; "
        "import sys; sys.argv = ['edgebox', 'demo', '--port', sys.argv[1]]; "
        "from edgebox.__main__ import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(free_ports())],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert said in one_line(result)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_demo_goes_on_beside_a_refused_one_and_leaves_nothing(
    number: signal.Signals,
) -> None:
    async with demo() as running:
        port = running.panel.rstrip("/").rpartition(":")[2]
        second = await asyncio.to_thread(run, "demo", "--port", port)
        assert f"port {port} (panel) is in use" in one_line(second)
        pids = running.pids()
        assert set(pids) >= {"bond", "media", "panel", "mosquitto"}
        command = Path(f"/proc/{pids['bond']}/cmdline").read_bytes().split(b"\0")
        directory = Path(command[-2].decode()).parent
        assert directory.is_dir()
        running.process.send_signal(number)
        output, _ = await asyncio.wait_for(running.process.communicate(), 20)
        assert running.process.returncode == 0
        assert b"Traceback" not in output
        assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
        assert not directory.exists()
