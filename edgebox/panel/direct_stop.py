"""Stops the session at media's own listener, for which no broker is needed."""

import asyncio

from edgebox.config import parse_address

DIRECT_STOP_TIMEOUT_S = 2.0


async def stop_directly(media: str) -> bool:
    """`media`: host:port of its listener. True if it has stopped."""
    host, port = parse_address(media)
    head = f"POST /stop HTTP/1.1\r\nHost: {media}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(DIRECT_STOP_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(head.encode())
                return b" 204 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
