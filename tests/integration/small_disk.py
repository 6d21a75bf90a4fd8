"""A file system of one megabyte, to be filled."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MOUNT = ("mount", "-t", "tmpfs", "-o", "size=1m", "none")
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Mounted by root, or in a name space of its own where an ordinary user tests."""
    place = directory / "small"
    place.mkdir()
    mounted = not os.geteuid() and not subprocess.run([*MOUNT, str(place)], check=False).returncode
    if mounted:
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        return
    script = f"{' '.join(MOUNT)} '{place}' && echo ready && exec cat"
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
