"""A box's image, booted in user-mode Linux: a whole disk, as the Raspberry Pi's firmware does it.

    disk = Disk.new(directory)             a copy of .image/box.img, as if freshly flashed
    with running(disk) as box:
        box.until_active("edgebox-panel.service")
        box.run("cat", "/etc/os-release")
        box.cut_power()                    the plug is pulled

The firmware's part: `autoboot.txt` of the first partition names the boot partition, `cmdline.txt`
in there what the kernel is told (Raspberry Pi documentation, "autoboot.txt"). A try (`tryboot`) is
good for one start: on a Raspberry Pi an argument of reboot(2), here a file `tryboot` beside
autoboot.txt.

Commands run in a root shell of systemd's own (`systemd.debug_shell`, tty9), which is a socket
outside: nothing is put into the image for it. Needs root when it has a network.
"""

import base64
import configparser
import contextlib
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / ".image/box.img"
PROGRAM = "linux.uml"
STATE_SOURCE = Path(__file__).with_name("uml_xstate.c")
"""Says why it is needed."""
READY_S = 120.0
ANSWER_S = 60.0
ASK_AGAIN_S, SILENT_S = 8.0, 1.0
SHELL_STARTED = "debug-shell"
"""systemd names it on the console."""
STOP_S = 60.0
MEMORY_MB = 1536
BOOTCONFIG, DATA = 1, 6
"""Numbers of partitions; image-build/disk.sh makes them."""
PREPARE = 'init=/bin/sh -- -c "{} exec /sbin/init"'


class Disk:
    """A file that is a whole disk."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def new(cls, directory: Path, *, image: Path = IMAGE, extra_mb: int = 0) -> "Disk":
        """A flashed one, `extra_mb` larger than the image. Its name is box.img."""
        path = directory / "box.img"
        subprocess.run(["cp", "--sparse=auto", image, path], check=True)
        if extra_mb:
            os.truncate(path, path.stat().st_size + extra_mb * 1024 * 1024)
        return cls(path)

    def place(self, number: int) -> tuple[int, int]:
        """Begin and size of a partition in bytes."""
        done = subprocess.run(["sfdisk", "--json", self.path], check=True, capture_output=True)
        table = json.loads(done.stdout)["partitiontable"]
        part = next(one for one in table["partitions"] if one["node"].endswith(f"img{number}"))
        return int(part["start"]) * 512, int(part["size"]) * 512

    def read_file(self, partition: int, name: str) -> str:
        """Of a FAT partition; empty for one that is not there."""
        done = self._mtools("mtype", partition, f"::{name}")
        return done.stdout.decode() if done.returncode == 0 else ""

    def remove_file(self, partition: int, name: str) -> None:
        """Of a FAT partition."""
        self._mtools("mdel", partition, f"::{name}")

    def _mtools(
        self, program: str, partition: int, *words: str
    ) -> "subprocess.CompletedProcess[bytes]":
        begin, _ = self.place(partition)
        command = [program, "-i", f"{self.path}@@{begin}", *words]
        return subprocess.run(command, check=False, capture_output=True)

    def boot_partition(self) -> int:
        """What the firmware starts now; a try is used up by that."""
        settings = configparser.ConfigParser()
        settings.read_string(self.read_file(BOOTCONFIG, "autoboot.txt"))
        tried = bool(self._mtools("mdir", BOOTCONFIG, "::tryboot").returncode == 0)
        if tried:
            self.remove_file(BOOTCONFIG, "tryboot")
        section = settings["tryboot" if tried and "tryboot" in settings else "all"]
        return section.getint("boot_partition", 2)

    def cmdline(self) -> str:
        """What the firmware tells the kernel."""
        return self.read_file(self.boot_partition(), "cmdline.txt").strip()

    def write(self, partition: int, offset: int, data: bytes) -> None:
        """Bytes into a partition: damage, for the most part."""
        begin, size = self.place(partition)
        assert offset + len(data) <= size
        with self.path.open("r+b") as file:
            file.seek(begin + offset)
            file.write(data)


class PoweredOffError(Exception):
    """The machine has ended."""


class Box:
    """One that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", shell: socket.socket, log: Path):
        self.process = process
        self._shell = shell
        self._log = log
        self._got = b""

    def console(self) -> str:
        """What kernel and systemd wrote."""
        return self._log.read_text(errors="replace")

    def run(self, *command: str, check: bool = True, timeout_s: float = ANSWER_S) -> str:
        """Output of a command inside. Raises subprocess.CalledProcessError, with what it said."""
        return self.sh(shlex.join(command), check=check, timeout_s=timeout_s)

    def sh(self, text: str, *, check: bool = True, timeout_s: float = ANSWER_S) -> str:
        """The same for a script of sh(1)."""
        mark = secrets.token_hex(8)
        script = base64.b64encode(text.encode()).decode()
        wrapped = (
            f"echo {script} | base64 -d >/run/.asked;"
            " sh /run/.asked </dev/null >/run/.said 2>/run/.erred;"
            f' echo "{mark[:8]}""{mark[8:]}:$?:'
            '$(base64 -w 0 /run/.said):$(base64 -w 0 /run/.erred);"\n'
        )
        self._shell.sendall(wrapped.encode())
        code, said, erred = self._answer(mark, timeout_s)
        if check and code != 0:
            raise subprocess.CalledProcessError(code, text, said, erred)
        return said.strip()

    def _answer(self, mark: str, timeout_s: float) -> tuple[int, str, str]:
        deadline_at = time.monotonic() + timeout_s
        begin = mark.encode() + b":"
        while True:
            _, found, rest = self._got.partition(begin)
            if found and b";" in rest:
                answer, _, self._got = rest.partition(b";")
                code, said, erred = answer.split(b":")
                return int(code), _text(said), _text(erred)
            self._receive(deadline_at)

    def _receive(self, deadline_at: float) -> None:
        if time.monotonic() > deadline_at:
            raise TimeoutError("no answer")
        self._shell.settimeout(max(0.01, deadline_at - time.monotonic()))
        try:
            got = self._shell.recv(65_536)
        except ConnectionResetError:
            got = b""
        if not got:
            raise PoweredOffError(self.console()[-3000:])
        self._got += got

    def until_up(self, timeout_s: float = READY_S) -> None:
        """Until its shell answers; a plain one from then on, which neither edits nor repeats."""
        deadline_at = time.monotonic() + timeout_s
        # What is typed before there is a shell comes in pieces, or not at all.
        while SHELL_STARTED not in self.console():
            if self.process.poll() is not None:
                raise PoweredOffError(self.console()[-3000:])
            if time.monotonic() > deadline_at:
                raise TimeoutError(f"no shell:\n{self.console()[-3000:]}")
            time.sleep(0.1)
        # What is typed before systemd has put the terminal in order for its shell comes in pieces
        # or not at all: nothing of it may open a quotation, or put another shell in its place.
        first = secrets.randbelow(10**15) + 10**15
        while str(first + 1).encode() not in self._got:
            if time.monotonic() > deadline_at:
                raise TimeoutError(f"no answer:\n{self._got!r}\n{self.console()[-3000:]}")
            self._shell.sendall(f"\nexpr {first} + 1\n".encode())
            self._hear(str(first + 1), time.monotonic() + ASK_AGAIN_S)
        # Everything that was typed has been read when nothing more is said.
        while self._hear("", time.monotonic() + SILENT_S):
            pass
        second = first + 10**15
        plain = f"export PS1= PS2=; stty raw -echo; expr {second} + 1; exec sh\n"
        self._shell.sendall(plain.encode())
        while not self._hear(str(second + 1), deadline_at):
            if time.monotonic() > deadline_at:
                raise TimeoutError(f"no plain shell:\n{self._got!r}")
        self.run("true", timeout_s=timeout_s)

    def _hear(self, wanted: str, until_at: float) -> bool:
        """Whether more was said, and `wanted` is in what was said by now."""
        try:
            while True:
                self._receive(until_at)
                if wanted.encode() in self._got:
                    return True
        except TimeoutError:
            return False

    def show(self, unit: str, what: str) -> str:
        """A property of a unit, systemctl(1)."""
        return self.run("systemctl", "show", "--value", f"--property={what}", unit)

    def journal(self, unit: str) -> str:
        """What a unit said."""
        return self.run("journalctl", "--no-pager", "-b", "-o", "cat", "-u", unit)

    def until_active(self, *units: str, timeout_s: float = READY_S) -> None:
        """Until all of them run. Raises TimeoutError with what the one that does not run said."""
        for unit in units:
            try:
                self.until(
                    lambda unit=unit: self.show(unit, "ActiveState") == "active",  # type: ignore[misc]
                    f"{unit} to run",
                    timeout_s,
                )
            except TimeoutError as error:
                raise TimeoutError(f"{error}:\n{self.journal(unit)[-3000:]}") from error

    def until(self, wanted: Callable[[], bool], what: str, timeout_s: float = READY_S) -> None:
        """Until it is so."""
        deadline_at = time.monotonic() + timeout_s
        while not wanted():
            if time.monotonic() > deadline_at:
                raise TimeoutError(f"waited {timeout_s:g} s for {what}")
            time.sleep(0.2)

    def until_ended(self, timeout_s: float = STOP_S) -> None:
        """Until the machine is off, or about to start again."""
        self.process.wait(timeout_s)

    def power_off(self) -> None:
        """In good order."""
        with contextlib.suppress(PoweredOffError, TimeoutError, OSError):
            self.run("systemctl", "--no-block", "poweroff", timeout_s=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.until_ended()
        self.cut_power()

    def cut_power(self) -> None:
        """The plug is pulled: all of its processes end at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _text(encoded: bytes) -> str:
    return base64.b64decode(encoded).decode(errors="replace")


def _state_library() -> Path:
    """Made when it is new."""
    made = ROOT / ".image/uml_xstate.so"
    if not made.exists() or made.stat().st_mtime < STATE_SOURCE.stat().st_mtime:
        made.parent.mkdir(exist_ok=True)
        new = made.with_suffix(f".{os.getpid()}")
        command: list[str | Path] = [
            "gcc",
            "-O2",
            "-Wall",
            "-shared",
            "-fPIC",
            "-o",
            new,
            STATE_SOURCE,
        ]
        subprocess.run(command, check=True)
        new.replace(made)
    return made


@contextlib.contextmanager
def running(
    disk: Disk,
    *,
    taps: Sequence[str] = (),
    space: str = "",
    prepare: str = "",
    stick: Path | None = None,
    memory_mb: int = MEMORY_MB,
) -> Iterator[Box]:
    """Started from the disk, as by the firmware; it ends with the block, without any order.

    `taps`: tap interfaces of the network name space `space`; inside they are vec0, vec1...
    `prepare`: sh(1) that runs before anything else, each command ended by `;`.
    `stick`: a second disk, /dev/ubdb.
    """
    ours, theirs = socket.socketpair()
    log, library = disk.path.with_suffix(".log"), _state_library()
    command = [
        *(["ip", "netns", "exec", space] if space else []),
        PROGRAM, f"mem={memory_mb}M", f"ubd0={disk.path}",
        f"uml_dir={disk.path.parent}/", f"umid=uml{secrets.token_hex(4)}",
        *([f"ubd1={stick}"] if stick else []),
        "con=null", "con0=null,fd:1", "console=tty0", f"con9=fd:{theirs.fileno()}",
        *(f"vec{number}:transport=tap,ifname={tap},depth=128" for number, tap in enumerate(taps)),
        *disk.cmdline().split(), "systemd.debug_shell", "systemd.show_status=1",
        *([PREPARE.format(prepare)] if prepare else []),
    ]  # fmt: skip
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # Its name without a directory before it: ld.so(8) takes a space for the end of one.
            cwd=library.parent,
            env=os.environ | {"LD_PRELOAD": f"./{library.name}"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    theirs.close()
    box = Box(process, ours, log)
    try:
        yield box
    finally:
        box.cut_power()
        ours.close()
