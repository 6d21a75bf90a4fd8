"""The program as a file: built twice it is the same, and it knows its version."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools/bin/uv"


def build(out: Path, **environment: str) -> Path:
    python = ROOT / ".venv/bin/python"
    options: tuple[str | Path, ...] = ("--quiet", "--wheel", "--python", python, "--out-dir", out)
    kept = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "UV_SYSTEM_CERTS": "1"} | environment
    done = subprocess.run([UV, "build", *options, ROOT], capture_output=True, text=True, env=kept)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.mark.skipif(not UV.exists(), reason="set-up has not been run: make setup")
def test_a_wheel_is_the_same_twice_and_says_its_version(tmp_path: Path) -> None:
    version = {"EDGEBOX_VERSION": "1.4.0-12-gabcdef0"}
    one = build(tmp_path / "one", TZ="UTC", **version)
    two = build(tmp_path / "two", TZ="Asia/Tokyo", LC_ALL="C", **version)
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as wheel:
        assert wheel.read("edgebox/build.txt") == b"1.4.0-12-gabcdef0\n"
        wheel.extractall(tmp_path / "installed")
    said = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", "import edgebox; print(edgebox.__version__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path / "installed",
    )
    assert said.stdout == "1.4.0-12-gabcdef0\n"
