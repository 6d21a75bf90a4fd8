"""What an update costs: size of the whole system's bundle; fetch and check on this machine, and
installation and restart in user-mode Linux, of one without the browser, which takes less time.
`python -m bench.update` (root, after `make image`; twenty minutes).

User-mode Linux on this machine's disk: times of a Raspberry Pi's card are others.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import web

from edgebox.host.rauc import Rauc
from edgebox.hub import update_serve
from edgebox.hub.update_files import bundle_path
from edgebox.messages.update import Release
from edgebox.sim.ports import free_port
from edgebox.update import bundle
from edgebox.update.download import download
from tests.boot.test_update_image import install, restart, started, version
from tests.boot.uml import IMAGE, ROOT, Disk
from tests.boot.update_bundle import NEXT, bundles


async def fetch(path: Path, directory: Path) -> tuple[float, float]:
    """Seconds to fetch it over loopback, and to check hash and signature."""
    release = Release(
        sha256=bundle.sha256_of(path),
        version=NEXT,
        size_bytes=path.stat().st_size,
        url="https://replaced",
    )
    bundle_path(directory, release.sha256).symlink_to(path)
    port = free_port()
    signer, app = update_serve.Signer(f"http://127.0.0.1:{port}"), web.Application()
    update_serve.add_routes(app, signer, directory)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        url = signer.url("box-1", release.sha256, time.time())
        target = directory / "fetched"
        began_at = time.monotonic()
        offered = Release(
            sha256=release.sha256, version=NEXT, size_bytes=release.size_bytes, url=url
        )
        await download(offered, target, None, lambda have: None)
        fetched_at = time.monotonic()
        rauc = Rauc(arguments=("--keyring", str(IMAGE.parent / "update-key/cert.pem")))
        refused = await bundle.check(
            rauc, target, offered, running="0.0.1", compatible=_compatible()
        )
        assert not refused, refused
        return fetched_at - began_at, time.monotonic() - fetched_at
    finally:
        await runner.cleanup()


def _compatible() -> str:
    text = (IMAGE.parent / "root/usr/lib/os-release").read_text()
    return next(
        line.partition("=")[2] for line in text.splitlines() if line.startswith("IMAGE_ID=")
    )


def whole_mb(directory: Path) -> float:
    """As it is published, packed by xz."""
    made, key = directory / "whole.raucb", IMAGE.parent / "update-key"
    subprocess.run(
        [
            ROOT / "image-build/bundle.sh", IMAGE.parent / "system.ext4", NEXT, _compatible(),
            key / "cert.pem", key / "key.pem", made,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made.stat().st_size / 1e6


def boot_and_install(path: Path, directory: Path) -> tuple[float, float]:
    """Seconds to install, and from asking for the restart until the new system answers."""
    disk = Disk.new(directory)
    with started(disk, path.parent) as box:
        began_at = time.monotonic()
        wrong = install(box, path)
        assert not wrong, wrong
        installed_s = time.monotonic() - began_at
        began_at = time.monotonic()
        restart(box)
    with started(disk, path.parent) as box:
        assert version(box) == NEXT
        return installed_s, time.monotonic() - began_at


def main() -> None:
    """Print it."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if not IMAGE.exists():
        sys.exit("there is no image: make image")
    with tempfile.TemporaryDirectory(dir=IMAGE.parent) as name:
        print(f"bundle of the whole system: {whole_mb(Path(name)):.0f} MB", flush=True)
    ours, _ = bundles()
    print(f"bundle without the browser, packed by lz4: {ours.stat().st_size / 1e6:.0f} MB")
    with tempfile.TemporaryDirectory() as name:
        fetched_s, checked_s = asyncio.run(fetch(ours, Path(name)))
        print(f"fetched over loopback: {fetched_s:.1f} s, checked: {checked_s:.1f} s")
        installed_s, restarted_s = boot_and_install(ours, Path(name))
        print(f"installed: {installed_s:.0f} s, restarted: {restarted_s:.0f} s")


if __name__ == "__main__":
    main()
