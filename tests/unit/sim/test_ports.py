"""Choosing ports for programs."""

import socket

import pytest

from edgebox.sim.ports import FIRST, LAST, LOOPBACK, free_port, is_free


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_taken_for_either_protocol_is_not_free(kind: socket.SocketKind) -> None:
    port = free_port()
    assert FIRST <= port <= LAST
    with socket.socket(type=kind) as taken:
        taken.bind((LOOPBACK, port))
        assert not is_free(port, socket.SOCK_STREAM, socket.SOCK_DGRAM)
