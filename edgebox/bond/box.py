"""The vehicle's end: forwards in front, links behind, sessions between.

Who may reach it: a forward's `listen` address, which is loopback unless the vehicle's owner opens
it to other machines on purpose; what comes in there is forwarded to one fixed destination. The
links' sockets take only what the current session's keys open.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Hashable

from edgebox.bond.box_link import BoxLink, Surroundings, link_socket
from edgebox.bond.box_sessions import BoxSession, BoxSessions
from edgebox.bond.box_tests import BoxTests
from edgebox.bond.clients import Clients
from edgebox.bond.connection import Connection
from edgebox.bond.events import (
    DatagramReceived,
    Event,
    FlowWasRefused,
    LinkTested,
    PathChanged,
    TargetFell,
)
from edgebox.bond.exchange import ExchangeError, resolve
from edgebox.bond.key_client import KeyClient
from edgebox.bond.meter import Counters
from edgebox.bond.path import PathState, Use
from edgebox.bond.spending import EXCHANGE_BYTES, Spending
from edgebox.bond.transport import (
    HEADERS_V4,
    HEADERS_V6,
    PASSING,
    Address,
    Driver,
    drain,
    send_many,
)
from edgebox.bond.wire import ANNOUNCE_MAX, LINKS_MAX, session_of
from edgebox.config import Config
from edgebox.errors import ConfigError
from edgebox.host.netlink import Interfaces, watch_interfaces

logger = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often it is asked whether new keys are needed."""
RETRY_S = (0.1, 0.25, 0.5, 1.0, 2.0)
REOPEN_S = 1.0
FIRST_LINK_S = 1.0
"""Before that it is no news that there is no link to ask for keys on."""
DECIDE_S = 0.1
"""How often it is looked at what each link may be used for."""
RESOLVE_S = 60.0


class BoxEnd:
    """Use `run`; the rest is for its status."""

    def __init__(self, config: Config, *, on_urgent: Callable[[], None] = lambda: None):
        """`on_urgent` is called when the target falls."""
        self.config = config
        self.links = [BoxLink(number, link) for number, link in enumerate(config.bond.link)]
        self._sessions = BoxSessions()
        self.problem = ""
        """Why there are no session keys, for the technician."""
        self._on_urgent = on_urgent
        self._loop = asyncio.get_running_loop()
        self._keys = KeyClient(config)
        self._clients = Clients(self._send_inner, self._flush_inner)
        self._dropped = 0
        self._refused: set[int] = set()
        self._surroundings = Surroundings(config.bond.hub)
        self._has_link = asyncio.Event()
        self.spending = Spending(config)
        self.tests = BoxTests(self.links, self.spending, self._sessions)

    def open(self) -> None:
        """Listen on the forwards. Raises ConfigError when a port is taken."""
        _check(self.config)
        self.spending.open()
        try:
            for forward in self.config.bond.forward:
                self._clients.open(forward)
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
        self._sessions.close()
        self._clients.close()
        for link in self.links:
            self._close_link(link)

    # Figures

    @property
    def connection(self) -> Connection | None:
        """The session in use."""
        current = self._sessions.current
        return current.connection if current else None

    def counters(self) -> Counters:
        """Totals over all sessions."""
        total = self._sessions.counters()
        total.expired += self._dropped
        return total

    def overdue_s(self) -> float:
        """How late the session's timer is."""
        current = self._sessions.current
        return current.driver.overdue_s if current else 0.0

    # Datagrams

    def _send_inner(self, flow: int, destination: str, payload: bytes) -> None:
        connection = self.connection
        if connection is None:
            self._dropped += 1
            return
        now = self._loop.time()
        connection.open_flow(flow, destination, now)
        connection.send_datagram(flow, payload, now)

    def _flush_inner(self) -> None:
        if self._sessions.current is not None:
            self._sessions.current.driver.flush()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, DatagramReceived):
            self._clients.deliver(event.flow, event.payload)
        elif isinstance(event, TargetFell):
            self._on_urgent()
        elif isinstance(event, PathChanged):
            name = self.links[event.link].config.name
            logger.info("link %s: %s", name, event.state.value)
            self._decide_uses()
            self._on_urgent()
        elif isinstance(event, LinkTested):
            self.tests.on_ended(event.trial)
        elif isinstance(event, FlowWasRefused) and event.flow not in self._refused:
            self._refused.add(event.flow)
            where = self._clients.destination_of(event.flow) or "an address"
            logger.warning("the hub does not forward to %s: bond.allow there", where)

    # Links

    async def _on_interfaces(self, interfaces: Interfaces) -> None:
        self._surroundings.interfaces = interfaces
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
            for session in self._sessions:
                self._apply_uses(session, now)
                session.driver.flush()
            for link in self.links:
                self._look_at_link(link)

    def _apply_uses(self, session: BoxSession, now: float) -> None:
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
        remotes = self._surroundings.remotes
        names = {self._surroundings.name_of(link.config) for link in self.links}
        while True:
            for name in names:
                try:
                    remotes[name] = await resolve(name, socket.SOCK_DGRAM)
                except OSError as error:
                    logger.warning("%s: %s", name, error)
            for link in self.links:
                self._look_at_link(link)
            known = all(name in remotes for name in names)
            await asyncio.sleep(RESOLVE_S if known else REOPEN_S)

    def _look_at_link(self, link: BoxLink) -> None:
        """Open, close or leave alone, as the system has it now."""
        now = self._loop.time()
        present = self._surroundings.has(link.config)
        if present != link.present:
            link.present, link.since = present, now
        is_closed = self.spending.uses[link.number] is Use.CLOSED
        if link.sock is not None and not present:
            logger.info("link %s is gone", link.config.name)
            self._close_link(link)
        elif is_closed:
            self._close_link(link)
        elif link.sock is not None and self._surroundings.have_changed(link):
            logger.info("link %s has changed", link.config.name)
            self._close_link(link)
            self._open_link(link, now)
        elif link.sock is not None:
            self._follow_hub(link, now)
        elif present and now >= link.reopen_at:
            self._open_link(link, now)

    def _open_link(self, link: BoxLink, now: float) -> None:
        fitting = self._surroundings.reachable(link.config)
        if not fitting:
            return
        family, link.remote = fitting[0]
        try:
            sock = link_socket(link.config, family)
        except OSError as error:
            link.reopen_at = now + REOPEN_S
            logger.warning("link %s: %s", link.config.name, error)
            return
        link.sock, link.since = sock, now
        self._has_link.set()
        link.headers = HEADERS_V6 if family == socket.AF_INET6 else HEADERS_V4
        link.family = family
        link.bound_to = self._surroundings.index_of(link.config)
        self._loop.add_reader(sock, self._on_link, link, sock)
        for session in self._sessions:
            session.connection.attach_path(link.number, link.number, now)
            self._apply_uses(session, now)
            session.driver.flush()

    def _follow_hub(self, link: BoxLink, now: float) -> None:
        """A hub that does not answer where it was may be where its name leads now."""
        path = self.connection.paths.get(link.number) if self.connection else None
        if path is not None and path.state is PathState.UP and path.estimate.known:
            return
        fitting = self._surroundings.reachable(link.config)
        if not fitting or link.remote in [address for _, address in fitting]:
            return
        logger.info("link %s: the hub has moved", link.config.name)
        self._close_link(link)
        self._open_link(link, now)

    def _close_link(self, link: BoxLink) -> None:
        if link.sock is None:
            return
        self._loop.remove_reader(link.sock)
        link.sock.close()
        link.sock = None
        now = self._loop.time()
        link.since = now
        for session in self._sessions:
            session.connection.detach_path(link.number, now)

    def _on_link(self, link: BoxLink, sock: socket.socket) -> None:
        touched: dict[int, BoxSession] = {}

        def take(packet: bytes, address: Address) -> None:
            size = len(packet) + link.headers
            link.bytes_received += size
            self.spending.count(link.config, size)
            number = session_of(packet)
            session = self._sessions.find(number)
            if session is None:
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
        for session in self._sessions:
            session.connection.sender.on_refused(number, size, self._loop.time())

    def _on_send_error(self, link: BoxLink, sock: socket.socket, problem: int) -> None:
        if link.sock is not sock:
            return
        logger.info("link %s cannot send: %s", link.config.name, _strerror(problem))
        link.reopen_at = self._loop.time() + REOPEN_S
        self._close_link(link)
        for session in self._sessions:
            session.driver.flush()

    # Sessions

    async def _keep_keys(self) -> None:
        """Fetch keys when there are none, when they have become useless, and when they are old."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_link.wait(), FIRST_LINK_S)
        attempt = 0
        while True:
            self._sessions.settle(self._loop.time())
            if not self._sessions.need_keys(self._loop.time()):
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

    def _begin(self, connection: Connection) -> None:
        """Start a session; it takes over when the hub has answered on it."""
        now = self._loop.time()
        driver = Driver(connection, self._send_outer, self._on_event)
        session = BoxSession(connection, driver, now)
        self._sessions.begin(session)
        for link in self.links:
            if link.sock is not None:
                connection.attach_path(link.number, link.number, now)
        self._apply_uses(session, now)
        if self.connection is not None:
            connection.inherit(self.connection)
        session.driver.flush()


def _check(config: Config) -> None:
    """What the wire has no room for. Raises ConfigError."""
    if not 0 < len(config.bond.link) <= LINKS_MAX:
        raise ConfigError(f"bond.link: a box needs 1 to {LINKS_MAX} links")
    for forward in config.bond.forward:
        if len(forward.to) > ANNOUNCE_MAX:
            raise ConfigError(
                f"bond.forward {forward.name!r}: to: at most {ANNOUNCE_MAX} characters"
            )


def _strerror(number: int) -> str:
    return OSError(number, "").strerror or str(number)
