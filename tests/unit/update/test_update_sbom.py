"""The bill of materials: what it says of a made-up image, and that it says the same twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
STATUS = """\
Package: libfoo1
Status: install ok installed
Architecture: arm64
Version: 1:2.0-3+deb12u1
Description: foo
 with a line: that looks like a field

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: old
Status: install ok installed
Architecture: all
Version: 3
"""
DEP5 = "Format: https://x\n\nFiles: *\nLicense: LGPL-2.1+\n text\n\nLicense: Expat\n"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def an_image(root: Path) -> None:
    write(root / "var/lib/dpkg/status", STATUS)
    write(root / "usr/share/doc/libfoo1/copyright", DEP5)
    write(root / "usr/share/doc/old/copyright", "see /usr/share/common-licenses/GPL-2.\n")
    release = 'VERSION_CODENAME=bookworm\nIMAGE_ID=edgebox-test-amd64\nIMAGE_VERSION="1.2.3"\n'
    write(root / "usr/lib/os-release", release)
    site = root / "opt/edgebox/venv/lib/python3.11/site-packages"
    for name, said in (
        ("new_one", "License-Expression: MIT OR Apache-2.0\n"),
        (
            "old.one",
            "License: BSD\n and more\nClassifier: License :: OSI Approved :: BSD License\n",
        ),
        ("mute", ""),
        ("edgebox", ""),
    ):
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{said}\n"
        write(site / f"{name}-1.0.dist-info/METADATA", text)


def made(root: Path, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    program = [sys.executable, str(ROOT / "image-build/sbom.py"), *words, str(out)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "EDGEBOX_VERSION": "1.2.3"}
    subprocess.run(program, check=True, capture_output=True, env=environment)
    licences = out.with_name(f"{out.name}.licences.txt").read_text()
    return json.loads(out.with_name(f"{out.name}.cdx.json").read_text()), licences


def test_an_image_names_all_its_parts_and_their_licences(tmp_path: Path) -> None:
    an_image(tmp_path / "root")
    found, licences = made(tmp_path, tmp_path / "out/image", "image", str(tmp_path / "root"))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["version"] == "1.2.3"
    assert found["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    parts = {
        one["name"]: (one["purl"], [each["license"]["name"] for each in one["licenses"]])
        for one in found["components"]
    }
    assert parts == {
        "libfoo1": (
            "pkg:deb/debian/libfoo1@1%3A2.0-3%2Bdeb12u1?arch=arm64&distro=bookworm",
            ["Expat", "LGPL-2.1+"],
        ),
        "old": ("pkg:deb/debian/old@3?arch=all&distro=bookworm", ["GPL-2"]),
        "new-one": ("pkg:pypi/new-one@1.0", ["MIT OR Apache-2.0"]),
        "old-one": ("pkg:pypi/old-one@1.0", ["BSD License"]),
        "mute": ("pkg:pypi/mute@1.0", ["not said"]),
    }
    assert "GPL-2\n    old 3 (debian)\n" in licences
    again = made(tmp_path, tmp_path / "again/image", "image", str(tmp_path / "root"))
    assert again == (found, licences)


def test_the_program_names_what_its_lock_file_pins(tmp_path: Path) -> None:
    an_image(tmp_path / "root")
    lock = tmp_path / "lock.txt"
    lock.write_text("new_one==1.0 \\\n    --hash=sha256:00\nmute==1.0 ; python_version > '3'\n")
    site = tmp_path / "root/opt/edgebox/venv/lib/python3.11/site-packages"
    found, _ = made(tmp_path, tmp_path / "out/edgebox", "wheel", str(lock), str(site))
    assert [one["name"] for one in found["components"]] == ["mute", "new-one"]


def test_versions_are_those_of_git(tmp_path: Path) -> None:
    program = ROOT / "image-build/version.sh"
    copy = tmp_path / "image-build/version.sh"
    write(copy, program.read_text())
    copy.chmod(0o755)
    write(tmp_path / "pyproject.toml", 'version = "0.1.0"\n')

    def version(**environment: str) -> str:
        kept = {k: v for k, v in os.environ.items() if k != "EDGEBOX_VERSION"}
        kept |= {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)} | environment
        done = subprocess.run([copy], check=True, capture_output=True, text=True, env=kept)
        return done.stdout.strip()

    def git(*words: str) -> None:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    assert version() == "0.1.0"
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert version().startswith("0.1.0-1-g")
    git("tag", "-a", "v1.4.0", "-m", "r")
    assert version() == "1.4.0"
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert version().startswith("1.4.0-1-g")
    assert version(EDGEBOX_VERSION="9.9.9") == "9.9.9"
