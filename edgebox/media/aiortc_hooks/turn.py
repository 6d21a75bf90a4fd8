"""Ways through the TURN server: sent on at once, prepared early, given up soon.

Sending: aioice makes a task for each datagram; on a bound channel none is needed. And when a
channel is due for refresh it holds every datagram back until the server has answered.

Gathering: aioice tries a TURN server for half a minute and its caller waits five seconds. And it
learns realm and nonce (RFC 8489, 9.2) only when a viewer waits: a round trip that can be over by
then.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any

from aioice import stun as aioice_stun
from aioice import turn as aioice_turn
from aiortc import RTCPeerConnection

logger = logging.getLogger(__name__)

TURN_REACH_S = 3.0
"""A TURN server that has not answered by now counts as unreachable."""
PREPARED_S = 30.0
"""How long a prepared socket is good."""
CHANNEL_REFRESH_S = 240.0
"""Before the permission that comes with a channel ends (300 s, RFC 8656, 9)."""
CHANNEL_RETRY_S = 5.0

_queue_send = aioice_turn.TurnTransport.sendto


def send_directly(self: Any, data: bytes, addr: tuple[str, int]) -> None:
    inner = self._TurnTransport__inner_protocol
    channel = inner.peer_to_channel.get(addr)
    if channel is None or inner.transport.is_closing() or self._TurnTransport__close_task:
        _queue_send(self, data, addr)
        return
    now = asyncio.get_running_loop().time()
    refresh_at: dict[int, float] = inner.__dict__.setdefault("edgebox_refresh_at", {})
    if now > refresh_at.setdefault(channel, now + CHANNEL_REFRESH_S):
        refresh_at[channel] = now + CHANNEL_RETRY_S
        task = asyncio.ensure_future(_refresh_channel(inner, channel, addr))
        inner.edgebox_refresh_task = task  # the loop holds tasks weakly
    inner._send(struct.pack("!HH", channel, len(data)) + data)


async def _refresh_channel(inner: Any, channel: int, addr: tuple[str, int]) -> None:
    try:
        await inner.channel_bind(channel, addr)
    except (aioice_stun.TransactionError, ConnectionError) as error:
        logger.warning("TURN channel could not be refreshed: %s", error)
        return
    inner.edgebox_refresh_at[channel] = asyncio.get_running_loop().time() + CHANNEL_REFRESH_S


_create_turn_endpoint = aioice_turn.create_turn_endpoint
_prepared: dict[tuple[str, int], tuple[float, Any]] = {}
"""By server: when, and an inner protocol that knows realm and nonce but has no allocation."""


async def prepare_turn(server: tuple[str, int]) -> None:
    """Make the next allocation at this server one round trip shorter. Silent if that fails.

    A server forgets such a socket soon (coturn after 60 s): repeat every PREPARED_S.
    """
    drop_prepared(server)
    loop = asyncio.get_running_loop()
    try:
        transport, inner = await loop.create_datagram_endpoint(
            lambda: aioice_turn.TurnClientUdpProtocol(
                server,
                username=None,
                password=None,
                lifetime=aioice_turn.DEFAULT_ALLOCATION_LIFETIME,
                channel_refresh_time=aioice_turn.DEFAULT_CHANNEL_REFRESH_TIME,
            ),
            remote_addr=server,
        )
    except OSError:
        return
    kept = False
    try:
        async with asyncio.timeout(TURN_REACH_S):
            await inner.request(_allocation_request())
    except aioice_stun.TransactionFailed as refusal:
        attributes = refusal.response.attributes
        kept = {"NONCE", "REALM"} <= attributes.keys() and server not in _prepared
        if kept:
            inner.nonce, inner.realm = attributes["NONCE"], attributes["REALM"]
            _prepared[server] = (loop.time(), inner)
    except (aioice_stun.TransactionError, TimeoutError):
        logger.info("the TURN server does not answer yet")
    finally:
        if not kept:
            transport.close()


def _allocation_request() -> aioice_stun.Message:
    """Without credentials: the refusal tells realm and nonce."""
    request = aioice_stun.Message(
        message_method=aioice_stun.Method.ALLOCATE, message_class=aioice_stun.Class.REQUEST
    )
    request.attributes["REQUESTED-TRANSPORT"] = aioice_turn.UDP_TRANSPORT
    return request


async def keep_turn_prepared(server: tuple[str, int]) -> None:
    """While this runs the next viewer is answered one round trip sooner. Run while live."""
    try:
        while True:
            await prepare_turn(server)
            await asyncio.sleep(PREPARED_S)
    finally:
        drop_prepared(server)


def drop_prepared(server: tuple[str, int]) -> None:
    """Close what was prepared and not used."""
    _, inner = _prepared.pop(server, (0.0, None))
    if inner is not None:
        inner.transport.close()


async def create_turn_endpoint_soon(
    protocol_factory: Callable[[], Any], server_addr: tuple[str, int], **options: Any
) -> Any:
    try:
        async with asyncio.timeout(TURN_REACH_S):
            prepared_at, inner = _prepared.pop(server_addr, (0.0, None))
            if inner is None:
                return await _create_turn_endpoint(protocol_factory, server_addr, **options)
            if asyncio.get_running_loop().time() - prepared_at > PREPARED_S * 1.5:
                inner.transport.close()
                return await _create_turn_endpoint(protocol_factory, server_addr, **options)
            return await _allocate(inner, protocol_factory(), **options)
    except TimeoutError as error:
        raise ConnectionError("no answer from the TURN server") from error


async def _allocate(inner: Any, protocol: Any, **options: Any) -> Any:
    """What aioice's create_turn_endpoint does once it has a socket."""
    inner.username, inner.password = options["username"], options["password"]
    inner.integrity_key = aioice_turn.make_integrity_key(
        inner.username, inner.realm, inner.password
    )
    transport: Any = aioice_turn.TurnTransport(inner)
    try:
        await transport._connect(protocol)
    except BaseException:
        inner.transport.close()
        raise
    return transport, protocol


def gather_only(connection: RTCPeerConnection, address: str) -> None:
    """Offer this local address and no other. Call after the first transceiver was added.

    aioice never offers loopback, and otherwise every interface, so that a modem that comes or goes
    would decide whether the preview on the same machine works.
    """
    transport: Any = connection.getTransceivers()[0].receiver.transport.transport
    ice = transport._connection
    gather = ice.get_component_candidates

    async def gather_there(component: int, addresses: list[str], timeout: int = 5) -> Any:  # noqa: ASYNC109
        return await gather(component=component, addresses=[address], timeout=timeout)

    ice.get_component_candidates = gather_there
