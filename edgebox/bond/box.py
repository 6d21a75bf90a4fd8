"""The vehicle's end: forwards in front, links behind, sessions between.

Who may reach it: a forward's `listen` address, which is loopback unless the vehicle's owner opens
it to other machines on purpose; what comes in there is forwarded to one fixed destination. The
links' sockets take only what the current session's keys open.
"""

import asyncio
import contextlib
import errno
import hashlib
import ipaddress
import logging
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from edgebox.bond.connection import (
    Connection,
    DatagramReceived,
    Event,
    FlowWasRefused,
    PathChanged,
    TargetFell,
)
from edgebox.bond.exchange import ExchangeError, KeyClient, resolve
from edgebox.bond.meter import Counters
from edgebox.bond.path import PathState, Use
from edgebox.bond.spending import EXCHANGE_BYTES, Spending
from edgebox.bond.transport import (
    HEADERS_V4,
    HEADERS_V6,
    PASSING,
    Address,
    Driver,
    bind_to_link,
    drain,
    never_fragment,
    send,
    send_many,
    udp_socket,
)
from edgebox.bond.wire import ANNOUNCE_MAX, LINKS_MAX, session_of
from edgebox.config import Config, Forward, Link, parse_address
from edgebox.errors import ConfigError
from edgebox.host.netlink import Interfaces, watch_interfaces

logger = logging.getLogger(__name__)

CLIENTS_MAX = 256
"""Of all forwards together; the hub serves no more. The one idle longest gives way."""
LOOK_S = 0.1
"""How often it is asked whether new keys are needed."""
RETRY_S = (0.1, 0.25, 0.5, 1.0, 2.0)
SESSION_MAX_S = 8 * 3600.0
"""Certificates are looked at again after this."""
OVERLAP_S = 3.0
"""The session before may still bring something this long."""
PROVE_S = 3.0
"""New keys that bring nothing back by then are of no use."""
REOPEN_S = 1.0
FIRST_LINK_S = 1.0
"""Before that it is no news that there is no link to ask for keys on."""
DECIDE_S = 0.1
"""How often it is looked at what each link may be used for."""
RESOLVE_S = 60.0


@dataclass
class _Client:
    sock: socket.socket
    forward: Forward
    address: Address
    used_at: float


@dataclass
class BoxLink:
    """One configured link and its socket, if the system has it now."""

    number: int
    config: Link
    sock: socket.socket | None = None
    remote: Address = None
    headers: int = HEADERS_V4
    """Bytes of IP and UDP headers of each packet."""
    bytes_sent: int = 0
    bytes_received: int = 0
    """Since the start, with headers."""
    family: int = 0
    bound_to: int = 0
    """The interface's index when the socket was opened."""
    present: bool = False
    """The interface or source address exists."""
    reopen_at: float = 0.0
    since: float = 0.0


@dataclass
class _Session:
    connection: Connection
    driver: Driver
    started_at: float
    replaced_at: float = 0.0


class BoxEnd:
    """Use `run`; the rest is for its status."""

    def __init__(self, config: Config, *, on_urgent: Callable[[], None] = lambda: None):
        """`on_urgent` is called when the target falls."""
        self.config = config
        self.links = [BoxLink(number, link) for number, link in enumerate(config.bond.link)]
        self.session: _Session | None = None
        self.problem = ""
        """Why there are no session keys, for the technician."""
        self._on_urgent = on_urgent
        self._loop = asyncio.get_running_loop()
        self._keys = KeyClient(config)
        self._next: _Session | None = None
        self._sessions: dict[int, _Session] = {}
        self._forwards: list[socket.socket] = []
        self._clients: dict[int, _Client] = {}
        self._flow_of: dict[tuple[str, Address], int] = {}
        self._ended = Counters()
        self._dropped = 0
        self._refused: set[int] = set()
        self._interfaces: Interfaces = {}
        self._has_link = asyncio.Event()
        self._remotes: dict[str, list[tuple[int, Address]]] = {}
        self.spending = Spending(config)

    def open(self) -> None:
        """Listen on the forwards. Raises ConfigError when a port is taken."""
        _check(self.config)
        self.spending.open()
        try:
            for forward in self.config.bond.forward:
                self._open_forward(forward)
        except ConfigError:
            self._close()
            raise

    async def run(self) -> None:
        """Forward until cancelled; everything is closed then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(watch_interfaces(self._on_interfaces))
                group.create_task(self._keep_resolved())
                group.create_task(self._keep_links())
                group.create_task(self._keep_keys())
                group.create_task(self._keep_uses())
                group.create_task(self.spending.run())
        finally:
            self._close()
            self.spending.close()

    def _close(self) -> None:
        for session in list(self._sessions.values()):
            self._end(session)
        for sock in self._forwards:
            self._loop.remove_reader(sock)
            sock.close()
        for link in self.links:
            self._close_link(link)

    # Figures

    @property
    def connection(self) -> Connection | None:
        """The session in use."""
        return self.session.connection if self.session else None

    def counters(self) -> Counters:
        """Totals over all sessions."""
        total = Counters()
        parts = [self._ended, *(one.connection.counters for one in self._sessions.values())]
        for name in Counters.__slots__:
            setattr(total, name, sum(getattr(part, name) for part in parts))
        total.expired += self._dropped
        return total

    def overdue_s(self) -> float:
        """How late the session's timer is."""
        return self.session.driver.overdue_s if self.session else 0.0

    # Forwards

    def _open_forward(self, forward: Forward) -> None:
        host, port = parse_address(forward.listen)
        sock = udp_socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._forwards.append(sock)
        try:
            sock.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"bond.forward {forward.name!r}: cannot listen on {forward.listen}: "
                f"{error.strerror}"
            ) from error
        self._loop.add_reader(sock, self._on_forward, forward, sock)

    def _on_forward(self, forward: Forward, sock: socket.socket) -> None:
        def take(payload: bytes, address: Address) -> None:
            self._send_inner(forward, sock, payload, address)

        drain(sock, take)
        if self.session is not None:
            self.session.driver.flush()

    def _send_inner(
        self, forward: Forward, sock: socket.socket, payload: bytes, address: Address
    ) -> None:
        now = self._loop.time()
        flow = self._flow_of.get((forward.listen, address))
        if flow is None:
            flow = self._new_client(forward, sock, address, now)
        self._clients[flow].used_at = now
        if self.session is None:
            self._dropped += 1
            return
        connection = self.session.connection
        connection.open_flow(flow, forward.to, now)
        connection.send_datagram(flow, payload, now)

    def _new_client(
        self, forward: Forward, sock: socket.socket, address: Address, now: float
    ) -> int:
        """The flow's number follows from the addresses: after a restart it is the same again."""
        if len(self._clients) >= CLIENTS_MAX:
            self._forget_client(min(self._clients, key=lambda one: self._clients[one].used_at))
        flow, salt = -1, 0
        while flow < 0 or flow in self._clients:
            text = f"{forward.listen}|{address[0]}|{address[1]}|{salt}"
            digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
            flow, salt = int.from_bytes(digest, "big"), salt + 1
        self._clients[flow] = _Client(sock, forward, address, now)
        self._flow_of[forward.listen, address] = flow
        return flow

    def _forget_client(self, flow: int) -> None:
        client = self._clients.pop(flow)
        del self._flow_of[client.forward.listen, client.address]

    # Events of a connection

    def _on_event(self, event: Event) -> None:
        if isinstance(event, DatagramReceived):
            client = self._clients.get(event.flow)
            if client is not None:
                send(client.sock, event.payload, client.address)
        elif isinstance(event, TargetFell):
            self._on_urgent()
        elif isinstance(event, PathChanged):
            name = self.links[event.link].config.name
            logger.info("link %s: %s", name, event.state.value)
            self._decide_uses()
            self._on_urgent()
        elif isinstance(event, FlowWasRefused) and event.flow not in self._refused:
            self._refused.add(event.flow)
            client = self._clients.get(event.flow)
            where = client.forward.to if client else "an address"
            logger.warning("the hub does not forward to %s: bond.allow there", where)

    # Links

    async def _on_interfaces(self, interfaces: Interfaces) -> None:
        self._interfaces = interfaces
        for link in self.links:
            link.reopen_at = 0.0
            self._look_at_link(link)

    async def _keep_uses(self) -> None:
        """Priority, price and cap of the links; nothing to do where all are alike and free."""
        kinds = {(one.priority, one.price_per_gb) for one in self.config.bond.link}
        capped = any(one.monthly_cap_mb for one in self.config.bond.link)
        while len(kinds) > 1 or capped:
            self._decide_uses()
            await asyncio.sleep(DECIDE_S)

    def _decide_uses(self) -> None:
        now = self._loop.time()
        if self.spending.decide(self.connection, now):
            for session in list(self._sessions.values()):
                self._apply_uses(session, now)
                session.driver.flush()
            for link in self.links:
                self._look_at_link(link)

    def _apply_uses(self, session: "_Session", now: float) -> None:
        for link, use in zip(self.links, self.spending.uses, strict=True):
            metered = link.config.price_per_gb > 0 or link.config.monthly_cap_mb > 0
            session.connection.use_path(link.number, use, now, metered=metered)

    async def _keep_links(self) -> None:
        while True:
            for link in self.links:
                self._look_at_link(link)
            await asyncio.sleep(REOPEN_S / 2)

    async def _keep_resolved(self) -> None:
        """Host names may move; while none is known, ask again soon."""
        names = {link.config.remote or self.config.bond.hub for link in self.links}
        while True:
            for name in names:
                try:
                    self._remotes[name] = await resolve(name, socket.SOCK_DGRAM)
                except OSError as error:
                    logger.warning("%s: %s", name, error)
            for link in self.links:
                self._look_at_link(link)
            known = all(name in self._remotes for name in names)
            await asyncio.sleep(RESOLVE_S if known else REOPEN_S)

    def _look_at_link(self, link: BoxLink) -> None:
        """Open, close or leave alone, as the system has it now."""
        now = self._loop.time()
        present = self._is_present(link.config)
        if present != link.present:
            link.present, link.since = present, now
        is_closed = self.spending.uses[link.number] is Use.CLOSED
        if link.sock is not None and not present:
            logger.info("link %s is gone", link.config.name)
            self._close_link(link)
        elif is_closed:
            self._close_link(link)
        elif link.sock is not None and self._has_changed(link):
            logger.info("link %s has changed", link.config.name)
            self._close_link(link)
            self._open_link(link, now)
        elif link.sock is not None:
            self._follow_hub(link, now)
        elif present and now >= link.reopen_at:
            self._open_link(link, now)

    def _is_present(self, config: Link) -> bool:
        if config.interface:
            interface = self._interfaces.get(config.interface)
            return interface is not None and interface.up
        try:
            with socket.socket(_family(config.source), socket.SOCK_DGRAM) as probe:
                probe.bind((config.source, 0))
        except OSError:
            return False
        return True

    def _has_changed(self, link: BoxLink) -> bool:
        """The interface is another one of the same name, or has lost its addresses of our kind.

        Other changes of address need nothing: the kernel takes one that is valid for each packet.
        """
        if not link.config.interface:
            return False
        interface = self._interfaces.get(link.config.interface)
        replaced = interface is not None and interface.index != link.bound_to
        return replaced or link.family not in self._families(link.config)

    def _open_link(self, link: BoxLink, now: float) -> None:
        fitting = self._fitting(link)
        if not fitting:
            return
        family, link.remote = fitting[0]
        try:
            sock = self._link_socket(link, family)
        except OSError as error:
            link.reopen_at = now + REOPEN_S
            logger.warning("link %s: %s", link.config.name, error)
            return
        link.sock, link.since = sock, now
        self._has_link.set()
        link.headers = HEADERS_V6 if family == socket.AF_INET6 else HEADERS_V4
        link.family = family
        interface = self._interfaces.get(link.config.interface)
        link.bound_to = interface.index if interface else 0
        self._loop.add_reader(sock, self._on_link, link, sock)
        for session in self._sessions.values():
            session.connection.attach_path(link.number, link.number, now)
            self._apply_uses(session, now)
            session.driver.flush()

    def _link_socket(self, link: BoxLink, family: int) -> socket.socket:
        sock = udp_socket(family)
        try:
            bind_to_link(sock, link.config)
            never_fragment(sock)
        except OSError:
            sock.close()
            raise
        return sock

    def _follow_hub(self, link: BoxLink, now: float) -> None:
        """A hub that does not answer where it was may be where its name leads now."""
        path = self.connection.paths.get(link.number) if self.connection else None
        if path is not None and path.state is PathState.UP and path.estimate.known:
            return
        fitting = self._fitting(link)
        if not fitting or link.remote in [address for _, address in fitting]:
            return
        logger.info("link %s: the hub has moved", link.config.name)
        self._close_link(link)
        self._open_link(link, now)

    def _fitting(self, link: BoxLink) -> list[tuple[int, Address]]:
        """The hub's addresses that this link can send to."""
        addresses = self._remotes.get(link.config.remote or self.config.bond.hub, [])
        families = self._families(link.config)
        return [entry for entry in addresses if entry[0] in families]

    def _families(self, config: Link) -> set[int]:
        if config.source:
            return {_family(config.source)}
        interface = self._interfaces.get(config.interface)
        usable = [text for text in interface.addresses if text] if interface else []
        return {_family(text) for text in usable if not text.lower().startswith("fe80")}

    def _close_link(self, link: BoxLink) -> None:
        if link.sock is None:
            return
        self._loop.remove_reader(link.sock)
        link.sock.close()
        link.sock = None
        now = self._loop.time()
        link.since = now
        for session in self._sessions.values():
            session.connection.detach_path(link.number, now)

    def _on_link(self, link: BoxLink, sock: socket.socket) -> None:
        touched: dict[int, _Session] = {}

        def take(packet: bytes, address: Address) -> None:
            size = len(packet) + link.headers
            link.bytes_received += size
            self.spending.count(link.config, size)
            number = session_of(packet)
            session = self._sessions.get(number)
            if session is None:
                self._ended.garbage += 1
                return
            session.driver.receive(link.number, packet)
            touched[number] = session

        drain(sock, take)
        for session in touched.values():
            session.driver.flush()

    def _send_outer(self, number: Hashable, packets: list[bytes]) -> None:
        link = self.links[number] if isinstance(number, int) else None
        if link is None or link.sock is None:
            return
        problem = send_many(link.sock, packets, link.remote)
        size = sum(map(len, packets)) + link.headers * len(packets)
        link.bytes_sent += size
        self.spending.count(link.config, size)
        # Not from within the connection's own call: it is still handing out packets.
        if problem == errno.EMSGSIZE:
            self._loop.call_soon(self._on_too_large, link.number, max(map(len, packets)))
        elif problem and problem not in PASSING:
            self._loop.call_soon(self._on_send_error, link, link.sock, problem)

    def _on_too_large(self, number: int, size: int) -> None:
        for session in self._sessions.values():
            session.connection.sender.on_refused(number, size, self._loop.time())

    def _on_send_error(self, link: BoxLink, sock: socket.socket, problem: int) -> None:
        if link.sock is not sock:
            return
        logger.info("link %s cannot send: %s", link.config.name, _strerror(problem))
        link.reopen_at = self._loop.time() + REOPEN_S
        self._close_link(link)
        for session in self._sessions.values():
            session.driver.flush()

    # Sessions

    async def _keep_keys(self) -> None:
        """Fetch keys when there are none, when they have become useless, and when they are old."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_link.wait(), FIRST_LINK_S)
        attempt = 0
        while True:
            self._settle_sessions()
            if not self._needs_keys():
                attempt = 0
                await asyncio.sleep(LOOK_S)
                continue
            try:
                connection = await self._connect()
            except ExchangeError as error:
                if str(error) != self.problem:
                    logger.warning("no session keys: %s", error)
                self.problem = str(error)
            else:
                self.problem = ""
                self._begin(connection)
                attempt = 0
                continue
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1

    async def _connect(self) -> Connection:
        """A session with fresh keys, which live on in it only. Raises ExchangeError."""
        links = [link.config for link in self._links_for_keys()]
        return Connection("box", await self._keys.fetch(links), self._loop.time())

    def _links_for_keys(self) -> list[BoxLink]:
        """Those that cost least first; each that may be asked is charged for it."""
        usable = [link for link in self.links if link.sock is not None]
        usable.sort(key=lambda link: self.spending.uses[link.number])
        for link in usable:
            self.spending.count(link.config, EXCHANGE_BYTES)
        return usable

    def _needs_keys(self) -> bool:
        if self._next is not None:
            return False
        if self.session is None:
            return True
        now = self._loop.time()
        old = now - self.session.started_at > SESSION_MAX_S
        return old or self.session.connection.is_silent(now)

    def _begin(self, connection: Connection) -> None:
        """Start a session; it takes over when the hub has answered on it."""
        now = self._loop.time()
        session = _Session(connection, Driver(connection, self._send_outer, self._on_event), now)
        self._sessions[connection.session] = session
        self._next = session
        for link in self.links:
            if link.sock is not None:
                connection.attach_path(link.number, link.number, now)
        self._apply_uses(session, now)
        if self.session is not None:
            connection.inherit(self.session.connection)
        session.driver.flush()

    def _settle_sessions(self) -> None:
        now = self._loop.time()
        fresh = self._next
        if fresh is not None and fresh.connection.established:
            if self.session is not None:
                self.session.replaced_at = now
            self.session, self._next = fresh, None
            logger.info("session %08x is in use", fresh.connection.session)
        elif fresh is not None and now - fresh.started_at > PROVE_S:
            self._next = None
            self._end(fresh)
        for session in list(self._sessions.values()):
            if session.replaced_at and now - session.replaced_at > OVERLAP_S:
                self._end(session)

    def _end(self, session: _Session) -> None:
        session.driver.close()
        del self._sessions[session.connection.session]
        for name in Counters.__slots__:
            spent = getattr(session.connection.counters, name)
            setattr(self._ended, name, getattr(self._ended, name) + spent)


def _check(config: Config) -> None:
    """What the wire has no room for. Raises ConfigError."""
    if not 0 < len(config.bond.link) <= LINKS_MAX:
        raise ConfigError(f"bond.link: a box needs 1 to {LINKS_MAX} links")
    for forward in config.bond.forward:
        if len(forward.to) > ANNOUNCE_MAX:
            raise ConfigError(
                f"bond.forward {forward.name!r}: to: at most {ANNOUNCE_MAX} characters"
            )


def _family(text: str) -> int:
    is_v6 = ipaddress.ip_address(text).version == 6
    return socket.AF_INET6 if is_v6 else socket.AF_INET


def _strerror(number: int) -> str:
    return OSError(number, "").strerror or str(number)
