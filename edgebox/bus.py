"""The bus: MQTT 5 publish, subscribe, request and response, typed by edgebox.messages.

One Bus per process. It connects and reconnects by itself; while the broker is away, `publish`
keeps retained states (and sends them on return) and drops events, `request` answers with a Fault.
A payload that does not decode is dropped and counted in `undecodable`: it comes from outside.

Requests travel as in MQTT 5 (OASIS standard, 4.10): response topic, correlation data, and a
message expiry equal to the time-out, so a question nobody waits for any more is never answered.
"""

import asyncio
import contextlib
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import aiomqtt
import msgspec
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgebox.bus_client import BusClient, Dial, obey_cancellation
from edgebox.messages.base import A, Fault, M, Message, Q, Request, Topic

logger = logging.getLogger(__name__)

RECONNECT_S = 0.25
"""The broker is on the same machine: a try costs nothing."""
KEEPALIVE_S = 10
FAR_S, FAR_KEEPALIVE_S = 15, 5
"""A broker elsewhere takes its time, over a satellite most of all; a link may die in silence."""
BRIDGE_STATE = "$SYS/broker/connection/{box}/state"
"""mosquitto.conf(5), `notifications`: payload 1 or 0, retained, local with
`notifications_local_only`."""

REPLY_TOPIC = re.compile(r"box/(CN=)?[a-z0-9-]+/(local|up|down)/reply/[a-z0-9-]+")
AnyMessage = TypeVar("AnyMessage", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True)
class Will:
    """What the broker publishes for this process when it dies."""

    topic: Topic[Any]
    message: Message
    keys: dict[str, str]


@dataclass(frozen=True)
class _Route:
    """One subscription: how to recognise its topic and what to do with a payload."""

    filter: str
    pattern: re.Pattern[str]
    qos: int
    receive: Callable[[aiomqtt.Message, dict[str, str]], Awaitable[None]]


class Once:
    """Knows which questions were taken: a broker may hand one out again (MQTT 5, 4.3.2)."""

    def __init__(self, most: int = 1000):
        """`most`: so many are remembered."""
        self._most = most
        self._taken: dict[bytes, None] = {}

    def take(self, correlation: bytes) -> bool:
        """False: it was taken before. One that cannot be told from others always is new."""
        if not correlation:
            return True
        if correlation in self._taken:
            return False
        self._taken[correlation] = None
        if len(self._taken) > self._most:
            del self._taken[next(iter(self._taken))]
        return True


class Bus:
    """Use as `async with Bus(...) as bus`; leaving it disconnects without the will."""

    def __init__(
        self,
        address: str,
        name: str,
        *,
        box: str = "+",
        will: Will | None = None,
        dial: Dial | None = None,
        reconnect_s: float = RECONNECT_S,
    ):
        """`address`: socket path or host:port. `box`: fills `{box}`; the hub leaves it open.

        `dial` makes the connection instead, to a broker that is not on this machine.
        """
        self._address = address
        self._dial = dial
        self._reconnect_s = reconnect_s
        self._name = f"{name}-{secrets.token_hex(4)}"
        self._box = box
        self._will = will
        self._routes: list[_Route] = []
        self._retained: dict[str, tuple[bytes, int]] = {}
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._client: aiomqtt.Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._replies: dict[str, str] = {}
        self._is_leaving = False
        self.connected = asyncio.Event()
        self.undecodable = 0

    async def __aenter__(self) -> Self:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Holds the exception of a handler or answerer: a bug, which must end the process."""
        self._runner = asyncio.create_task(self._run(), name="bus")
        self._runner.add_done_callback(self._finished)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._is_leaving = True
        work = [self._runner, *self._tasks]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self.failed.cancel()
        # An exception on its way out goes first: it is this one, or what it led to.
        if exc[0] is None and not self.failed.cancelled() and (bug := self.failed.exception()):
            raise bug

    async def publish(self, topic: Topic[M], message: M, **keys: str) -> bool:
        """Send; False if the broker is away (a retained state is sent when it returns)."""
        return await self._send(self._fill(topic.template, keys), message, topic)

    async def subscribe(
        self, topic: Topic[M], handler: Callable[[M, dict[str, str]], Awaitable[None]]
    ) -> None:
        """Call `handler(message, keys)` for each message, retained ones first.

        Messages wait while a handler runs, replies too: it must not `request`, but start a task.
        """
        decoder = msgspec.json.Decoder(topic.message)

        async def receive(raw: aiomqtt.Message, keys: dict[str, str]) -> None:
            message = self._decode(decoder, raw)
            if message is not None:
                await handler(message, keys)

        await self._route(topic.template, topic.qos, receive)

    async def watch_bridge(self, handler: Callable[[bool], Awaitable[None]]) -> None:
        """Call `handler(up)` when this broker's bridge to the hub comes or goes."""

        async def receive(raw: aiomqtt.Message, keys: dict[str, str]) -> None:
            await handler(raw.payload == b"1")

        await self._route(BRIDGE_STATE, 0, receive)

    async def watch_bridges(self, handler: Callable[[str, bool], Awaitable[None]]) -> None:
        """On the hub: call `handler(box, up)` when a box's bridge to this broker comes or goes."""

        async def receive(raw: aiomqtt.Message, keys: dict[str, str]) -> None:
            await handler(keys["box"], raw.payload == b"1")

        await self._route(BRIDGE_STATE, 1, receive)

    async def serve(
        self,
        request: Request[Q, A],
        answer: Callable[[Q, dict[str, str]], Awaitable[A | Fault]],
        once: Once | None = None,
    ) -> None:
        """Answer each question of this kind; questions are handled side by side.

        `once`: none is answered twice, not over another bus that shares it either.
        """
        decoder = msgspec.json.Decoder(request.question)

        async def receive(raw: aiomqtt.Message, keys: dict[str, str]) -> None:
            question = self._decode(decoder, raw)
            if question is None:
                return
            if once is None or once.take(getattr(raw.properties, "CorrelationData", b"")):
                self._spawn(self._answer(raw, answer(question, keys)))

        await self._route(request.template, 1, receive)

    async def request(
        self, request: Request[Q, A], question: Q, *, timeout_s: float = 5.0, **keys: str
    ) -> A | Fault:
        """Ask and wait. Nobody there, too late or refused comes back as a Fault."""
        topic = self._fill(request.template, keys)
        correlation = secrets.token_bytes(8)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = await self._reply_topic(topic)
        properties.CorrelationData = correlation
        properties.MessageExpiryInterval = max(1, round(timeout_s))
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = future
        try:
            async with asyncio.timeout(timeout_s):
                await self.connected.wait()
                if self._client is None:
                    return Fault(reason="unreachable", text="the local broker is away")
                await obey_cancellation(
                    self._client.publish(
                        topic, msgspec.json.encode(question), qos=1, properties=properties
                    )
                )
                payload = await future
        except TimeoutError:
            return Fault(reason="timeout", text=f"no answer within {timeout_s:g} s")
        except aiomqtt.MqttError as error:
            return Fault(reason="unreachable", text=str(error)[:200])
        finally:
            del self._waiting[correlation]
        try:
            answered: A | Fault = msgspec.json.decode(payload, type=request.answer | Fault)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self.undecodable += 1
            return Fault(reason="invalid", text=str(error)[:200])
        return answered

    # Topics

    def _fill(self, template: str, keys: dict[str, str]) -> str:
        values = {"box": self._box, **keys}
        topic = template.format_map(values)
        if "+" in topic or "#" in topic:
            raise ValueError(f"topic {template} needs a value for each placeholder")
        return topic

    async def _route(
        self,
        template: str,
        qos: int,
        receive: Callable[[aiomqtt.Message, dict[str, str]], Awaitable[None]],
    ) -> None:
        parts, filters = [], []
        for part in template.split("/"):
            name = part[1:-1] if part.startswith("{") else ""
            fixed = self._box if name == "box" and self._box != "+" else None
            if name and fixed is None:
                parts.append(f"(?P<{name}>[^/]+)")
                filters.append("+")
            else:
                parts.append(re.escape(fixed or part))
                filters.append(fixed or part)
        pattern = re.compile("/".join(parts))
        route = _Route("/".join(filters), pattern, qos, receive)
        self._routes.append(route)
        if self._client is not None:
            # A connection lost here is set up anew with every route, this one included.
            with contextlib.suppress(aiomqtt.MqttError):
                await self._subscribe(self._client, route)

    async def _reply_topic(self, topic: str) -> str:
        """Where answers to questions on `topic` come: the other direction of the same box."""
        box, direction = topic.split("/")[1:3]
        back = {"up": "down", "down": "up", "local": "local"}[direction]
        reply = f"box/{box}/{back}/reply/{self._name}"
        if reply not in self._replies:
            self._replies[reply] = reply
            await self._route(reply, 1, self._receive_reply)
        return reply

    # Connection

    async def _run(self) -> None:
        # Before Python 3.12 asyncio.wait_for, in aiomqtt, swallows a cancellation that comes at the
        # moment of its result: so look as well.
        while not self._is_leaving:
            await self._serve_connection()
            await asyncio.sleep(self._reconnect_s)

    async def _serve_connection(self) -> None:
        """Until it is lost."""
        try:
            async with self._connect() as client:
                await self._resume(client)
                messages = aiter(client.messages)
                while not self._is_leaving:
                    await self._dispatch(await anext(messages))
        except aiomqtt.MqttError as error:
            if self.connected.is_set():
                logger.warning("bus: connection to the broker lost: %s", error)
        finally:
            self._client = None
            self.connected.clear()

    def _connect(self) -> aiomqtt.Client:
        is_path = self._address.startswith("/")
        host, _, port = self._address.rpartition(":")
        will = None
        if self._will is not None:
            will = aiomqtt.Will(
                self._fill(self._will.topic.template, self._will.keys),
                msgspec.json.encode(self._will.message),
                qos=1,
                retain=self._will.topic.retained,
            )
        return BusClient(
            self._address if is_path else "",
            self._dial,
            hostname=self._address if is_path else host.strip("[]"),
            port=1 if is_path else int(port),
            transport="unix" if is_path else "tcp",
            identifier=self._name,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=KEEPALIVE_S if self._dial is None else FAR_KEEPALIVE_S,
            will=will,
            timeout=5 if self._dial is None else FAR_S,
        )

    async def _resume(self, client: aiomqtt.Client) -> None:
        subscribed = 0
        while subscribed < len(self._routes):  # more may come meanwhile
            await self._subscribe(client, self._routes[subscribed])
            subscribed += 1
        # From here on others see to what they publish and subscribe themselves: somebody who
        # publishes without a pause cannot keep us at it. What they said before is said now, in its
        # newest form.
        self._client = client
        for topic in list(self._retained):
            payload, qos = self._retained[topic]
            await client.publish(topic, payload, qos=qos, retain=True)
        self.connected.set()

    async def _subscribe(self, client: aiomqtt.Client, route: _Route) -> None:
        await obey_cancellation(
            client.subscribe(route.filter, options=SubscribeOptions(qos=route.qos))
        )

    async def _dispatch(self, raw: aiomqtt.Message) -> None:
        for route in self._routes:
            found = route.pattern.fullmatch(str(raw.topic))
            if found:
                await route.receive(raw, found.groupdict())

    # Payloads

    async def _send(self, where: str, message: Message, topic: Topic[M]) -> bool:
        payload = msgspec.json.encode(message)
        if topic.retained:
            self._retained[where] = (payload, topic.qos)
        if self._client is None:
            return False
        try:
            await obey_cancellation(
                self._client.publish(where, payload, qos=topic.qos, retain=topic.retained)
            )
        except aiomqtt.MqttError:
            return False
        return True

    def _decode(
        self, decoder: msgspec.json.Decoder[AnyMessage], raw: aiomqtt.Message
    ) -> AnyMessage | None:
        try:
            return decoder.decode(raw.payload)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            # Also: nested too deeply, and a text in it that is not UTF-8.
            self.undecodable += 1
            logger.warning("bus: dropped what came on %s: %s", raw.topic, error)
            return None

    async def _answer(self, raw: aiomqtt.Message, answer: Awaitable[Message]) -> None:
        reply = await answer
        properties = raw.properties
        topic = getattr(properties, "ResponseTopic", "")
        # Only ever answer where answers belong, and to the box that asked: it chooses this topic.
        if not REPLY_TOPIC.fullmatch(topic) or self._client is None:
            return
        if topic.split("/")[1] != str(raw.topic).split("/")[1]:
            return
        back = Properties(PacketTypes.PUBLISH)
        back.CorrelationData = getattr(properties, "CorrelationData", b"")
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.publish(topic, msgspec.json.encode(reply), qos=1, properties=back)

    async def _receive_reply(self, raw: aiomqtt.Message, keys: dict[str, str]) -> None:
        correlation = getattr(raw.properties, "CorrelationData", b"")
        future = self._waiting.get(correlation)
        if future is not None and not future.done() and isinstance(raw.payload, bytes):
            future.set_result(raw.payload)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)
