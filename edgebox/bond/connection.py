"""The protocol core of one bond session: no I/O, told the time.

Theory of operation. A connection lives as long as its keys. Either end feeds it with outer
datagrams (`receive_datagram`) and inner ones (`send_datagram`), sends what `datagrams_to_send`
returns, takes what `next_event` returns, and calls `handle_timeout` when `next_timeout` has come.

    inner -> classify -> queue -> choose link -> seal -> outer          (sender.py)
    outer -> open -> acknowledge -> first copy? -> in order? -> inner   (here, release.py)

Both directions work alike. What differs is who knows the addresses: the box attaches its links
and says where its flows go; the hub learns a link's address from the newest authenticated packet
that came from it, and a flow's destination from the announcement in its first packets.
"""

import os
from collections import deque
from collections.abc import Callable, Hashable
from typing import Literal

from edgebox.bond.answers import Grants
from edgebox.bond.body import decode_body
from edgebox.bond.control import (
    Ack,
    Control,
    FlowRefused,
    FlowUnknown,
    Item,
    LinkUse,
    PathChallenge,
    PathResponse,
)
from edgebox.bond.destinations import Destinations
from edgebox.bond.events import (
    DatagramReceived,
    Event,
    FlowWasRefused,
    PathChanged,
    PathMoved,
    TargetFell,
)
from edgebox.bond.lateness import Lateness
from edgebox.bond.link_tests import LinkTests
from edgebox.bond.meter import Counters
from edgebox.bond.path import Path, Use
from edgebox.bond.receipts import Receipts
from edgebox.bond.recovery import Recovery
from edgebox.bond.release import Release
from edgebox.bond.roaming import Roaming
from edgebox.bond.seal import TO_BOX, TO_HUB, Keys, Opener, ReplayedError, Sealer
from edgebox.bond.sender import Sender
from edgebox.bond.trial import Plan, Trial
from edgebox.bond.wire import Data, Parity, microseconds
from edgebox.errors import RemoteProtocolError

Role = Literal["box", "hub"]

GONE_S = 120.0
"""The hub leaves a link alone that it has not heard on for so long."""
TARGET_S = 0.005
"""The target is looked at so often at most: twice in an acknowledgement's period."""
TARGET_FELL = 0.9
"""A target below this share of what was told is news."""
HOUSEKEEPING_S = 1.0
IN_USE_S = 1.0
"""A reserve that brought data this lately is in use, whatever was said of it."""
EVENTS_MAX = 4096


class Connection:
    """One end of one session."""

    def __init__(
        self,
        role: Role,
        keys: Keys,
        now: float,
        random_bytes: Callable[[int], bytes] = os.urandom,
        grants: Grants | None = None,
    ):
        """`grants`: at the hub, what the box may have it send for tests."""
        self.role = role
        self.session = keys.session
        self.counters = Counters()
        self.created_at = now
        self.last_received_at = -1e9
        """When the far end was last heard; long ago until it has been."""
        self.acknowledged = 0
        """Blocks of acknowledgement taken: shows that the whole loop works."""
        outwards, inwards = (TO_HUB, TO_BOX) if role == "box" else (TO_BOX, TO_HUB)
        self.sender = Sender(Sealer(keys, outwards, now), self.counters, now)
        self._opener = Opener(keys, inwards)
        self._release = Release()
        self._recovery = Recovery()
        self._receipts = Receipts(self.sender.links)
        self._destinations = Destinations()
        self._lateness = Lateness()
        self._events: deque[Event] = deque()
        self._heard_refused: set[int] = set()
        self._housekeeping_at = self._chores_at = now
        self._told_bps = 0.0
        self._target_at = now
        self._roaming = Roaming(random_bytes)
        self._responses: dict[int, PathResponse] = {}
        self._data_at: dict[int, float] = {}
        self._tests = LinkTests(role, self.sender, self.counters, grants or Grants(now),
                                random_bytes, self._events)  # fmt: skip

    # Links and flows

    @property
    def paths(self) -> dict[int, Path]:
        """Links by number."""
        return self.sender.paths

    @property
    def established(self) -> bool:
        """The far end has proved that it holds the keys."""
        return self.last_received_at > 0

    @property
    def target_bps(self) -> float:
        """What the encoders may produce together."""
        return self.sender.target.bps

    def tell_target(self, now: float) -> float:
        """The target, which the caller passes on; a fall below 9/10 of it becomes an event."""
        self._told_bps = self.sender.update_target(now)
        return self._told_bps

    def is_silent(self, now: float) -> bool:
        """We ask, and nothing has come back for long."""
        return self.sender.links.are_silent(self.last_received_at, now)

    def attach_path(self, link: int, address: Hashable, now: float) -> None:
        """Box: the link can send, at this address of the caller's choice."""
        self.sender.attach(link, address, now)

    def detach_path(self, link: int, now: float) -> None:
        """The system cannot send on the link any more."""
        self.sender.detach(link, now)

    def use_path(self, link: int, use: Use, now: float, *, metered: bool = False) -> None:
        """Box: what the operator wants the link used for; the hub is told, now and again."""
        path = self.paths.get(link)
        if path is None:
            return
        path.metered = metered
        if path.use is use:
            return
        self.sender.set_use(path, use)
        self.sender.outlet.ping_items = [LinkUse(one.link, one.use) for one in self.paths.values()]
        for best in self.sender.links.best(now):
            self.sender.outlet.control(best, self.sender.outlet.ping_items, now)

    def trust_addresses(self, earlier: "Connection") -> None:
        """Hub: this is another session of the same box."""
        self._roaming.trust(earlier._roaming)

    def knows_address(self, address: Hashable) -> bool:
        """Hub: a link of this box is there, or was last."""
        return self._roaming.knows(address)

    def inherit(self, earlier: "Connection") -> None:
        """Take over what an earlier session of the same links found out about their rates."""
        self.sender.links.inherit(earlier.sender.links)

    def open_flow(self, flow: int, destination: str, now: float) -> None:
        """Box: say where a flow goes."""
        self.sender.flows.open(flow, destination, now)

    def refuse_flow(self, flow: int) -> None:
        """Hub: this flow will not be served; tell the box. It takes no other flow's place."""
        self._destinations.refuse(flow)

    def forget_flow(self, flow: int) -> None:
        """Hub: the flow was idle; if it wakes up, the box must say again where it goes."""
        self._destinations.forget(flow)

    # Tests of links

    def test_link(self, link: int, plan: Plan, now: float) -> Trial:
        """Box: begin; LinkTested says that it is over. One that runs is stopped."""
        self._chores_at = now
        return self._tests.begin(plan, self.paths[link], now)

    def stop_test(self, now: float) -> None:
        """Box: end the one that runs."""
        self._tests.stop(now)

    # The four verbs

    def send_datagram(self, flow: int, payload: bytes, now: float) -> None:
        """Take an inner datagram of an open flow."""
        self.sender.accept(flow, payload, now)

    def receive_datagram(self, address: Hashable, packet: bytes, now: float) -> None:
        """Take an outer datagram. Damaged, strange and repeated ones are counted, not raised."""
        try:
            link, number, body = self._opener.open(packet, now)
            decoded = decode_body(body)
            self._on_opened(address, link, number, len(packet), now)
            if isinstance(decoded, Data):
                self._on_data(decoded, link, now)
            elif isinstance(decoded, Parity):
                self._receipts.expect(now)
                self._on_recovered(self._recovery.add_parity(decoded), now)
            else:
                self._on_control(decoded, link, now)
        except ReplayedError:
            self.counters.replayed += 1
        except RemoteProtocolError:
            self.counters.garbage += 1

    def datagrams_to_send(self, now: float) -> list[tuple[Hashable, bytes]]:
        """Outer datagrams and the addresses of their links; hand them out at once."""
        if self._destinations.notices or self._receipts.is_due(now):
            self._send_acks(now)
        for link, response in self._responses.items():
            if link in self.paths and self.paths[link].attached:
                self.sender.outlet.control(self.paths[link], [response], now)
        self._responses.clear()
        if not self._roaming.is_settled:
            return self._limited(now)
        return self.sender.outlet.take()

    def _limited(self, now: float) -> list[tuple[Hashable, bytes]]:
        """Hub: addresses that have yet to prove themselves get little."""
        for link, address in self._roaming.returns(now):
            self.paths[link].address = address
            self._events.append(PathMoved(link, address))
        for link, token in self._roaming.challenges(now):
            self.sender.outlet.control(self.paths[link], [PathChallenge(token)], now)
        going = []
        for address, packet in self.sender.outlet.take():
            if self._roaming.may_send(address, len(packet)):
                going.append((address, packet))
            else:
                self.sender.on_held_back(len(packet))
        return going

    def next_event(self) -> Event | None:
        """The oldest event not yet taken."""
        changed = self.sender.links.changed
        while changed:
            path = changed.popleft()
            self._events.append(PathChanged(path.link, path.state))
        return self._events.popleft() if self._events else None

    # Time

    def next_timeout(self) -> float:
        """When to call handle_timeout; may lie in the past."""
        at = min(self.sender.next_timeout(), self._chores_at)
        if self._receipts.at is not None:
            at = min(at, self._receipts.at)
        held_until = self._release.next_timeout()
        return at if held_until is None else min(at, held_until)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        for data in self._release.expire(now):
            self._deliver(data)
        self.sender.handle_timeout(now)
        self._look_at_target(now)
        if now >= self._chores_at:
            self._do_chores(now)

    def _do_chores(self, now: float) -> None:
        if now >= self._housekeeping_at:
            self._housekeeping_at = now + HOUSEKEEPING_S
            self._keep_house(now)
        self._chores_at = min(self._housekeeping_at, self._tests.handle_timeout(now))

    def _keep_house(self, now: float) -> None:
        self.sender.flows.forget_idle(now)
        self._destinations.keep_house()
        self._lateness.keep_house()
        self._heard_refused.clear()
        if self.role == "hub":
            for link, heard_at in self._receipts.heard.items():
                if heard_at < now - GONE_S:
                    self._roaming.forget(link)
                    self.sender.detach(link, now)

    def _look_at_target(self, now: float) -> None:
        if self.role != "box" or now < self._target_at:
            return
        self._target_at = now + TARGET_S
        if self.sender.update_target(now) < TARGET_FELL * self._told_bps:
            self._told_bps = self.target_bps
            self._events.append(TargetFell(self.target_bps))

    # Receiving

    def _on_opened(self, address: Hashable, link: int, number: int, size: int, now: float) -> None:
        self.last_received_at = now
        is_newest = self._receipts.opened(link, number, size, microseconds(now), now)
        path = self.sender.paths.get(link)
        if self.role == "hub" and not is_newest:
            self._roaming.limit_received(address, size)
        elif self.role == "hub":
            self._roaming.heard(link, address, size, now)
            if path is None or not path.attached:
                path = self.sender.attach(link, address, now)
            elif path.address != address:
                path.address = address
                self._events.append(PathMoved(link, address))
        if path is not None:
            path.last_received_at = now
            path.bytes_received += size

    def _on_data(self, data: Data, link: int, now: float) -> None:
        self._receipts.expect(now)
        self._data_at[link] = now
        path = self.paths.get(link)
        if path is not None and self.role == "hub" and path.use is not Use.ORDINARY:
            # The box has taken its reserve into use: answer over it too.
            self.sender.set_use(path, Use.ORDINARY)
        if data.announce:
            self._learn_destination(data, now)
        if self._lateness.is_late(data, now):
            self.counters.late += 1
        for ready in self._release.add(data, now):
            self._deliver(ready)
        self._on_recovered(self._recovery.add(data), now)

    def _on_recovered(self, found: list[Data], now: float) -> None:
        for data in found:
            for ready in self._release.add(data, now):
                self._deliver(ready)

    def _learn_destination(self, data: Data, now: float) -> None:
        if self.role == "hub" and self._destinations.learn(data.flow, data.announce):
            self.sender.flows.open(data.flow, "", now)

    def _deliver(self, data: Data) -> None:
        destination = self._destinations.find(data.flow) if self.role == "hub" else ""
        if self.role == "hub" and not destination:
            return
        self.counters.delivered += 1
        if len(self._events) < EVENTS_MAX:
            self._events.append(DatagramReceived(data.flow, destination, data.payload))

    def _on_control(self, control: Control, link: int, now: float) -> None:
        if control.eliciting:
            self._receipts.expect(now)
        for item in control.items:
            if isinstance(item, Ack):
                self.acknowledged += 1
                self.sender.on_ack(item, control.sent_us, now)
            elif isinstance(item, FlowRefused):
                self._on_refused(item.flow)
            elif isinstance(item, LinkUse):
                self._on_link_use(item, now)
            elif isinstance(item, PathChallenge):
                self._responses[link] = PathResponse(item.token)
            elif isinstance(item, PathResponse):
                self._roaming.answered(item.token)
            elif isinstance(item, FlowUnknown):
                flow = self.sender.flows.get(item.flow)
                if flow is not None and flow.destination:
                    flow.announced = False
            else:
                self._tests.on_item(item, link, now)
                self._chores_at = now
        if control.items:
            self._look_at_target(now)

    def _on_link_use(self, item: LinkUse, now: float) -> None:
        """Hub: spare what the operator spares, and leave a closed link alone."""
        path = self.paths.get(item.link)
        if self.role != "hub" or path is None or item.use > Use.CLOSED:
            return
        if item.use < Use.CLOSED and now - self._data_at.get(item.link, -1e9) < IN_USE_S:
            return
        self.sender.set_use(path, Use(item.use))
        if path.use is Use.CLOSED:
            self._roaming.forget(item.link)
            self.sender.detach(item.link, now)

    def _on_refused(self, flow: int) -> None:
        """Notices come over two links; one of them counts."""
        if flow in self.sender.flows and flow not in self._heard_refused:
            self._heard_refused.add(flow)
            self.counters.refused += 1
            self._events.append(FlowWasRefused(flow))

    # Acknowledging

    def _send_acks(self, now: float) -> None:
        items: list[Item] = [*self._receipts.blocks(now), *self._destinations.notices]
        paths = self._receipts.paths(now)
        if paths:
            self._destinations.notices = {}
        for path in paths:
            self.sender.outlet.control(path, items, now)
        self._receipts.on_sent(anywhere=bool(paths))
