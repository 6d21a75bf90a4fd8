"""The bus as the technician's session uses it: local, and to the hub by whichever way there is.

Ordinarily that is the box's own broker and its bridge. While that does not get through
(way_plan.py), a connection of our own to the hub's broker carries the session's topics, and no
others (the hub's `hub-help.acl`). What is said goes to the local broker all the same, for the crew,
and with it into the bridge's queue; so the hub hears some of it twice, and tells by its number.
What is asked comes by one way; should a broker hand it out again, it is done once all the same. A
stream takes one way alone.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from edgebox.bus import Bus, Once, Will
from edgebox.config import Config
from edgebox.errors import ConfigError
from edgebox.messages.base import A, Fault, M, Message, Q, Request, Topic
from edgebox.messages.services import ASK_HUB, AskHub
from edgebox.messages.support_shell import SHELL_UP
from edgebox.messages.support_way import DIRECT, SUPPORT_WAY, SupportWay, Way
from edgebox.support.far_broker import FarBroker
from edgebox.support.heard import Heard
from edgebox.support.way_plan import WayPlan

logger = logging.getLogger(__name__)

UP, DOWN = "box/{box}/up/", "box/{box}/down/"
STREAMS: frozenset[str] = frozenset({SHELL_UP.template})
"""Too much for a queue that nobody empties; their pieces are numbered."""
LOOK_EVERY_S = 0.25
ASK_EVERY_S, ANSWER_S = 3.0, 4.0
AGAIN_S = 2.0
LINGER_S = 5.0
"""That it is over has to get there, too."""
NO_PAPERS_S = 10.0
WAITING_MAX = 200
RECENT_S, RECENT_MAX = 30.0, 50
"""What was said so shortly before the bridge was known to be down is said again."""

Said = tuple[Topic[Any], Message, dict[str, str]]


class Ways:
    """Has the methods of a Bus that a session uses."""

    def __init__(self, local: Bus):
        self._local = local
        self._once = Once()
        self._routes: list[Callable[[Bus], Awaitable[None]]] = []
        self._states: dict[tuple[str, ...], Said] = {}
        self._recent: deque[tuple[float, Said]] = deque(maxlen=RECENT_MAX)
        self._waiting: asyncio.Queue[Said] = asyncio.Queue(WAITING_MAX)
        self._far: Bus | None = None
        self.way: Way = ""
        """What a session says and hears now goes this way; empty: there is none."""

    @property
    def hears_crew(self) -> bool:
        """The box's own broker is there: without it no tap of theirs arrives."""
        return self._local.connected.is_set()

    async def publish(self, topic: Topic[M], message: M, **keys: str) -> bool:
        """Send; False if neither way took it."""
        if not topic.template.startswith(UP):
            return await self._local.publish(topic, message, **keys)
        far = self._far
        if topic.template in STREAMS:
            taken = far is not None and await far.publish(topic, message, **keys)
            return taken or await self._local.publish(topic, message, **keys)
        said = (topic, message, keys)
        if topic.retained:
            self._states[topic.template, *keys.values()] = said
        else:
            self._recent.append((time.monotonic(), said))
        if far is not None and not self._waiting.full():
            # The crew's tap waits for no answer from the hub.
            self._waiting.put_nowait(said)
        return await self._local.publish(topic, message, **keys) or far is not None

    async def subscribe(
        self, topic: Topic[M], handler: Callable[[M, dict[str, str]], Awaitable[None]]
    ) -> None:
        """As Bus.subscribe; what comes from the hub, by either way."""
        await self._local.subscribe(topic, handler)
        if topic.template.startswith(DOWN):
            await self._add(lambda bus: bus.subscribe(topic, handler))

    async def serve(
        self, request: Request[Q, A], answer: Callable[[Q, dict[str, str]], Awaitable[A | Fault]]
    ) -> None:
        """As Bus.serve; what the hub asks is done once, and answered the way it came."""
        is_far = request.template.startswith(DOWN)
        await self._local.serve(request, answer, self._once if is_far else None)
        if is_far:
            await self._add(lambda bus: bus.serve(request, answer, self._once))

    async def request(
        self, request: Request[Q, A], question: Q, *, timeout_s: float = 5.0, **keys: str
    ) -> A | Fault:
        """Of the box itself."""
        return await self._local.request(request, question, timeout_s=timeout_s, **keys)

    async def _add(self, route: Callable[[Bus], Awaitable[None]]) -> None:
        self._routes.append(route)
        if self._far is not None:
            await route(self._far)

    @contextlib.asynccontextmanager
    async def over(self, far: Bus) -> AsyncIterator[None]:
        """Within: `far` carries it as well."""
        for route in self._routes:
            await route(far)
        self._waiting = asyncio.Queue(WAITING_MAX)
        for said in self._states.values():
            self._waiting.put_nowait(said)
        since = time.monotonic() - RECENT_S
        for at, said in self._recent:
            if at >= since:
                self._waiting.put_nowait(said)
        self._far = far
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(far))
            try:
                yield
            finally:
                self._far = None
                sending.cancel()

    async def _send(self, far: Bus) -> None:
        """In order; what was not taken is said again."""
        while True:
            topic, message, keys = await self._waiting.get()
            while True:
                await far.connected.wait()
                if await far.publish(topic, message, **keys):
                    break
                await asyncio.sleep(LOOK_EVERY_S)


class SecondWay:
    """Opens and leaves our own way for a Ways."""

    def __init__(self, ways: Ways, bus: Bus, config: Config, heard: Heard):
        self._ways = ways
        self._bus = bus
        self._config = config
        self._heard = heard
        self._plan = WayPlan()
        self._needed_at = -math.inf

    async def run(self, is_needed: Callable[[], bool]) -> None:
        """`is_needed`: help is asked for, or somebody is in. Never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask_hub(is_needed))
            group.create_task(self._steer(is_needed))

    async def _ask_hub(self, is_needed: Callable[[], bool]) -> None:
        while True:
            if is_needed() and self._bus.connected.is_set():
                answer = await self._bus.request(ASK_HUB, AskHub(), timeout_s=ANSWER_S)
                if not isinstance(answer, Fault):
                    self._plan.answered(time.monotonic())
                await asyncio.sleep(ASK_EVERY_S)
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    def _is_wanted(self, is_needed: Callable[[], bool]) -> bool:
        now = time.monotonic()
        if is_needed():
            self._needed_at = now
        return self._plan.update(
            now,
            needed=now - self._needed_at < LINGER_S,
            broker=self._bus.connected.is_set(),
            bridge=self._heard.bridge,
        )

    async def _steer(self, is_needed: Callable[[], bool]) -> None:
        while True:
            if self._is_wanted(is_needed):
                try:
                    broker = FarBroker(self._config, lambda: self._heard.bond(time.time()))
                except ConfigError as error:
                    logger.warning("no way of our own to the hub: %s", error)
                    self._ways.way = "none"
                    await asyncio.sleep(NO_PAPERS_S)
                    continue
                await self._keep_open(broker, is_needed)
            self._ways.way = self._way_without(is_needed)
            await asyncio.sleep(LOOK_EVERY_S)

    def _way_without(self, is_needed: Callable[[], bool]) -> Way:
        if not is_needed():
            return ""
        return "bridge" if self._plan.bridge_works else "none"

    async def _keep_open(self, broker: FarBroker, is_needed: Callable[[], bool]) -> None:
        logger.warning("the bridge does not get through: technical help connects by itself")
        closed = SupportWay(state="closed")
        said = closed
        async with (
            Bus(
                broker.address,
                "support",
                box=f"{DIRECT}{self._config.box.id}",
                will=Will(SUPPORT_WAY, closed, {}),
                dial=broker.dial,
                reconnect_s=AGAIN_S,
            ) as far,
            self._ways.over(far),
        ):
            while self._is_wanted(is_needed):
                if far.failed.done():
                    return  # leaving `far` raises it
                if far.connected.is_set():
                    now = SupportWay(state="open", over=broker.over, clock=broker.clock)
                    if now != said and await far.publish(SUPPORT_WAY, now):
                        said = now
                    self._ways.way = "direct"
                else:
                    self._ways.way = "clock" if broker.refused_dates else "none"
                await asyncio.sleep(LOOK_EVERY_S)
            await far.publish(SUPPORT_WAY, closed)
        logger.warning("technical help goes over the bridge again")
