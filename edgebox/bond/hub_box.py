"""What the hub holds for one box: its sessions, its flows' sockets, and what it may ask for."""

import hashlib
import socket
from dataclasses import dataclass, field

from edgebox.bond.answers import Grants
from edgebox.bond.budget import Budget
from edgebox.bond.connection import Connection
from edgebox.bond.revocation import Identity
from edgebox.bond.transport import Address, Driver, udp_socket

PACKETS_S = 6_000
BYTES_S = 6_250_000
BURST_S = 0.5
"""What one box may send: twice what 20 Mbit/s with all repair come to."""
STRANGE_S = 100
"""Packets of a session from addresses it was not heard from before."""
EXCHANGES_S, EXCHANGES_BURST = 0.5, 8
"""A box that is started over and over gets new keys every other second."""
FLOWS_PER_BOX = 256
SESSIONS_PER_BOX = 6
PORT_FIRST, PORT_COUNT, PORT_TRIES = 20_000, 12_000, 8
"""Local ports of flows: below the ephemeral range of Linux and coturn's relay range."""


@dataclass
class Flow:
    """One client of a box, seen by the server it talks to as one socket of ours."""

    number: int
    sock: socket.socket
    used_at: float


@dataclass
class Box:
    """What the hub holds for one box, whatever its sessions."""

    name: str
    packets: Budget
    bytes: Budget
    exchanges: Budget
    tests: Grants
    flows: dict[tuple[str, int], Flow] = field(default_factory=dict)
    sessions: list["HubSession"] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    """Allowed destinations that there is no socket for just now; told once."""
    packets_in: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    over_budget: int = 0

    def current(self) -> "HubSession | None":
        """The newest session in which the box has been heard."""
        proven = [one for one in self.sessions if one.connection.established]
        return proven[-1] if proven else None


@dataclass
class HubSession:
    """A connection, what drives it, and whose it is."""

    box: Box
    identity: Identity
    connection: Connection
    driver: Driver
    started_at: float
    strange: Budget
    """For packets from addresses that the session does not know yet."""
    known: set[Address] = field(default_factory=set)

    def may_ask(self, size: int, now: float) -> bool:
        """Looked at before anything is opened: too much of one box must stay cheap."""
        box = self.box
        box.packets_in += 1
        box.bytes_in += size
        if box.packets.take(1, now) and box.bytes.take(size, now):
            return True
        box.over_budget += 1
        return False

    def lets_in(self, address: Address, now: float) -> bool:
        """Anybody may write a session's number on a packet: the box itself must not pay for it."""
        if address in self.known:
            return True
        if self.connection.knows_address(address):
            self.known.add(address)
            return True
        return self.strange.take(1, now)


def flow_socket(box: str, destination: str, flow: int, family: int, to: Address) -> socket.socket:
    """A flow's way to its server. Raises OSError: no route, or no file descriptor left."""
    sock = udp_socket(family)
    try:
        _bind_by_name(sock, f"{box}|{destination}|{flow}")
        sock.connect(to)
    except OSError:
        sock.close()
        raise
    return sock


def new_box(name: str, now: float) -> Box:
    """One that has asked for nothing yet."""
    return Box(
        name,
        Budget(PACKETS_S, PACKETS_S * BURST_S, now),
        Budget(BYTES_S, BYTES_S * BURST_S, now),
        Budget(EXCHANGES_S, EXCHANGES_BURST, now),
        Grants(now),
    )


def _bind_by_name(sock: socket.socket, name: str) -> None:
    """Bind to the port that follows from the name, or to one of the next, or to any."""
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    start = int.from_bytes(digest, "big")
    host = "::" if sock.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104
    for attempt in range(PORT_TRIES):
        try:
            sock.bind((host, PORT_FIRST + (start + attempt) % PORT_COUNT))
        except OSError:
            continue
        return
