"""The technician's command line on the desk: a WebSocket of their page, SSH to the box.

Who may reach it: the staff listener's `/desk/box/{box}/shell`, so a technician with a certificate,
from the desk's own page. The box decides whether there is one: it certifies the key made here for
one connection, and only while its crew's grant holds. The key never leaves this process.

Frames from the page: binary, what is typed; text, JSON with the window's `columns` and `rows`. To
the page: binary, what is shown; text, Done once it is open, or a Fault before the close.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated

import asyncssh
import msgspec
from aiohttp import WSMsgType, web
from msgspec import Meta, Struct

from edgebox.bus import Bus
from edgebox.hub.desk_board import BoxEntry
from edgebox.messages.base import Done, Fault
from edgebox.messages.support_shell import SHELL_DOWN, SHELL_UP, OpenShell, ShellBytes, ShellOpened
from edgebox.messages.support_way import DIRECT
from edgebox.support.shell_papers import KIND, public_line
from edgebox.support.tunnel import Tunnel

logging.getLogger("asyncssh").setLevel(logging.ERROR)

CONNECT_S = 20.0
ALIVE_S = 5
ALIVE_MISSED = 3
FRAME_MAX = 16 * 1024
READ_BYTES = 8192
WINDOW_BYTES = 32 * 1024
TYPED_BYTES_S = 16 * 1024.0
"""To a box: more than anybody types, a file that is pasted takes its time."""
WELCOME_EVERY_S = 1.0

Side = Annotated[int, Meta(ge=1, le=1000)]
Order = Callable[[OpenShell], Awaitable[msgspec.Struct]]
Process = asyncssh.SSHClientProcess[bytes]


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    """How large the page's terminal is."""

    columns: Side
    rows: Side


class ShellDoor:
    """All command lines that are open, by their tunnels."""

    def __init__(self, bus: Bus):
        self._bus = bus
        self._tunnels: dict[tuple[str, str], Tunnel] = {}

    async def start(self) -> None:
        """Listen to the boxes."""
        await self._bus.subscribe(SHELL_UP, self._take)

    async def _take(self, piece: ShellBytes, keys: dict[str, str]) -> None:
        # A box's broker lets it say nothing in the name of another.
        box = keys["box"].removeprefix(DIRECT)
        tunnel = self._tunnels.get((box, keys["tunnel"]))
        if tunnel is not None:
            tunnel.receive(piece)

    async def carry(
        self, request: web.Request, box: BoxEntry, order: Order, is_welcome: Callable[[], bool]
    ) -> web.WebSocketResponse:
        """One command line, until one side ends it or its technician is shut out."""
        page = web.WebSocketResponse(max_msg_size=FRAME_MAX, heartbeat=10, compress=False)
        await page.prepare(request)
        id_ = secrets.token_urlsafe(24)
        tunnel = self._make_tunnel(box, id_)
        self._tunnels[box.id, id_] = tunnel
        carrying = asyncio.create_task(tunnel.run())
        try:
            await self._open(page, tunnel, id_, order, is_welcome)
        finally:
            tunnel.outer.close()
            await carrying
            del self._tunnels[box.id, id_]
            await page.close()
        return page

    def _make_tunnel(self, box: BoxEntry, id_: str) -> Tunnel:
        async def send(piece: ShellBytes) -> bool:
            return await self._bus.publish(SHELL_DOWN, piece, box=box.address, tunnel=id_)

        return Tunnel(send, lambda: TYPED_BYTES_S)

    async def _open(
        self,
        page: web.WebSocketResponse,
        tunnel: Tunnel,
        id_: str,
        order: Order,
        is_welcome: Callable[[], bool],
    ) -> None:
        key = asyncssh.generate_private_key(KIND)
        answer = await order(OpenShell(tunnel=id_, key=public_line(key)))
        if not isinstance(answer, ShellOpened):
            return await _tell(page, answer)
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await _connect(tunnel, key, answer)
                process = await connection.create_process(
                    term_type="xterm-256color", encoding=None, window=WINDOW_BYTES
                )
        except (OSError, asyncssh.Error, ValueError, TimeoutError):
            return await _tell(page, Fault(reason="failed", text="no-shell-connection"))
        try:
            await _tell(page, Done())
            await _until_first(_type(page, process), _show(page, process), _leave(is_welcome))
        finally:
            connection.abort()
            await connection.wait_closed()
        return None


async def _connect(
    tunnel: Tunnel, key: asyncssh.SSHKey, opened: ShellOpened
) -> asyncssh.SSHClientConnection:
    """Believes the key that came with the box's answer, and shows the certificate that did."""
    certificate = asyncssh.import_certificate(opened.certificate)
    return await asyncssh.connect(
        opened.user,
        sock=tunnel.outer,
        config=None,
        username=opened.user,
        client_keys=[(key, certificate)],
        known_hosts=([asyncssh.import_public_key(opened.host_key)], [], []),
        agent_path=None,
        # Nothing of this account's own ~/.ssh is looked at.
        x509_trusted_certs=None,
        x509_trusted_cert_paths=None,
        preferred_auth="publickey",
        compression_algs=None,
        keepalive_interval=ALIVE_S,
        keepalive_count_max=ALIVE_MISSED,
    )


async def _type(page: web.WebSocketResponse, process: Process) -> None:
    """Until the page goes or sends what it should not."""
    with contextlib.suppress(OSError, asyncssh.Error):
        async for frame in page:
            if frame.type is WSMsgType.BINARY:
                process.stdin.write(frame.data)
                await process.stdin.drain()
            elif frame.type is WSMsgType.TEXT:
                try:
                    window = msgspec.json.decode(frame.data, type=Window)
                except (msgspec.DecodeError, RecursionError, UnicodeError):
                    return
                process.change_terminal_size(window.columns, window.rows)


async def _show(page: web.WebSocketResponse, process: Process) -> None:
    """Until the box ends it."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await process.stdout.read(READ_BYTES):
            await page.send_bytes(data)


async def _leave(is_welcome: Callable[[], bool]) -> None:
    """Until the technician is shut out."""
    while is_welcome():  # noqa: ASYNC110 - a file is read again
        await asyncio.sleep(WELCOME_EVERY_S)


async def _tell(page: web.WebSocketResponse, what: msgspec.Struct) -> None:
    with contextlib.suppress(OSError):
        await page.send_str(msgspec.json.encode(what).decode())


async def _until_first(*work: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
