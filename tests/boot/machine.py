"""A Debian that systemd really boots, with the units of box or hub, in a container of its own.

The root file system is made once (mmdebstrap) and kept below .tools; each machine is a copy.
Needs root. Its network holds loopback only, so nothing it does is seen outside.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from edgebox.sim import pki

ROOT = Path(__file__).parents[2]
LISTS = {"box": "run.txt", "hub": "hub.txt"}
BASE = ("systemd", "systemd-sysv", "dbus", "python3", "iproute2", "procps")
T = TypeVar("T")
READY_S = 60.0
STOP_S = 30.0
SOURCE = "/opt/edgebox/source"
LIBRARIES = "/opt/edgebox/libraries"
LOOPBACK = """
[[bond.link]]
name = "lo"
source = "127.0.0.1"
"""
CAMERA = """
[[media.camera]]
id = "test"
name = "Test"
kind = "pattern"
width = 320
height = 180
fps = 10
"""


def base_system(kind: str) -> Path:
    """The root file system of a `box` or `hub`, made when its package list is new."""
    text = (ROOT / "image-build/packages" / LISTS[kind]).read_text()
    names = [*BASE, *(line.split("#")[0].strip() for line in text.splitlines())]
    packages = ",".join(sorted({name for name in names if name}))
    release = _release()
    digest = hashlib.sha256(f"{release} {packages}".encode()).hexdigest()[:12]
    found = ROOT / ".tools" / f"rootfs-{digest}"
    if not found.exists():
        making = found.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        making.parent.mkdir(exist_ok=True)
        command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", release, str(making)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        making.rename(found)
    return found


def _release() -> str:
    """Same as here: the virtual environment belongs to this release's Python."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2]
    raise LookupError("no VERSION_CODENAME in /etc/os-release")


class Machine:
    """One that is booted."""

    def __init__(self, root: Path, process: "subprocess.Popen[bytes]"):
        self.root = root
        self._process = process
        self._leader: int = self._until(self._find_leader, "a first process") or 0

    def run(self, *command: str, check: bool = True) -> str:
        """Output of a command inside."""
        prefix = ["nsenter", "-t", str(self._leader), "-a"]
        done = subprocess.run(
            [*prefix, *command], check=check, capture_output=True, text=True, errors="replace"
        )
        return done.stdout.strip()

    def show(self, unit: str, what: str) -> str:
        """A property of a unit, systemctl(1)."""
        return self.run("systemctl", "show", "--value", f"--property={what}", unit)

    def until_active(self, *units: str, timeout_s: float = READY_S) -> None:
        """Until all of them run. Raises TimeoutError with what the one that does not run said."""
        for unit in units:

            def is_active(unit: str = unit) -> bool:
                return self.show(unit, "ActiveState") == "active"

            try:
                self._until(is_active, f"{unit} to run", timeout_s)
            except TimeoutError as error:
                raise TimeoutError(f"{error}:\n{self.journal(unit)[-2000:]}") from error

    def until(self, wanted: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
        """Until it is so."""
        self._until(wanted, what, timeout_s)

    def journal(self, unit: str) -> str:
        """What a unit said."""
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def power_off(self) -> None:
        """As a button does; what does not end is ended. systemd(1), SIGRTMIN+4."""
        os.kill(self._leader, signal.SIGRTMIN + 4)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            # The first process of its name space: all others end with it.
            os.kill(self._leader, signal.SIGKILL)
            self._process.wait()

    def _find_leader(self) -> int | None:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found = children.read_text().split()
        if not found:
            return None
        leader = int(found[0])
        # systemd is there when its bus is.
        ready = Path(f"/proc/{leader}/root/run/systemd/private")
        return leader if ready.exists() else None

    def _until(self, look: Callable[[], T], what: str, timeout_s: float = READY_S) -> T:
        deadline_at = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                if found := look():
                    return found
            if time.monotonic() > deadline_at:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}")
            time.sleep(0.05)


def _environment(directory: Path) -> None:
    """As in a vehicle, made of what is here: units see neither /home nor /tmp."""
    packages = directory / f"lib/python{sysconfig.get_python_version()}/site-packages"
    packages.mkdir(parents=True)
    (packages / "edgebox.pth").write_text(f"{LIBRARIES}\n{SOURCE}\n")
    (directory / "bin").mkdir()
    (directory / "bin/python3").symlink_to("/usr/bin/python3")
    (directory / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    program = directory / "bin/edgebox"
    program.write_text(
        "#!/opt/edgebox/venv/bin/python3\nfrom edgebox.__main__ import main\n\nmain()\n"
    )
    program.chmod(0o755)


def box_system(directory: Path, *arguments: str, links: str = LOOPBACK) -> Path:
    """Root of a box with one camera. `arguments`: of install-box.sh. `links`: as TOML."""
    root = _system(directory / "box", "box", *arguments)
    with (root / "etc/edgebox/edgebox.toml").open("a") as file:
        file.write(links + CAMERA)
    name = arguments[0] if arguments else "box-1"
    tls = pki.box_credentials(directory / "pki", name)
    credentials = root / "etc/edgebox/credentials"
    shutil.copy(tls.ca, credentials / "fleet-ca.pem")
    identity = credentials / "identity.pem"
    identity.write_bytes(tls.certificate.read_bytes() + tls.private_key.read_bytes())
    return root


def hub_system(directory: Path, *arguments: str) -> Path:
    """Root of a hub. `arguments`: of install-hub.sh."""
    root = _system(directory / "hub", "hub", *arguments)
    tls = pki.hub_credentials(directory / "pki", arguments or ("hub.example.org",))
    credentials = root / "etc/edgebox-hub/credentials"
    shutil.copy(tls.ca, credentials / "fleet-ca.pem")
    shutil.copy(tls.certificate, credentials / "hub.pem")
    shutil.copy(tls.private_key, credentials / "hub.key")
    return root


def _system(root: Path, kind: str, *arguments: str) -> Path:
    root.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", f"{base_system(kind)}/.", root], check=True)
    _environment(root / "opt/edgebox/venv")
    script = ROOT / f"image-build/install-{kind}.sh"
    subprocess.run([script, root, *arguments], check=True, capture_output=True)
    return root


@contextlib.contextmanager
def booted(root: Path, network: str = "") -> Iterator[Machine]:
    """It runs until the block ends; then its root is gone.

    `network`: path of the name space it lives in; without, its network holds loopback only.
    """
    command = [
        "systemd-nspawn", "--quiet", "--directory", str(root), "--boot", "--register=no",
        "--keep-unit", "--console=pipe", "--kill-signal=SIGRTMIN+3",
        f"--network-namespace-path={network}" if network else "--private-network",
    ]  # fmt: skip
    for here, there in ((str(ROOT), SOURCE), (sysconfig.get_path("purelib"), LIBRARIES)):
        command.append("--bind-ro=" + here.replace(":", "\\:") + ":" + there)
    process = subprocess.Popen(
        command,
        env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    machine = Machine(root, process)
    try:
        yield machine
    finally:
        machine.power_off()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    # Before the tests: no test's time limit holds for the packages of a whole system.
    with ThreadPoolExecutor() as pool:
        list(pool.map(base_system, LISTS))
