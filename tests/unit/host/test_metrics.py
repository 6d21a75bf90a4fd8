"""Figures for Prometheus: the format, and who is answered."""

import asyncio
import logging
import socket

import pytest

from edgebox.errors import ConfigError
from edgebox.host import metrics
from edgebox.host.metrics import CONNECTIONS_MAX, Family, exposition, serving
from edgebox.sim.ports import free_port

FAMILY = Family("box_up", "gauge", "Is it up?", [({}, 1.0)])


def test_text_is_what_prometheus_reads() -> None:
    families = [
        FAMILY,
        Family(
            "b_total", "counter", 'A "b"\n.', [({"link": 'x"\\\n', "way": "up"}, 12345678901.0)]
        ),
    ]
    assert exposition(families).decode() == (
        "# HELP box_up Is it up?\n# TYPE box_up gauge\nbox_up 1\n"
        '# HELP b_total A "b"\\n.\n# TYPE b_total counter\n'
        'b_total{link="x\\"\\\\\\n",way="up"} 12345678901\n'
    )


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_only_get_metrics_is_answered() -> None:
    port = free_port()
    async with serving(f"127.0.0.1:{port}", lambda: [FAMILY]):
        answer = await ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
        assert answer.endswith(b"box_up 1\n")
        for words in (b"GET / HTTP/1.1", b"POST /metrics HTTP/1.1", b"\xff", b""):
            assert (await ask(port, words + b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
        assert await ask(port, b"x" * 10_000) == b""


async def test_those_who_hold_connections_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUEST_S", 0.2)
    port = free_port()
    async with serving(f"127.0.0.1:{port}", lambda: [FAMILY]):
        held = []
        for _ in range(CONNECTIONS_MAX + 3):
            one = socket.create_connection(("127.0.0.1", port))
            one.setblocking(False)
            held.append(one)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            for one in held:
                assert await loop.sock_recv(one, 10) == b""
                one.close()
        assert b"box_up 1" in await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_nothing_is_opened_unless_configured() -> None:
    async with serving("", lambda: [FAMILY]):
        pass


async def test_port_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="metrics: cannot listen on"):
            async with serving(f"127.0.0.1:{taken.getsockname()[1]}", lambda: [FAMILY]):
                pass


async def test_address_open_to_others_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving(f"127.0.0.1:{free_port()}", lambda: [FAMILY]):
            pass
        assert not caplog.records
        async with serving(f"0.0.0.0:{free_port()}", lambda: [FAMILY]):
            pass
    assert "can be read by whoever reaches it" in caplog.text
