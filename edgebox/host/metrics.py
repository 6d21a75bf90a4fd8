"""Prometheus figures: the text format, and the HTTP listener they are fetched from.

Who may reach it: whoever reaches the configured address; there is no log-in. It is off unless an
address is configured. Loopback is meant, or a network of the operator's own; any other address is
said in the log. It answers `GET /metrics` and nothing else, reads no body, and serves at most
CONNECTIONS_MAX at a time. Format: https://prometheus.io/docs/instrumenting/exposition_formats/
(text, 0.0.4).
"""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from edgebox.config import parse_address
from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

CONNECTIONS_MAX = 8
REQUEST_MAX = 4096
REQUEST_S = 5.0


class Family(NamedTuple):
    """One metric: its samples, each with its labels."""

    name: str
    kind: Literal["counter", "gauge"]
    text: str
    """What it means, with the unit; one line."""
    samples: Sequence[tuple[Mapping[str, str], float]]


def exposition(families: Iterable[Family]) -> bytes:
    """The text that Prometheus reads."""
    lines = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escape_help(family.text)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.samples:
            inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            name = f"{family.name}{{{inner}}}" if inner else family.name
            lines.append(f"{name} {_number(value)}")
    return ("\n".join(lines) + "\n").encode()


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape(label: str) -> str:
    return _escape_help(label).replace('"', r"\"")


@contextlib.asynccontextmanager
async def serving(address: str, collect: Callable[[], Iterable[Family]]) -> AsyncIterator[None]:
    """Answer meanwhile; `collect` is called for each answer. An empty address: nothing is opened.
    Raises ConfigError when the port is taken."""
    if not address:
        yield
        return
    host, port = parse_address(address)
    if not _is_loopback(host):
        logger.warning("figures at %s can be read by whoever reaches it", address)
    slots = asyncio.Semaphore(CONNECTIONS_MAX)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not slots.locked():
                async with slots, asyncio.timeout(REQUEST_S):
                    await _answer(reader, writer, collect)
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    try:
        server = await asyncio.start_server(answer, host, port, limit=REQUEST_MAX)
    except OSError as error:
        raise ConfigError(f"metrics: cannot listen on {address}: {error.strerror}") from error
    async with server:
        yield


async def _answer(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    collect: Callable[[], Iterable[Family]],
) -> None:
    request = await reader.readuntil(b"\r\n\r\n")
    words = request.split(b"\r\n", 1)[0].split(b" ")
    if words[:2] == [b"GET", b"/metrics"]:
        body, status, kind = exposition(collect()), b"200 OK", b"text/plain; version=0.0.4"
    else:
        body, status, kind = b"only GET /metrics\n", b"404 Not Found", b"text/plain"
    writer.write(
        b"HTTP/1.1 %s\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n" % (status, kind, len(body)) + body
    )
    await writer.drain()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
