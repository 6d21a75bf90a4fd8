"""A small file system, to be filled."""

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@contextlib.contextmanager
def small_disk(directory: Path, megabytes: int = 1) -> Iterator[Path]:
    """Mounted by root, or in a name space of its own where an ordinary user tests."""
    place = directory / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    mounted = not os.geteuid() and not subprocess.run(mount, check=False).returncode
    if mounted:
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        return
    script = f"{shlex.join(mount)} && echo ready && exec cat"
    with subprocess.Popen(
        [*NAMESPACE, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        if holder.stdout.readline() != b"ready\n":
            pytest.skip("neither root nor name spaces may mount here")
        try:
            yield Path(f"/proc/{holder.pid}/root{place}")
        finally:
            holder.stdin.close()
