"""Ports for programs that are told which one to use, for the demo and for tests."""

import functools
import itertools
import random
import socket
from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
FIRST, LAST = 10_000, 31_999
"""Below the kernel's range for outgoing sockets (ip_local_port_range, ip(7)): a port found free
here is not taken by somebody's connection before the program has started."""
PART = 500
"""Ports of one process: what it has found and not used yet no other finds free."""


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
    """A loopback port that is free for UDP and TCP, and that nobody was told of lately."""
    while True:
        port = next(_own_ports())
        if is_free(port, socket.SOCK_STREAM, socket.SOCK_DGRAM):
            return port


@functools.cache
def _own_ports() -> Iterator[int]:
    return itertools.cycle(_take_part())


def _take_part() -> range:
    """Ports that are this process's until it ends: a name nobody else can have (unix(7), abstract).

    With more processes than parts, one that another has as well.
    """
    parts = [range(first, first + PART) for first in range(FIRST, LAST, PART)]
    for part in random.sample(parts, len(parts)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0edgebox-ports-{part.start}")
        except OSError:
            claim.close()
        else:
            claim.detach()  # for as long as the process lives
            return part
    return random.choice(parts)
