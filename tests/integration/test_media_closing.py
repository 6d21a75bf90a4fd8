"""A connection that ends before it was made."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection

from edgebox.media.offer import Allowed, Offer
from edgebox.media.publisher import Connection, OfferRefusedError
from edgebox.messages.session import TurnCredentials
from edgebox.sim.ports import LOOPBACK
from tests.conftest import TurnServer
from tests.integration.wire import Wire


async def an_offer() -> Offer:
    """Of somebody who wants to see one picture."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    pc.addTransceiver("video", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    text = pc.localDescription.sdp
    await pc.close()
    return Offer(text, Allowed())


def sockets() -> set[str]:
    """Open ones of this process."""
    links = set()
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.add(str(one.readlink()))
    return {link for link in links if link.startswith("socket:")}


@pytest.mark.parametrize("asker_gone", [False, True], ids=["closed", "nobody waits"])
async def test_relay_that_answers_after_the_end_keeps_no_socket(
    turn_server: TurnServer, asker_gone: bool
) -> None:
    """Its allocation would be refreshed for as long as the program runs."""
    offer = await an_offer()
    credentials = TurnCredentials(*turn_server.credentials())
    async with Wire((LOOPBACK, turn_server.port)) as wire:
        before = sockets()
        connection = Connection([], lambda: None)
        wire.is_cut = True
        answering = asyncio.create_task(
            connection.answer_through_turn(offer, f"turn:{LOOPBACK}:{wire.port}", credentials)
        )
        await wire.until_lost(1)
        if asker_gone:
            answering.cancel()
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0)
        wire.is_cut = False
        with pytest.raises(asyncio.CancelledError if asker_gone else OfferRefusedError):
            await answering
        await closing
        # A socket is closed by the loop's next turn.
        await asyncio.sleep(0)
        assert sockets() == before
