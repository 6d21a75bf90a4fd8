"""The panel service: folds the bus into a view, and serves it to the cabin's touch screen.

The asyncio loop owns bus and state. Pages run in the web server's threads; they read the Feed and
ask through BusActions.
"""

import asyncio
import contextlib
import time
from pathlib import Path

from edgebox.config import Config, parse_address
from edgebox.host.seal import Seal
from edgebox.host.service import Service
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.messages.headset import HEADSET_STATUS, HeadsetStatus
from edgebox.messages.marks import POINTING, STROKE, WIPE, Pointing, Stroke, Wipe
from edgebox.messages.pairing import PAIRING_STATUS, PairingStatus
from edgebox.messages.room import ROOM, Room
from edgebox.messages.selftest import SELF_TEST, SelfTest
from edgebox.messages.services import (
    ASK_HUB,
    BOX_INFO,
    SERVICE_STATUS,
    AskHub,
    BoxInfo,
    HubStatus,
    ServiceStatus,
)
from edgebox.messages.session import MEDIA_SESSION, MediaSession
from edgebox.messages.support import SUPPORT_CHAT, SUPPORT_SESSION, ChatLine, SupportSession
from edgebox.messages.support_call import CALL_STATUS, CallStatus
from edgebox.messages.update import UPDATE_STATUS, UpdateStatus
from edgebox.messages.vehicle import MODEMS, Modems
from edgebox.messages.vitals import VITALS_NOW, VITALS_STATUS, VitalsNow, VitalsStatus
from edgebox.panel.actions import BusActions
from edgebox.panel.app import create_app
from edgebox.panel.feed import Feed
from edgebox.panel.guard import require_loopback
from edgebox.panel.people import plain
from edgebox.panel.server import WebServer
from edgebox.panel.state import PanelState

TICK_S = 0.1
"""How late silence is noticed; everything that is said is shown at once."""
HUB_ASK_EVERY_S = 3.0
HUB_ANSWER_S = 3.0
SELF_CHECK_EVERY_S = 2.0
SELF_CHECK_TIMEOUT_S = 5.0


async def run(config: Config) -> None:
    """Until cancelled. Raises ConfigError or DeviceError if it cannot serve."""
    require_loopback(config)
    service = Service("panel", config)
    state = PanelState(config, time.monotonic())
    feed = Feed(state.view(time.monotonic(), time.time()))
    cabin = _Cabin(service, state, feed)
    seal = Seal(Path(config.directory) / config.panel.seal)
    actions = BusActions(state, service.bus, config.media.preview_listen, cabin.show, seal)
    # The port first: a second panel must not speak on the bus in the name of this one.
    async with WebServer(create_app(config, feed, actions), config.panel.listen), service:
        try:
            await cabin.listen()
            await service.bus.publish(BOX_INFO, BoxInfo(vehicle=config.box.vehicle))
            await service.set_state("running")
            await service.run(cabin.tick(), cabin.ask_hub(), check_itself(service))
        finally:
            feed.close()
            actions.cancel()


async def check_itself(service: Service) -> None:
    """Progress is a page that was served, the loop included: ask our own server."""
    host, port = parse_address(service.config.panel.listen)
    while True:
        try:
            async with asyncio.timeout(SELF_CHECK_TIMEOUT_S):
                if await _is_alive(host, port, service.config.panel.listen):
                    service.progress()
        except (OSError, TimeoutError):
            pass  # no progress: the watchdog judges
        await asyncio.sleep(SELF_CHECK_EVERY_S)


async def _is_alive(host: str, port: int, name: str) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET /alive HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return b" 204 " in await reader.readline()
    finally:
        writer.close()


class _Cabin:
    """Feeds the state from the bus and shows what comes of it."""

    def __init__(self, service: Service, state: PanelState, feed: Feed):
        self._bus = service.bus
        self._state = state
        self._feed = feed
        self._connected = False
        self._marked = ("", "")
        self._ask_now = asyncio.Event()

    def show(self) -> None:
        """Publish the view of this moment."""
        self._feed.publish(self._state.view(time.monotonic(), time.time()))

    async def tick(self) -> None:
        """Notice what is told by nobody: silence, and the broker's going and coming."""
        while True:
            self._follow_broker()
            self.show()
            await asyncio.sleep(TICK_S)

    async def ask_hub(self) -> None:
        """Whether the hub is there: every few seconds, and at once when the bridge has changed."""
        while True:
            self._ask_now.clear()
            answer = await self._bus.request(ASK_HUB, AskHub(), timeout_s=HUB_ANSWER_S)
            if isinstance(answer, HubStatus):
                at, utc = time.monotonic(), time.time()
                self._state.receive_hub(at, utc, doubled=answer.doubled)
                self.show()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HUB_ASK_EVERY_S):
                    await self._ask_now.wait()

    async def listen(self) -> None:
        """Subscribe to everything the panel shows."""
        await self._bus.subscribe(SERVICE_STATUS, self._receive_service)
        await self._bus.subscribe(MEDIA_SESSION, self._receive_session)
        await self._bus.subscribe(BOND_STATUS, self._receive_bond)
        await self._bus.subscribe(ROOM, self._receive_room)
        await self._bus.subscribe(MODEMS, self._receive_modems)
        await self._bus.subscribe(POINTING, self._receive_pointing)
        await self._bus.subscribe(STROKE, self._receive_stroke)
        await self._bus.subscribe(WIPE, self._receive_wipe)
        await self._bus.subscribe(VITALS_STATUS, self._receive_vitals)
        await self._bus.subscribe(VITALS_NOW, self._receive_vitals)
        await self._bus.subscribe(SELF_TEST, self._receive_self_test)
        await self._bus.subscribe(UPDATE_STATUS, self._receive_update)
        await self._bus.subscribe(SUPPORT_SESSION, self._receive_support)
        await self._bus.subscribe(SUPPORT_CHAT, self._receive_chat)
        await self._bus.subscribe(CALL_STATUS, self._receive_call)
        await self._bus.subscribe(PAIRING_STATUS, self._receive_pairing)
        await self._bus.subscribe(HEADSET_STATUS, self._receive_headsets)
        await self._bus.watch_bridge(self._receive_bridge)

    def _follow_broker(self) -> None:
        """Before each message too: a retained one must not be folded in as before the gap."""
        connected = self._bus.connected.is_set()
        if connected == self._connected:
            return
        self._connected = connected
        if connected:
            self._state.connect_broker(time.monotonic())
        else:
            self._state.disconnect_broker(time.monotonic(), time.time())

    async def _receive_service(self, status: ServiceStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_service(status, time.monotonic())
        self.show()

    async def _receive_session(self, session: MediaSession, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_session(session, time.monotonic())
        self._state.support.receive_media(session)
        if (session.id, session.state) != self._marked:
            self._marked = (session.id, session.state)
            self._feed.mark(lambda marks: marks.clear())
        self.show()

    async def _receive_bond(self, status: BondStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_bond(status, time.monotonic(), time.time())
        self.show()

    async def _receive_room(self, room: Room, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_room(room)
        self.show()

    async def _receive_modems(self, modems: Modems, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_modems(modems)
        self.show()

    async def _receive_vitals(
        self, message: VitalsStatus | VitalsNow, keys: dict[str, str]
    ) -> None:
        self._follow_broker()
        self._state.receive_vitals(message)
        self.show()

    async def _receive_call(self, status: CallStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.support.receive_call(status)
        self.show()

    async def _receive_pairing(self, status: PairingStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.headset.receive(status, time.monotonic())
        self.show()

    async def _receive_headsets(self, status: HeadsetStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.headset.receive_certificate(status.certificate)
        self.show()

    async def _receive_support(self, session: SupportSession, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.support.receive(session, time.monotonic())
        self.show()

    async def _receive_chat(self, line: ChatLine, keys: dict[str, str]) -> None:
        self._state.support.receive_chat(line)
        self.show()

    async def _receive_self_test(self, test: SelfTest, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_self_test(test)
        self.show()

    async def _receive_update(self, status: UpdateStatus, keys: dict[str, str]) -> None:
        self._follow_broker()
        self._state.receive_update(status)
        self.show()

    async def _receive_pointing(self, pointing: Pointing, keys: dict[str, str]) -> None:
        self._feed.mark(lambda marks: marks.point(pointing, plain(pointing.name)))

    async def _receive_stroke(self, stroke: Stroke, keys: dict[str, str]) -> None:
        self._feed.mark(lambda marks: marks.draw(stroke))

    async def _receive_wipe(self, wipe: Wipe, keys: dict[str, str]) -> None:
        self._feed.mark(lambda marks: marks.wipe(wipe))

    async def _receive_bridge(self, up: bool) -> None:
        self._follow_broker()
        self._state.receive_bridge(up, time.time())
        self._ask_now.set()
        self.show()
