"""Pairing on the box: the gate with its clock, its disk, the bus and the hub behind it.

`PairedDoor` is the Door that WHIP asks. Who may reach what `add_routes` adds: see pair_api; the
listener is on the access point's address only.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edgebox.config import Config, parse_address, read_secret
from edgebox.errors import ConfigError
from edgebox.headset.discovery import Discovery, own_address
from edgebox.headset.door import Lease, Refusal, RefusedBecause
from edgebox.headset.pair_api import OUTSIDE, STEPS, PairApi
from edgebox.headset.pair_state import PairState
from edgebox.headset.signal import Signals
from edgebox.host.service import Service
from edgebox.messages.base import Done, Fault
from edgebox.messages.pairing import (
    ALARM,
    ALLOW_DEVICE,
    CLAIM,
    END_DEVICE,
    ENROL,
    LEASE_MOVED,
    OUTSIDE_PAIR,
    PAIRING_STATUS,
    PRESENCE,
    REGISTRY,
    Alarm,
    AllowDevice,
    AskPresence,
    Claim,
    Claimed,
    EndDevice,
    Enrol,
    Enrolled,
    LeaseMoved,
    OutsidePair,
    OutsidePaired,
    PairingStatus,
    PresenceCode,
    SignedRegistry,
)
from edgebox.pairing import keys
from edgebox.pairing.authority import Authority
from edgebox.pairing.gate import Admission, Gate
from edgebox.pairing.lease import Ended, Held, Why
from edgebox.pairing.proof import Identity
from edgebox.pairing.wire import Beat, Beaten, End, Paired, Prove, Refused, Waiting

logger = logging.getLogger(__name__)

TICK_S = 0.25
CLAIM_S = 1.5
"""Longer than this a device of the pool does not wait for a hub that may be out of reach."""
CLAIM_EVERY_S = 20.0
CLAIM_AGAIN_S = 5.0
"""After no answer."""
ENROL_S = 8.0
ELSEWHERE_S = 10.0
ALARMS_MAX = 20
BECAUSE: dict[Why, RefusedBecause] = {
    "expired": "expired",
    "left": "expired",
    "replaced": "expired",
    "wrong-car": "expired",
    "revoked": "revoked",
    "cloned": "revoked",
    "elsewhere": "elsewhere",
}


class PairedDoor:
    """The door of this vehicle. Made before, started after the service's bus is there."""

    def __init__(self, service: Service):
        """Raises ConfigError without a certificate of the fleet."""
        config = service.config
        identity, authority = load_identity(config)
        self._bus = service.bus
        self._instance = service.instance
        self._state = PairState(Path(config.directory) / config.headset.state)
        self.gate = Gate(identity, authority, self._state.counters(), secrets.token_bytes)
        self.api = PairApi(self, keys.encode(authority.der))
        self._signals = Signals(config.headset.interface)
        self._discovery = _discovery(config)
        self._callbacks: list[Callable[[Lease], None]] = []
        self._alarms: list[Alarm] = []
        self._claim_at: dict[tuple[str, int], float] = {}
        self._status: PairingStatus | None = None
        self._changed = asyncio.Event()
        kept = self._state.registry()
        if kept is not None:
            taken, _ = self.gate.take_registry(kept, time.monotonic())
            if taken.result == "bad":
                logger.error("the registry on the disk is not taken: %s", taken.text)

    # The Door

    def check(self, bearer: str, now: float) -> Lease | Refusal:
        """As in door.Door."""
        found = self.gate.leases.check(bearer, now)
        if isinstance(found, Held):
            return _lease(found)
        return Refusal(BECAUSE[found] if found is not None else "unknown")

    def on_end(self, callback: Callable[[Lease], None]) -> None:
        """As in door.Door."""
        self._callbacks.append(callback)

    # Life

    async def start(self) -> None:
        """Listen to the bus."""
        bus = self._bus
        await bus.subscribe(REGISTRY, self._receive_registry)
        await bus.subscribe(LEASE_MOVED, self._receive_moved)
        await bus.serve(PRESENCE, self._answer_presence)
        await bus.serve(ALLOW_DEVICE, self._answer_allow)
        await bus.serve(END_DEVICE, self._answer_end)
        await bus.serve(OUTSIDE_PAIR, self._answer_outside)
        await self._tell()

    async def run(self) -> None:
        """What time brings about, and what the hub is told. Never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_time())
            group.create_task(self._keep_claims())
            if self._discovery is not None:
                group.create_task(self._discovery.run())

    async def _keep_time(self) -> None:
        while True:
            self._over(self.gate.tick(time.monotonic()))
            await self._tell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._changed.wait()
            self._changed.clear()

    async def _tell(self) -> None:
        status = self.gate.status(self._instance, time.monotonic(), time.time())
        if status != self._status:
            self._status = status
            await self._bus.publish(PAIRING_STATUS, status)
        while self._alarms:
            await self._bus.publish(ALARM, self._alarms.pop(0))

    def _over(self, ended: Iterable[Ended]) -> None:
        """Pictures are cut here and now."""
        for one in ended:
            logger.info("device %s: lease ended: %s", one.lease.device, one.why)
            if one.why == "wrong-car":
                self._alarms.append(Alarm(device=one.lease.device, what="wrong-car"))
            for callback in self._callbacks:
                callback(_lease(one.lease))
            self._changed.set()

    # Devices (pair_api.Desk)

    async def admit(
        self, prove: Prove, *, outside: bool, address: str
    ) -> Paired | Waiting | Refused:
        """Judge and, if so, give a lease."""
        signal = None if outside else await self._signals.of(address)
        found = self.gate.prove(
            prove, time.monotonic(), time.time(), outside=outside, signal_dbm=signal
        )
        self._changed.set()
        if isinstance(found, Refused):
            self._alarm_for(prove.device, found)
        if not isinstance(found, Admission):
            return found
        if found.entry.mode == "pool" and (refused := await self._ask_first(found)):
            return refused
        return await self._grant(found)

    async def _ask_first(self, admission: Admission) -> Refused | None:
        """Whether another vehicle has this device of the pool; without a hub, nobody knows."""
        result = await self._claim(admission.device, admission.shown, confirmed=False)
        now = time.monotonic()
        if not self.gate.leases.fits(admission.device, admission.shown):
            result = "cloned"
        if result == "elsewhere":
            return Refused(reason="elsewhere", retry_s=ELSEWHERE_S)
        if result == "cloned":
            refused = self.gate.refuse_clone(admission, now)
            self._alarm_for(admission.device, refused)
            return refused
        return None

    async def _grant(self, admission: Admission) -> Paired:
        now = time.monotonic()
        paired, ended = self.gate.grant(admission, now, time.time())
        self._over(ended)
        self._changed.set()
        await self._state.keep_counters(self.gate.leases.known)
        logger.info("device %s: lease %d", admission.device, paired.lease.counter)
        return paired

    async def beat(self, beat: Beat) -> Beaten | Refused:
        """A heartbeat."""
        held = self.gate.leases.check(beat.bearer, time.monotonic())
        was_confirmed = not isinstance(held, Held) or held.confirmed
        answer = self.gate.beat(beat, time.monotonic())
        if isinstance(held, Held) and held.confirmed and not was_confirmed:
            self._claim_at.pop((held.device, held.counter), None)
            await self._state.keep_counters(self.gate.leases.known)
        return answer

    def leave(self, end: End) -> None:
        """The device ends its lease."""
        self._over(self.gate.leave(end.bearer, time.monotonic(), wrong_car=end.wrong_car))

    async def enrol(self, enrol: Enrol) -> Enrolled | Fault:
        """Ask the fleet."""
        return await self._bus.request(ENROL, enrol, timeout_s=ENROL_S)

    def _alarm_for(self, device: str, refused: Refused) -> None:
        if len(self._alarms) >= ALARMS_MAX:
            return
        if refused.reason == "cloned" or refused.reason == "revoked":
            self._alarms.append(Alarm(device=device, what=refused.reason))

    # The hub

    async def _claim(self, device: str, shown: int, *, confirmed: bool) -> str:
        """The hub's word, or "" without one."""
        question = Claim(device=device, shown=shown, confirmed=confirmed)
        answer = await self._bus.request(CLAIM, question, timeout_s=CLAIM_S)
        return answer.result if isinstance(answer, Claimed) else ""

    async def _keep_claims(self) -> None:
        """Tell the hub of every lease, again and again: it may have been away, or begun anew."""
        while True:
            now = time.monotonic()
            held = {(one.device, one.counter): one for one in self.gate.leases.held}
            self._claim_at = {key: at for key, at in self._claim_at.items() if key in held}
            due = [one for key, one in held.items() if self._claim_at.get(key, now) <= now]
            await asyncio.gather(*(self._keep_claim(one) for one in due))
            await asyncio.sleep(TICK_S)

    async def _keep_claim(self, held: Held) -> None:
        confirmed = held.confirmed
        result = await self._claim(held.device, held.counter - 1, confirmed=confirmed)
        now = time.monotonic()
        every_s = CLAIM_EVERY_S if result else CLAIM_AGAIN_S
        is_told = confirmed == held.confirmed
        self._claim_at[held.device, held.counter] = now + (every_s if is_told else 0.0)
        if result == "elsewhere":
            self._over(self.gate.deny(held, "elsewhere", now))
        elif result == "cloned":
            self._over(self.gate.deny(held, "cloned", now))
            self._alarms.append(Alarm(device=held.device, what="cloned"))

    async def _receive_registry(self, signed: SignedRegistry, keys: dict[str, str]) -> None:
        taken, ended = self.gate.take_registry(signed, time.monotonic())
        if taken.result in {"bad", "older"}:
            logger.error("registry not taken: %s %s", taken.result, taken.text)
        if taken.result != "new":
            return
        logger.info("registry version %d", self.gate.registry_version)
        self._over(ended)
        self._changed.set()
        await self._state.keep_registry(signed)

    async def _receive_moved(self, moved: LeaseMoved, keys: dict[str, str]) -> None:
        self._over(self.gate.move(moved.device, moved.counter, time.monotonic()))

    async def _answer_outside(self, asked: OutsidePair, keys: dict[str, str]) -> OutsidePaired:
        status, body = await self.api.answer(asked.step, asked.body.encode(), OUTSIDE)
        return OutsidePaired(status=status, body=body.decode())

    # The crew

    async def _answer_presence(self, asked: AskPresence, keys: dict[str, str]) -> PresenceCode:
        text, left_s = self.gate.code(time.monotonic())
        return PresenceCode(text=text, seconds_left=left_s)

    async def _answer_allow(self, wish: AllowDevice, keys: dict[str, str]) -> Done | Fault:
        if not self.gate.allow(wish.device, wish.digits, time.monotonic()):
            return Fault(reason="not-found", text="it does not ask any more")
        return Done()

    async def _answer_end(self, wish: EndDevice, keys: dict[str, str]) -> Done | Fault:
        self._over(self.gate.refuse(wish.device, time.monotonic()))
        self._changed.set()
        return Done()


def add_routes(app: web.Application, door: PairedDoor) -> None:
    """POST /pair/<step> of the access point's listener."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise web.HTTPForbidden
        step = request.match_info["step"]
        status, body = await door.api.answer(step, await request.read(), request.remote or "")
        headers = {"Cache-Control": "no-store"}
        if status == 429:
            headers["Retry-After"] = "2"
        kind = "application/json" if body else None
        return web.Response(status=status, body=body, content_type=kind, headers=headers)

    app.router.add_post(f"/pair/{{step:{'|'.join(STEPS)}}}", answer)


def load_identity(config: Config) -> tuple[Identity, Authority]:
    """Who this box is, by the certificate its bond has. Raises ConfigError."""
    bond = config.bond
    try:
        certificate = x509.load_pem_x509_certificate(read_secret(config, bond.certificate))
        key = load_pem_private_key(read_secret(config, bond.private_key), None)
        authority = x509.load_pem_x509_certificate(read_secret(config, bond.ca))
    except ValueError as error:
        raise ConfigError(f"bond.ca, certificate or private_key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError("bond.private_key: headsets need a key of P-256")
    der = certificate.public_bytes(Encoding.DER)
    return Identity(config.box.id, config.box.vehicle, der, key), Authority(authority)


def _discovery(config: Config) -> Discovery | None:
    """None without an access point of one address."""
    host, port = parse_address(config.headset.listen) if config.headset.listen else ("", 0)
    return Discovery(config.box.id, host, port) if own_address(host) else None


def _lease(held: Held) -> Lease:
    return Lease(held.device, held.name, held.digits, held.until)
