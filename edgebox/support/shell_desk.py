"""The technician's command line on the bus: what is asked, granted, open; its tunnel, its end.

Whoever ends the session, and whatever fails, ends it: the connection goes, and with it the shell
and all that was started in it.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncssh

from edgebox.config.support import Support
from edgebox.messages.base import Done, Fault
from edgebox.messages.support_shell import SHELL_DOWN, SHELL_UP, OpenShell, ShellBytes, ShellOpened
from edgebox.support.shell_grant import ShellGrant
from edgebox.support.shell_papers import Papers, public_line
from edgebox.support.shell_server import Opening, ShellServer
from edgebox.support.tunnel import Tunnel
from edgebox.support.ways import Ways

logger = logging.getLogger(__name__)

BYTES_S = 64 * 1024.0
CLOSE_S = 3.0
LIVE_BYTES_S = 8 * 1024.0
"""While pictures are sent or may be: 64 kbit/s, and half as much again for its wrapping."""

Write = Callable[[str, str], Awaitable[bool]]
"""(what, detail) into the audit trail; False if that cannot be."""
Told = Callable[[], Awaitable[None]]


class ShellDesk:
    """The grant, and what is open under it."""

    def __init__(
        self,
        bus: Ways,
        config: Support,
        directory: Path,
        *,
        is_idle: Callable[[], bool],
        write: Write,
        changed: Told,
    ):
        """`directory`: what `config.recordings` is relative to. `is_idle`: no pictures are sent."""
        self.grant = ShellGrant(offered=bool(config.shell))
        self._bus = bus
        self._terminal = str(directory / config.shell)
        self._recordings = directory / config.recordings
        self._is_idle = is_idle
        self._write = write
        self._changed = changed
        self._tunnel: Tunnel | None = None
        self._tunnel_id = ""
        self._server: ShellServer | None = None
        self._running: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """To what comes from the hub."""
        await self._bus.subscribe(SHELL_DOWN, self._take)

    async def close(self) -> None:
        """The process ends: so does what is open."""
        self.end()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)

    def end(self) -> None:
        """Nothing is asked, granted or open any more; what was open is written down as it ends."""
        self.grant.end()
        if self._server is not None:
            self._server.stop()

    async def ask(self) -> Done | Fault:
        """The technician's wish."""
        refusal = self.grant.ask(time.monotonic())
        if refusal is not None:
            return Fault(reason="refused", text=refusal)
        await self._changed()
        return Done()

    async def allow(self) -> Done | Fault:
        """The crew's tap."""
        refusal = self.grant.grant(time.monotonic())
        if refusal is not None:
            return Fault(reason="not-found", text=refusal)
        if not await self._write("shell-granted", ""):
            self.end()
            return Fault(reason="failed", text="the audit trail cannot be written")
        await self._changed()
        return Done()

    async def open(self, wish: OpenShell) -> ShellOpened | Fault:
        """Spend the grant: papers for this key, and the box's end of the tunnel."""
        if self._running is not None and not self._running.done():
            return Fault(reason="refused", text="shell-busy")
        refusal = self.grant.open(time.monotonic())
        if refusal is not None:
            return Fault(reason="refused", text=refusal)
        papers = Papers(f"shell-{secrets.token_hex(8)}")
        try:
            certificate = papers.certify(wish.key)
        except asyncssh.KeyImportError:
            self.grant.end()
            return Fault(reason="invalid", text="no key")
        self._server = ShellServer(papers, self._terminal, self._recordings, self._begin)
        self._tunnel_id, self._tunnel = wish.tunnel, self._make_tunnel(wish.tunnel)
        self._running = asyncio.create_task(self._run(self._server, self._tunnel))
        await self._changed()
        return ShellOpened(
            certificate=certificate, host_key=public_line(papers.host_key), user=papers.user
        )

    def _make_tunnel(self, id_: str) -> Tunnel:
        async def send(piece: ShellBytes) -> bool:
            return await self._bus.publish(SHELL_UP, piece, tunnel=id_)

        return Tunnel(send, lambda: BYTES_S if self._is_idle() else LIVE_BYTES_S)

    async def _begin(self) -> bool:
        """Somebody is in, by certificate, before anything can be typed."""
        return await self._write("shell-opened", "")

    async def _run(self, server: ShellServer, tunnel: Tunnel) -> None:
        carrying = asyncio.create_task(tunnel.run())
        try:
            opening = await server.serve(tunnel.outer)
            self.grant.end()
            await self._changed()
            # Its socket is closed: it says so to the other end, and ends.
            await asyncio.wait((carrying,), timeout=CLOSE_S)
            tunnel.close()
            await carrying
        finally:
            carrying.cancel()
            await asyncio.gather(carrying, return_exceptions=True)
            self._tunnel = self._server = None
            self.grant.end()
        await self._write(f"shell-ended: {opening.why}", _detail(opening))
        if opening.why not in {"closed", "refused"}:
            logger.error("shell: %s: %s", opening.why, opening.detail)

    async def _take(self, piece: ShellBytes, keys: dict[str, str]) -> None:
        if self._tunnel is not None and keys["tunnel"] == self._tunnel_id:
            self._tunnel.receive(piece)


def _detail(opening: Opening) -> str:
    return "; ".join(filter(None, (opening.recorded, opening.detail)))
