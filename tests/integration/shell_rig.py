"""The technician's command line from the hub's side: a real tunnel, a real SSH client."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from edgebox.messages.base import Done
from edgebox.messages.support_shell import (
    GRANT_SHELL,
    SHELL_DOWN,
    SHELL_UP,
    AskShell,
    GrantShell,
    OpenShell,
    ShellBytes,
    ShellOpened,
)
from edgebox.support.shell_papers import public_line
from edgebox.support.tunnel import Tunnel
from tests.integration.support_rig import Rig


@dataclass
class Far:
    """The hub's end of one tunnel."""

    box: Rig
    id: str
    tunnel: Tunnel
    key: asyncssh.SSHKey
    sent: int = 0
    """Pieces, so far."""

    async def open(self) -> Any:
        """The box's answer."""
        return await self.box.order(OpenShell(tunnel=self.id, key=public_line(self.key)))

    async def connect(self, opened: ShellOpened, **changed: Any) -> asyncssh.SSHClientConnection:
        options: dict[str, Any] = {
            "config": None,
            "username": opened.user,
            "client_keys": [(self.key, asyncssh.import_certificate(opened.certificate))],
            "known_hosts": ([asyncssh.import_public_key(opened.host_key)], [], []),
            "agent_path": None,
            "x509_trusted_certs": None,
            "x509_trusted_cert_paths": None,
            **changed,
        }
        async with asyncio.timeout(5):
            return await asyncssh.connect(opened.user, sock=self.tunnel.outer, **options)


async def allow(box: Rig) -> None:
    """A session, and the crew's yes to a command line in it."""
    await box.grant()
    assert await box.order(AskShell()) == Done()
    await box.until(command_line="asked")
    assert await box.crew.request(GRANT_SHELL, GrantShell(id=box.session.id)) == Done()
    await box.until(command_line="granted")


@contextlib.asynccontextmanager
async def far_end(box: Rig) -> AsyncIterator[Far]:
    """A tunnel to the box."""
    id_ = secrets.token_urlsafe(24)

    async def send(piece: ShellBytes) -> bool:
        far.sent = piece.n + 1
        return await box.hub.publish(SHELL_DOWN, piece, tunnel=id_)

    async def take(piece: ShellBytes, keys: dict[str, str]) -> None:
        if keys["tunnel"] == id_:
            tunnel.receive(piece)

    tunnel = Tunnel(send, lambda: 1e6)
    far = Far(box, id_, tunnel, asyncssh.generate_private_key("ssh-ed25519"))
    await box.hub.subscribe(SHELL_UP, take)
    carrying = asyncio.create_task(tunnel.run())
    try:
        yield far
    finally:
        tunnel.outer.close()
        await carrying


@contextlib.asynccontextmanager
async def shell(box: Rig) -> AsyncIterator["Shell"]:
    """One that is open, with a terminal."""
    async with far_end(box) as far:
        opened = await far.open()
        assert isinstance(opened, ShellOpened), opened
        connection = await far.connect(opened)
        process = await connection.create_process(
            term_type="xterm", term_size=(100, 30), encoding="utf-8"
        )
        try:
            yield Shell(process, far)
        finally:
            connection.abort()
            await connection.wait_closed()


class Shell:
    """What a technician types and sees."""

    def __init__(self, process: "asyncssh.SSHClientProcess[str]", far: Far):
        self.process = process
        self.far = far
        self.seen = ""

    async def type(self, text: str) -> None:
        self.process.stdin.write(text)
        await self.process.stdin.drain()

    async def until(self, text: str) -> str:
        """Read until it is there; everything seen so far."""
        async with asyncio.timeout(10):
            while text not in self.seen:
                data = await self.process.stdout.read(4096)
                assert data, f"ended before {text!r}: {self.seen!r}"
                self.seen += data
        return self.seen

    async def ended(self) -> None:
        """Until nothing comes any more."""
        async with asyncio.timeout(10):
            with contextlib.suppress(asyncssh.Error, OSError):
                while data := await self.process.stdout.read(4096):
                    self.seen += data


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while is_alive(pid):
            await asyncio.sleep(0.02)
