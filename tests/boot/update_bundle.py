"""The next version of the image in .image/, as a signed bundle: the same system without its
browser, so that it is written in a minute. Made once for each image."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.boot.uml import ROOT

IMAGE = ROOT / ".image"
NEXT = "0.1.0-900000-gabcdef0123"
HEAVY = (
    "usr/lib/chromium",
    "usr/share/chromium",
    "usr/lib/x86_64-linux-gnu/dri",
    "usr/lib/gcc",
    "usr/share/fonts",
    "usr/share/doc",
)
HEAVY_NAMES = ("libLLVM*", "libz3*", "libavcodec*", "libflite*")
SIZE_MB = 1200


def bundles() -> tuple[Path, Path]:
    """Ours, and the same signed by somebody else."""
    key, other = IMAGE / "update-key", IMAGE / "update-key-other"
    stamp = (IMAGE / "system.ext4").stat().st_mtime_ns
    ours, theirs = IMAGE / f"next-{stamp}.raucb", IMAGE / f"next-{stamp}-other.raucb"
    if not theirs.exists():
        for old in IMAGE.glob("next-*"):
            old.unlink()
        rootfs = _rootfs()
        _run(ROOT / "image-build/update-key.sh", other)
        for signer, bundle in ((key, ours), (other, theirs)):
            _run(
                ROOT / "image-build/bundle.sh", rootfs, NEXT, _compatible(),
                signer / "cert.pem", signer / "key.pem", bundle,
                COMPRESSION="lz4",
            )  # fmt: skip
        rootfs.unlink()
    return ours, theirs


def _rootfs() -> Path:
    tree, made = IMAGE / "next-root", IMAGE / "next-rootfs.ext4"
    shutil.rmtree(tree, ignore_errors=True)
    _run("cp", "-al", IMAGE / "root", tree)
    for name in HEAVY:
        shutil.rmtree(tree / name, ignore_errors=True)
    for pattern in HEAVY_NAMES:
        for path in (tree / "usr/lib/x86_64-linux-gnu").glob(pattern):
            path.unlink()
    # A file of its own: the others are the image's.
    release = tree / "usr/lib/os-release"
    lines = release.read_text().splitlines()
    release.unlink()
    kept = [line for line in lines if not line.startswith("IMAGE_VERSION=")]
    release.write_text("\n".join([*kept, f"IMAGE_VERSION={NEXT}"]) + "\n")
    made.unlink(missing_ok=True)
    _run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", "system",
         "-E", "root_owner=0:0", "-d", tree, made, f"{SIZE_MB}M")  # fmt: skip
    shutil.rmtree(tree)
    return made


def _compatible() -> str:
    for line in (IMAGE / "root/usr/lib/os-release").read_text().splitlines():
        if line.startswith("IMAGE_ID="):
            return line.partition("=")[2]
    raise LookupError("the image does not say which machines it fits")


def _run(*command: str | Path, **environment: str) -> None:
    subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        env=os.environ | environment,
    )
