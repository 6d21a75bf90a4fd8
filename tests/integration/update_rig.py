"""Signed bundles by the real RAUC, and a RAUC whose systems are two words in a file."""

import shutil
import stat
import subprocess
from pathlib import Path

from edgebox.host.rauc import Rauc

ROOT = Path(__file__).parents[2]
COMPATIBLE = "edgebox-test-amd64"

STAND_IN = """\
#!/bin/sh
# `info` is the real one; the two systems are the files `booted` and `state` beside this.
here=$(dirname "$0")
case "$1 ${2:-}" in
    "info "*) exec rauc --keyring "$here/key/cert.pem" "$@" ;;
    "install "*)
        echo "  0% Installing"
        echo "installing" >>"$here/log"
        sleep "$(cat "$here/install-s" 2>/dev/null || echo 0)"
        [ ! -e "$here/broken" ] || { echo "LastError: no space on the slot"; exit 1; }
        echo " 60% Copying image"
        echo "100% Installing done."
        echo pending >"$here/state" ;;
    "status mark-good") echo good >"$here/state"; echo marked-good >>"$here/log" ;;
    "status mark-active") echo good >"$here/state"; echo marked-active >>"$here/log" ;;
    "status mark-bad") echo bad >"$here/state"; echo marked-bad >>"$here/log" ;;
    "status "*)
        state=good
        [ ! -e "$here/state" ] || state=$(cat "$here/state")
        [ "$state" != pending ] || [ ! -e "$here/booted" ] || state=bad
        [ "$state" != pending ] || state=good
        printf '{"boot_primary":"rootfs.0","slots":[{"rootfs.0":{"bootname":"a",'
        printf '"state":"booted","boot_status":"%s"}}]}' "$state" ;;
    *) exit 2 ;;
esac
"""


class Bench:
    """Where bundles are signed. `key/` is believed, `other/` is somebody else's."""

    def __init__(self, directory: Path):
        self.directory = directory
        for name in ("key", "other"):
            self._run("update-key.sh", str(directory / name))
        self.keyring = directory / "key/cert.pem"
        self.program = directory / "rauc-stand-in"
        self.program.write_text(STAND_IN)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def rauc(self) -> Rauc:
        """The stand-in."""
        return Rauc(str(self.program))

    @property
    def real(self) -> Rauc:
        """The program itself, with our keyring."""
        return Rauc(arguments=("--keyring", str(self.keyring)))

    @property
    def log(self) -> list[str]:
        """What was asked of the stand-in."""
        path = self.directory / "log"
        return path.read_text().split() if path.exists() else []

    def bundle(
        self,
        version: str,
        *,
        signer: str = "key",
        compatible: str = COMPATIBLE,
        kilobytes: int = 64,
    ) -> Path:
        """A bundle whose root file system is noise."""
        rootfs = self.directory / "rootfs.img"
        with Path("/dev/urandom").open("rb") as noise:
            rootfs.write_bytes(noise.read(kilobytes * 1024))
        made = self.directory / f"{version}-{signer}-{compatible}.raucb"
        keys = self.directory / signer
        self._run(
            "bundle.sh", str(rootfs), version, compatible,
            str(keys / "cert.pem"), str(keys / "key.pem"), str(made),
        )  # fmt: skip
        return made

    def _run(self, script: str, *words: str) -> None:
        done = subprocess.run(
            [str(ROOT / "image-build" / script), *words], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def missing() -> str:
    """Which program is not here; empty: all are."""
    wanted = ("rauc", "mksquashfs", "openssl")
    return next((name for name in wanted if shutil.which(name) is None), "")
