"""The install command shows what it would change, and changes nothing."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.boot.machine import ROOT

pytestmark = pytest.mark.privileged


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("hub", "/etc/edgebox-hub/credentials/turn-secret"),
        ("box", "/usr/lib/systemd/system/edgebox-bond.service"),
    ],
)
def test_dry_run(tmp_path: Path, kind: str, shown: str) -> None:
    if Path(shown).exists():
        pytest.skip(f"this machine is a {kind}")
    # What apt would install depends on the machine; that it is asked to simulate only does not.
    apt = tmp_path / "apt-get"
    apt.write_text('#!/bin/sh\n[ "$1" = --simulate ] && echo "Inst mosquitto (2.0)"\n')
    apt.chmod(0o755)
    before = {path: path.read_bytes() for path in (Path("/etc/passwd"), Path("/etc/group"))}
    done = subprocess.run(
        [ROOT / "image-build/install.sh", "--dry-run", kind],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "packages: mosquitto" in done.stdout
    assert f"new: {shown}" in done.stdout
    assert "+edgebox:x:" in done.stdout
    assert not Path(shown).exists()
    assert before == {path: path.read_bytes() for path in before}
    assert [path.name for path in tmp_path.iterdir()] == ["apt-get"], "nothing is left behind"


def test_without_a_kind_it_says_how() -> None:
    done = subprocess.run(
        [ROOT / "image-build/install.sh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "install.sh [--dry-run] hub [HUB_NAME PUBLIC_ADDRESS]" in done.stderr
