"""Ports for programs that are told which one to use, for the demo and for tests."""

import random
import socket

LOOPBACK = "127.0.0.1"
FIRST, LAST = 10_000, 32_000
"""Below the kernel's range for outgoing sockets (ip_local_port_range, ip(7)): a port found free
here is not taken by somebody's connection before the program has started."""


def is_free(port: int, *kinds: socket.SocketKind) -> bool:
    """Whether loopback has the port free, for all of `kinds`."""
    for kind in kinds:
        with socket.socket(type=kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def free_port() -> int:
    """A loopback port that was free for UDP and TCP a moment ago."""
    while True:
        port = random.randint(FIRST, LAST)
        if is_free(port, socket.SOCK_STREAM, socket.SOCK_DGRAM):
            return port
