"""The command line itself: a shell on a terminal, on the socket it was started with.

Started for each connection by systemd (systemd.socket(5), Accept=yes) as a user of its own, which
may do nothing but look; docs/support.md says what. Who may connect is the socket's owner alone: the
support service. On the socket, both ways, frames of: kind (1 byte), length (2 bytes, big endian),
content. Kinds: `d` what is typed or shown, `r` columns and rows (2 bytes each), `x` exit status
(1 byte) after which nothing follows.

Whatever was started in it ends with it: this process is the reaper of all it leaves behind
(prctl(2), PR_SET_CHILD_SUBREAPER), and systemd ends what is in the unit's control group.
"""

import contextlib
import ctypes
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import termios
from pathlib import Path

HEAD = struct.Struct(">cH")
SIZE = struct.Struct(">HH")
READ_BYTES = 4096
SIDE_MAX = 1000
SHELL = ("/bin/bash", "--noprofile", "--norc")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "xterm-256color",
    "LANG": "C.UTF-8",
    "HOME": "/",
    "PS1": r"\h:\w\$ ",
    "HISTFILE": "",
    "SYSTEMD_PAGER": "",
    "PAGER": "cat",
}
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


class Frames:
    """Cuts what comes on the socket into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """(kind, content) of each whole frame."""
        self._buffer += data
        found = []
        while len(self._buffer) >= HEAD.size:
            kind, length = HEAD.unpack_from(self._buffer)
            end = HEAD.size + length
            if len(self._buffer) < end:
                break
            found.append((kind, bytes(self._buffer[HEAD.size : end])))
            del self._buffer[:end]
        return found


def frame(kind: bytes, content: bytes) -> bytes:
    """One, as on the socket."""
    return HEAD.pack(kind, len(content)) + content


def main() -> None:
    """Until the shell or the socket ends."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=os.dup(0))
    # The shell must not have it.
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    pid, master = pty.fork()
    if pid == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir("/")
        os.execve(SHELL[0], SHELL, ENVIRONMENT)  # noqa: S606 - no shell before it
    try:
        _carry(connection, master)
    finally:
        os.close(master)
        status = end_all(pid)
        with contextlib.suppress(OSError):
            connection.sendall(frame(b"x", bytes([status & 0xFF])))
        connection.close()


def _carry(connection: socket.socket, master: int) -> None:
    """Between the socket and the terminal, until one of them ends."""
    frames, typed = Frames(), bytearray()
    while True:
        # What is typed waits in the socket while the terminal takes none.
        wanted: list[int | socket.socket] = [master] if typed else [connection, master]
        readable, writable, _ = select.select(wanted, [master] if typed else [], [])
        if writable:
            del typed[: os.write(master, typed[:READ_BYTES])]
        try:
            if master in readable:
                connection.sendall(frame(b"d", os.read(master, READ_BYTES)))
            if connection in readable:
                if not (data := connection.recv(READ_BYTES)):
                    return
                typed += _obey(frames.take(data), master)
        except OSError:
            # The shell has ended (EIO), or the other side has gone.
            return


def _obey(frames: list[tuple[bytes, bytes]], master: int) -> bytes:
    """What is typed; sizes are set at once."""
    typed = b""
    for kind, content in frames:
        if kind == b"d":
            typed += content
        elif kind == b"r" and len(content) == SIZE.size:
            columns, rows = (min(max(side, 1), SIDE_MAX) for side in SIZE.unpack(content))
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return typed


def end_all(shell: int) -> int:
    """Kill all there is below us, orphans too, until nothing is left; the shell's exit status.

    An orphan becomes our child when its parent is reaped, so the next round finds it.
    """
    status = 0
    while True:
        for child in children_of(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            pid, waited = os.wait()
        except ChildProcessError:
            return status
        if pid == shell:
            status = os.waitstatus_to_exitcode(waited)


def children_of(pid: int) -> list[int]:
    """proc(5), /proc/pid/stat: the fourth field is the parent; the second may hold anything."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == pid:
            found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main()
