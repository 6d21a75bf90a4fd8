"""The hub's end: many boxes at one UDP port, and the sockets their flows leave by.

Who may reach it: the whole Internet. A packet that names no session or is not sealed by its box
gets no answer of any kind. A box can only have datagrams sent to addresses in `bond.allow`, and
its sessions, flows and memory are limited, so that it cannot harm another.

A flow's socket belongs to the box, not to its session: when the bond of a box restarts, the
server behind us still sees the same source address. Its local port follows from box, destination
and flow, so this holds, ports being free, also when we restart ourselves.
"""

import asyncio
import hashlib
import logging
import resource
import secrets
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from edgebox.bond.connection import Connection, DatagramReceived, Event
from edgebox.bond.exchange import KeyServer, listening_socket, resolve
from edgebox.bond.seal import Keys
from edgebox.bond.transport import Address, Driver, drain, send, udp_socket
from edgebox.bond.wire import session_of
from edgebox.config import Config, parse_address
from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

SESSIONS_MAX = 2048
SESSIONS_PER_BOX = 6
FLOWS_PER_BOX = 256
FLOW_IDLE_S = 120.0
UNPROVEN_S = 15.0
"""A session whose box never sent anything ends after this."""
SESSION_IDLE_S = 300.0
OVERLAP_S = 10.0
"""A box's earlier session may still bring something this long."""
SWEEP_S = 2.0
PORT_FIRST, PORT_COUNT, PORT_TRIES = 20_000, 12_000, 8
"""Local ports of flows: below the ephemeral range of Linux and coturn's relay range."""


@dataclass
class _Flow:
    """One client of a box, seen by the server it talks to as one socket of ours."""

    number: int
    sock: socket.socket
    used_at: float


@dataclass
class _Box:
    name: str
    flows: dict[tuple[str, int], _Flow] = field(default_factory=dict)
    sessions: list["_Session"] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    """Allowed destinations that there is no socket for just now; told once."""

    def current(self) -> "_Session | None":
        """The newest session in which the box has been heard."""
        proven = [one for one in self.sessions if one.connection.established]
        return proven[-1] if proven else None


@dataclass
class _Session:
    box: _Box
    connection: Connection
    driver: Driver
    started_at: float


class FarEnd:
    """Serves all boxes from one process."""

    def __init__(self, config: Config):
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._server = KeyServer(config, self._free_session, self._accept)
        self._sessions: dict[int, _Session] = {}
        self._boxes: dict[str, _Box] = {}
        self._allowed: dict[str, tuple[int, Address]] = {}
        self._sock: socket.socket | None = None
        self._listener: socket.socket | None = None
        self.strangers = 0
        """Packets that name no session."""
        self.refused = 0
        """Datagrams to addresses that are not allowed."""

    async def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled. Raises ConfigError when a port is taken."""
        _raise_file_limit()
        for address in self._config.bond.allow:
            try:
                self._allowed[address] = (await resolve(address, socket.SOCK_DGRAM))[0]
            except OSError as error:
                raise ConfigError(f"bond.allow: {address}: {error}") from error
        try:
            self._listen()
            self._listener = listening_socket(self._config.bond.key_exchange_listen)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._server.run(self._listener))
                ready()
                await self._sweep_for_ever()
        finally:
            self._close()

    def _listen(self) -> None:
        host, port = parse_address(self._config.bond.listen)
        self._sock = udp_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            if self._sock.family == socket.AF_INET6:
                self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            self._sock.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"bond.listen: cannot listen on {self._config.bond.listen}: {error.strerror}"
            ) from error
        self._loop.add_reader(self._sock, self._on_packets, self._sock)

    def _close(self) -> None:
        for session in list(self._sessions.values()):
            self._end(session)
        for box in self._boxes.values():
            for flow in box.flows.values():
                self._close_flow(flow)
        if self._listener is not None:
            self._listener.close()
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    # Packets of boxes

    def _on_packets(self, sock: socket.socket) -> None:
        touched: dict[int, _Session] = {}

        def take(packet: bytes, address: Address) -> None:
            number = session_of(packet)
            session = self._sessions.get(number)
            if session is None:
                self.strangers += 1
                return
            session.driver.receive(address, packet)
            touched[number] = session

        drain(sock, take)
        for session in touched.values():
            session.driver.flush()

    def _send_outer(self, address: Hashable, packet: bytes) -> None:
        if self._sock is not None:
            send(self._sock, packet, address)

    # Flows

    def _on_event(self, session: _Session, event: Event) -> None:
        if not isinstance(event, DatagramReceived):
            return
        flow = session.box.flows.get((event.destination, event.flow))
        if flow is None:
            flow = self._open_flow(session, event)
        if flow is not None:
            flow.used_at = self._loop.time()
            send(flow.sock, event.payload, self._allowed[event.destination][1])

    def _open_flow(self, session: _Session, event: DatagramReceived) -> _Flow | None:
        box = session.box
        if event.destination not in self._allowed or len(box.flows) >= FLOWS_PER_BOX:
            self._refuse(session, event)
            return None
        try:
            sock = self._flow_socket(box, event)
        except OSError as error:
            # No route, or no file descriptor left: the next datagram tries again.
            session.connection.forget_flow(event.flow)
            if event.destination not in box.unreachable:
                box.unreachable.add(event.destination)
                logger.warning("%s: cannot reach %s: %s", box.name, event.destination, error)
            return None
        box.unreachable.discard(event.destination)
        flow = _Flow(event.flow, sock, self._loop.time())
        box.flows[event.destination, event.flow] = flow
        self._loop.add_reader(sock, self._on_replies, box, flow)
        return flow

    def _flow_socket(self, box: _Box, event: DatagramReceived) -> socket.socket:
        family, address = self._allowed[event.destination]
        sock = udp_socket(family)
        try:
            _bind_by_name(sock, f"{box.name}|{event.destination}|{event.flow}")
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock

    def _refuse(self, session: _Session, event: DatagramReceived) -> None:
        self.refused += 1
        session.connection.refuse_flow(event.flow)
        if event.destination not in session.box.refused and len(session.box.refused) < 100:
            session.box.refused.add(event.destination)
            logger.warning(
                "%s may not send to %s: not in bond.allow, or too many flows",
                session.box.name,
                event.destination,
            )

    def _on_replies(self, box: _Box, flow: _Flow) -> None:
        session = box.current()

        def take(payload: bytes, address: Address) -> None:
            if session is not None:
                now = self._loop.time()
                session.connection.open_flow(flow.number, "", now)
                session.connection.send_datagram(flow.number, payload, now)

        flow.used_at = self._loop.time()
        drain(flow.sock, take)
        if session is not None:
            session.driver.flush()

    def _close_flow(self, flow: _Flow) -> None:
        self._loop.remove_reader(flow.sock)
        flow.sock.close()

    # Sessions

    def _free_session(self) -> int:
        while True:
            number = secrets.randbits(32)
            if number not in self._sessions:
                return number

    def _accept(self, name: str, keys: Keys) -> None:
        box = self._boxes.setdefault(name, _Box(name))
        now = self._loop.time()
        connection = Connection("hub", keys, now)
        driver = Driver(connection, self._send_outer, lambda event: self._on_event(session, event))
        session = _Session(box, connection, driver, now)
        self._sessions[keys.session] = session
        box.sessions.append(session)
        if len(box.sessions) > SESSIONS_PER_BOX:
            unproven = [one for one in box.sessions[:-1] if not one.connection.established]
            self._end((unproven or box.sessions)[0])
        if len(self._sessions) > SESSIONS_MAX:
            self._end(min(self._sessions.values(), key=_last_sign))
        logger.info("session %08x for %s", keys.session, name)

    def _end(self, session: _Session) -> None:
        session.driver.close()
        del self._sessions[session.connection.session]
        session.box.sessions.remove(session)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            for session in list(self._sessions.values()):
                if self._is_over(session, now):
                    self._end(session)
            for box in list(self._boxes.values()):
                self._sweep_flows(box, now)
                if not box.sessions and not box.flows:
                    del self._boxes[box.name]

    def _is_over(self, session: _Session, now: float) -> bool:
        connection = session.connection
        if not connection.established:
            return now - session.started_at > UNPROVEN_S
        silent_s = now - connection.last_received_at
        newer = session is not session.box.current()
        return silent_s > (OVERLAP_S if newer else SESSION_IDLE_S)

    def _sweep_flows(self, box: _Box, now: float) -> None:
        for key, flow in list(box.flows.items()):
            if now - flow.used_at > FLOW_IDLE_S:
                del box.flows[key]
                self._close_flow(flow)
                for session in box.sessions:
                    session.connection.forget_flow(flow.number)


def _raise_file_limit() -> None:
    """The usual 1024 descriptors are used up by the flows of four boxes that mean harm."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _last_sign(session: _Session) -> float:
    return max(session.started_at, session.connection.last_received_at)


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
