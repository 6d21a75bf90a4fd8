"""The hub's end: many boxes at one UDP port, and the sockets their flows leave by.

Who may reach it: the whole Internet. A packet that names no session or is not sealed by its box
gets no answer of any kind. A box can only have datagrams sent to addresses in `bond.allow`, and
its rate, sessions, flows and memory are limited, so that it cannot harm another. What is shut out
by `bond.revoked` or has an expired certificate is dropped within seconds.

A flow's socket belongs to the box, not to its session: when the bond of a box restarts, the
server behind us still sees the same source address. Its local port follows from box, destination
and flow, so this holds, ports being free, also when we restart ourselves.
"""

import asyncio
import errno
import logging
import resource
import secrets
import socket
import time
from collections.abc import Callable, Hashable

from edgebox.bond.budget import Budget
from edgebox.bond.connection import Connection
from edgebox.bond.events import DatagramReceived, Event
from edgebox.bond.exchange import resolve
from edgebox.bond.hub_box import (
    FLOWS_PER_BOX,
    SESSIONS_PER_BOX,
    STRANGE_S,
    Box,
    Flow,
    HubSession,
    flow_socket,
    new_box,
)
from edgebox.bond.key_server import KeyServer, listening_socket
from edgebox.bond.revocation import Identity, RevokedFile
from edgebox.bond.seal import Keys
from edgebox.bond.transport import (
    Address,
    Driver,
    drain,
    never_fragment,
    send,
    send_many,
    udp_socket,
)
from edgebox.bond.wire import session_of
from edgebox.config import Config, parse_address, resolve_file
from edgebox.errors import ConfigError

logger = logging.getLogger(__name__)

RESOLVE_S = 60.0
SESSIONS_MAX = 2048
FLOW_IDLE_S = 120.0
UNPROVEN_S = 15.0
"""A session whose box never sent anything ends after this."""
SESSION_IDLE_S = 300.0
OVERLAP_S = 10.0
"""A box's earlier session may still bring something this long."""
SWEEP_S = 2.0


class FarEnd:
    """Serves all boxes from one process."""

    def __init__(self, config: Config):
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._revoked = RevokedFile(
            resolve_file(config, config.bond.revoked) if config.bond.revoked else None
        )
        self._server = KeyServer(config, self._free_session, self._accept)
        self._sessions: dict[int, HubSession] = {}
        self._boxes: dict[str, Box] = {}
        self._allowed: dict[str, tuple[int, Address]] = {}
        self._sock: socket.socket | None = None
        self._listener: socket.socket | None = None
        self.strangers = 0
        """Packets that name no session."""
        self.refused = 0
        """Datagrams to addresses that are not allowed."""
        self.sessions_started = 0

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
                group.create_task(self._keep_resolved())
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
            never_fragment(self._sock)
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

    # Figures

    @property
    def session_count(self) -> int:
        """Sessions now, those no box has been heard in yet included."""
        return len(self._sessions)

    @property
    def refused_exchanges(self) -> int:
        """Connections for keys that led to nothing."""
        return self._server.refused

    def boxes(self) -> list[Box]:
        """Boxes with a session or a flow."""
        return list(self._boxes.values())

    # Packets of boxes

    def _on_packets(self, sock: socket.socket) -> None:
        touched: dict[int, HubSession] = {}
        now = self._loop.time()

        def take(packet: bytes, address: Address) -> None:
            number = session_of(packet)
            session = self._sessions.get(number)
            if session is None or not session.lets_in(address, now):
                self.strangers += 1
            elif session.may_ask(len(packet), now):
                session.connection.receive_datagram(address, packet, now)
                touched[number] = session

        drain(sock, take)
        for session in touched.values():
            session.driver.flush()

    def _send_outer(self, session: HubSession, address: Hashable, packets: list[bytes]) -> None:
        if self._sock is None:
            return
        problem = send_many(self._sock, packets, address)
        session.box.bytes_out += sum(map(len, packets))
        if problem == errno.EMSGSIZE:
            self._loop.call_soon(self._on_too_large, session, address, max(map(len, packets)))

    def _on_too_large(self, session: HubSession, address: Hashable, size: int) -> None:
        for link, path in session.connection.paths.items():
            if path.address == address:
                session.connection.sender.on_refused(link, size, self._loop.time())

    # Flows

    def _on_event(self, session: HubSession, event: Event) -> None:
        if not isinstance(event, DatagramReceived):
            return
        flow = session.box.flows.get((event.destination, event.flow))
        if flow is None:
            flow = self._open_flow(session, event)
        if flow is not None:
            flow.used_at = self._loop.time()
            send(flow.sock, event.payload, self._allowed[event.destination][1])

    def _open_flow(self, session: HubSession, event: DatagramReceived) -> Flow | None:
        box = session.box
        if event.destination not in self._allowed or len(box.flows) >= FLOWS_PER_BOX:
            self._refuse(session, event)
            return None
        try:
            family, address = self._allowed[event.destination]
            sock = flow_socket(box.name, event.destination, event.flow, family, address)
        except OSError as error:
            # No route, or no file descriptor left: the next datagram tries again.
            session.connection.forget_flow(event.flow)
            if event.destination not in box.unreachable:
                box.unreachable.add(event.destination)
                logger.warning("%s: cannot reach %s: %s", box.name, event.destination, error)
            return None
        box.unreachable.discard(event.destination)
        flow = Flow(event.flow, sock, self._loop.time())
        box.flows[event.destination, event.flow] = flow
        self._loop.add_reader(sock, self._on_replies, box, flow)
        return flow

    def _refuse(self, session: HubSession, event: DatagramReceived) -> None:
        self.refused += 1
        session.connection.refuse_flow(event.flow)
        if event.destination not in session.box.refused and len(session.box.refused) < 100:
            session.box.refused.add(event.destination)
            logger.warning(
                "%s may not send to %s: not in bond.allow, or too many flows",
                session.box.name,
                event.destination,
            )

    def _on_replies(self, box: Box, flow: Flow) -> None:
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

    def _close_flow(self, flow: Flow) -> None:
        self._loop.remove_reader(flow.sock)
        flow.sock.close()

    # Names

    async def _keep_resolved(self) -> None:
        """Servers behind us may move, with their names."""
        while True:
            await asyncio.sleep(RESOLVE_S)
            for destination in self._config.bond.allow:
                try:
                    found = await resolve(destination, socket.SOCK_DGRAM)
                except OSError as error:
                    logger.warning("bond.allow: %s: %s; as before", destination, error)
                else:
                    self._follow(destination, found)

    def _follow(self, destination: str, found: list[tuple[int, Address]]) -> None:
        """Send elsewhere from now on, unless where we send is still right."""
        if self._allowed[destination] in found:
            return
        self._allowed[destination] = found[0]
        logger.info("bond.allow: %s is elsewhere now", destination)
        for box in self._boxes.values():
            for key in [key for key in box.flows if key[0] == destination]:
                self._close_flow(box.flows.pop(key))

    # Sessions

    def _free_session(self) -> int:
        while True:
            number = secrets.randbits(32)
            if number not in self._sessions:
                return number

    def _accept(self, identity: Identity, keys: Keys) -> bool:
        """Keep a session for this box, unless it is shut out or asks too often."""
        now = self._loop.time()
        if self._revoked.revoked.holds(identity):
            logger.warning("%s is shut out: bond.revoked", identity.box)
            return False
        box = self._boxes.get(identity.box)
        if box is None:
            box = self._boxes[identity.box] = new_box(identity.box, now)
        if not box.exchanges.take(1, now):
            return False
        connection = Connection("hub", keys, now, grants=box.tests)
        driver = Driver(
            connection,
            lambda address, packets: self._send_outer(session, address, packets),
            lambda event: self._on_event(session, event),
        )
        strange = Budget(STRANGE_S, STRANGE_S, now)
        session = HubSession(box, identity, connection, driver, now, strange)
        for earlier in box.sessions:
            connection.trust_addresses(earlier.connection)
        self._sessions[keys.session] = session
        self.sessions_started += 1
        box.sessions.append(session)
        if len(box.sessions) > SESSIONS_PER_BOX:
            unproven = [one for one in box.sessions[:-1] if not one.connection.established]
            self._end((unproven or box.sessions)[0])
        if len(self._sessions) > SESSIONS_MAX:
            self._end(min(self._sessions.values(), key=_last_sign))
        logger.info("session %08x for %s", keys.session, identity.box)
        return True

    def _end(self, session: HubSession) -> None:
        session.driver.close()
        del self._sessions[session.connection.session]
        session.box.sessions.remove(session)

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._loop.time()
            if self._revoked.look():
                self._end_revoked()
            for session in list(self._sessions.values()):
                session.known = {
                    one for one in session.known if session.connection.knows_address(one)
                }
                if self._is_over(session, now):
                    self._end(session)
            for box in list(self._boxes.values()):
                self._sweep_flows(box, now)
                if not box.sessions and not box.flows:
                    del self._boxes[box.name]

    def _end_revoked(self) -> None:
        """Also of those that run: their flows are closed too."""
        for session in list(self._sessions.values()):
            if not self._revoked.revoked.holds(session.identity):
                continue
            logger.warning("%s is shut out now: bond.revoked", session.box.name)
            self._end(session)
            if not session.box.sessions:
                for flow in session.box.flows.values():
                    self._close_flow(flow)
                session.box.flows.clear()

    def _is_over(self, session: HubSession, now: float) -> bool:
        connection = session.connection
        if time.time() > session.identity.expires_utc:
            logger.warning("the certificate of %s has expired", session.box.name)
            return True
        if not connection.established:
            return now - session.started_at > UNPROVEN_S
        silent_s = now - connection.last_received_at
        newer = session is not session.box.current()
        return silent_s > (OVERLAP_S if newer else SESSION_IDLE_S)

    def _sweep_flows(self, box: Box, now: float) -> None:
        for key, flow in list(box.flows.items()):
            if now - flow.used_at > FLOW_IDLE_S:
                del box.flows[key]
                self._close_flow(flow)
                for session in box.sessions:
                    session.connection.forget_flow(flow.number)


def _raise_file_limit() -> None:
    """The usual 1024 descriptors are used up by the flows of four boxes that mean harm."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:  # a system call filter, or more than the kernel has
        logger.warning("%d file descriptors must do: %s", few, error)


def _last_sign(session: HubSession) -> float:
    return max(session.started_at, session.connection.last_received_at)
