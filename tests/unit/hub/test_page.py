"""A page that does not read: what waits for it is bounded and it is cut off."""

import asyncio
from typing import Any, cast

from aiohttp import web

from edgebox.hub.hub import Hub
from edgebox.hub.page import OUTBOX_MAX, RemotePage
from edgebox.hub.protocol import IceServers, Pong
from edgebox.hub.signalling import Signalling
from edgebox.hub.store import ParticipantRow


class StuckSocket:
    """Takes one message and never finishes sending it."""

    async def send_str(self, text: str) -> None:
        await asyncio.Future()


class Nothing:
    """No hub behind it."""

    def ice_servers(self, row: ParticipantRow) -> IceServers:
        return IceServers(servers=())


def _page(socket: Any) -> RemotePage:
    nothing = Nothing()
    row = ParticipantRow("k", "r1", "hash", "Kari", "doctor", 1.0)
    return RemotePage(
        cast("Hub", nothing),
        cast("Signalling", nothing),
        row,
        "peer",
        cast("web.WebSocketResponse", socket),
    )


def test_outbox_is_bounded_and_ends_with_the_cut() -> None:
    page = _page(StuckSocket())
    for _ in range(OUTBOX_MAX * 3 + 7):
        page.send(Pong())
    assert page._outbox.qsize() <= OUTBOX_MAX
    page.end("ended")
    assert page._outbox.qsize() == 2
