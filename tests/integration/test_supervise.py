"""The supervisor with real processes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgebox.errors import DeviceError
from edgebox.host.supervise import Program, Supervisor

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


async def until_pid(supervisor: Supervisor, name: str, other_than: int = 0) -> int:
    """The process id under `name` as soon as it is there and a new one."""
    async with asyncio.timeout(10):
        while supervisor.pids.get(name, other_than) == other_than:
            await asyncio.sleep(0.01)
    return supervisor.pids[name]


def is_alive(pid: int) -> bool:
    """Whether such a process runs (proc(5): the state follows the name in parentheses)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_killed_process_comes_back_and_stop_leaves_none(tmp_path: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(Program("one", SLEEP, tmp_path / "log"))
    first = await until_pid(supervisor, "one")
    os.kill(first, signal.SIGKILL)
    second = await until_pid(supervisor, "one", other_than=first)
    await supervisor.stop()
    assert not is_alive(first)
    assert not is_alive(second)
    assert supervisor.restarts == {"one": 1}


async def test_program_that_cannot_start_is_named(tmp_path: Path) -> None:
    supervisor = Supervisor()
    refuse = [sys.executable, "-c", "raise SystemExit('port 80 is taken')"]
    supervisor.start(Program("web", refuse, tmp_path / "log"))
    with pytest.raises(DeviceError, match="web does not start: port 80 is taken"):
        await supervisor.failed()
    await supervisor.stop()


PARENT = """
import asyncio, sys
from pathlib import Path
from edgebox.host.supervise import Program, Supervisor

async def main():
    supervisor = Supervisor()
    supervisor.start(Program("one", sys.argv[2:], Path(sys.argv[1])))
    while "one" not in supervisor.pids:
        await asyncio.sleep(0.01)
    print(supervisor.pids["one"], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log"), *SLEEP], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    async with asyncio.timeout(10):
        while is_alive(child):
            await asyncio.sleep(0.01)
