"""The fleet's headsets on the hub: the list that every box gets signed, and who has which device.

Staff change it by the pages in fleet_pages.py; devices come into it by a code that staff show them
(pairing.enrolment). A change is on the disk before it is signed, and signed before it is answered.
Every box gets the newest list retained, so one that is offline has it when it returns; versions
are seconds since 1970 or more, so that a hub whose database was lost is not behind its boxes.
"""

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edgebox.bus import Bus
from edgebox.config import Config, read_secret
from edgebox.errors import ConfigError, RemoteProtocolError
from edgebox.hub.fleet_store import AuditRow, FleetEvent, FleetStore
from edgebox.hub.links import printable
from edgebox.messages.base import Fault
from edgebox.messages.pairing import (
    ALARM,
    CLAIM,
    ENROL,
    LEASE_MOVED,
    REGISTRY,
    Alarm,
    Claim,
    Claimed,
    Enrol,
    Enrolled,
    LeaseMoved,
    SignedRegistry,
)
from edgebox.messages.services import BOX_INFO, BoxInfo
from edgebox.pairing import enrolment, keys, registry
from edgebox.pairing.ledger import Ledger
from edgebox.pairing.registry import Device, Mode, Registry, Vehicle

logger = logging.getLogger(__name__)

DAY_S = 86_400.0
REGISTRY_S = 30 * DAY_S
SIGN_EVERY_S = DAY_S
DEVICE_S = 365 * DAY_S
TICK_S = 2.0
TICKETS_MAX = 50
NAME_MAX = 40
PAYLOAD_MAX = 230_000
"""Characters; a broker of ours takes 256 KiB."""
ALARM_EVERY_S = 60.0


@dataclass
class Ticket:
    """A device that shall be enrolled."""

    id: str
    """In the page's address; the secret is in the code only."""
    name: str
    owner: str
    mode: Mode
    box: str
    code: str
    who: str
    until: float
    device: str = ""
    """Once it is."""


class Signer:
    """Who signs the list."""

    def __init__(self, config: Config):
        """Raises ConfigError for files that are no such certificate and key."""
        hub = config.hub
        try:
            certificate = x509.load_pem_x509_certificate(
                read_secret(config, hub.registry_certificate)
            )
            key = load_pem_private_key(read_secret(config, hub.registry_key), None)
            authority = x509.load_pem_x509_certificate(read_secret(config, hub.registry_ca))
        except ValueError as error:
            raise ConfigError(f"hub: registry_certificate, _key or _ca: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError("hub.registry_key must be a key of P-256")
        self._key = key
        self._certificate = certificate.public_bytes(Encoding.DER)
        self.authority = authority.public_bytes(Encoding.DER)

    def seal(self, listed: Registry) -> SignedRegistry:
        """Sign it."""
        return registry.seal(listed, self._key, self._certificate)


class Fleet:
    """All devices and vehicles."""

    def __init__(self, bus: Bus, store: FleetStore, signer: Signer, audit_keep_days: int):
        self._bus = bus
        self._store = store
        self._signer = signer
        self._keep_s = audit_keep_days * DAY_S
        self._version = 0
        self._signed: SignedRegistry | None = None
        self._signed_at = 0.0
        self._stale = False
        self._changing = asyncio.Lock()
        self._alarmed: dict[tuple[str, str], float] = {}
        self.devices: dict[str, Device] = {}
        self.vehicles: dict[str, Vehicle] = {}
        self.tickets: dict[str, Ticket] = {}
        self.ledger = Ledger({})

    @property
    def authority(self) -> bytes:
        """Whose boxes a device may believe, DER."""
        return self._signer.authority

    async def start(self) -> None:
        """Take up what is kept, sign it, and listen to the boxes. Raises DeviceError."""
        await self._store.call(self._store.set_up)
        kept = await self._store.call(self._store.load)
        if isinstance(kept, Fault):
            raise ConfigError(kept.text)
        self._version, self.ledger = kept.version, Ledger(kept.leases)
        self.devices, self.vehicles = dict(kept.devices), dict(kept.vehicles)
        self._sign()
        await self._send()
        await self._bus.subscribe(BOX_INFO, self._handle_info)
        await self._bus.subscribe(ALARM, self._handle_alarm)
        await self._bus.serve(CLAIM, self._answer_claim)
        await self._bus.serve(ENROL, self._answer_enrol)

    async def run(self) -> None:
        """Sign anew when it is time, or a vehicle changed. Never returns."""
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self.tickets = {id_: one for id_, one in self.tickets.items() if one.until > now}
            if not self._stale and now - self._signed_at < SIGN_EVERY_S:
                continue
            async with self._changing:
                self._stale = False
                self._sign()
                await self._store.call(self._store.keep_version, self._version)
                await self._send()
            await self._store.call(self._store.forget, time.time() - self._keep_s)

    # What staff do

    def ticket(self, who: str, name: str, owner: str, mode: Mode, box: str) -> Ticket | None:
        """A code for one device; None for a vehicle nobody knows, or too many codes."""
        name, owner = _label(name), _label(owner)
        if not name or not self._is_place(mode, box) or len(self.tickets) >= TICKETS_MAX:
            return None
        secret = keys.encode(secrets.token_bytes(enrolment.TICKET_SIZE))
        code = enrolment.code(secret, self._signer.authority)
        until = time.monotonic() + enrolment.TICKET_S
        made = Ticket(secrets.token_hex(8), name, owner, mode, box, code, who, until)
        self.tickets[made.id] = made
        return made

    async def change(
        self, who: str, device: str, event: FleetEvent, **fields: str | bool | float
    ) -> bool:
        """Change an entry; False if there is none, or it was not to be kept."""
        before = self.devices.get(device)
        if before is None:
            return False
        after = msgspec.structs.replace(before, **fields)
        if not after.name or not self._is_place(after.mode, after.box):
            return False
        return await self._keep(device, after, self._note(who, event, device, after.name))

    async def assign(self, who: str, device: str, name: str, owner: str, box: str) -> bool:
        """Its name, owner and vehicle; no vehicle: the pool."""
        mode = "assigned" if box else "pool"
        fields = {"name": _label(name), "owner": _label(owner), "mode": mode, "box": box}
        return await self.change(who, device, "changed", **fields)

    async def mark_vehicle(self, who: str, box: str, *, revoked: bool) -> bool:
        """A stolen box: what it signs is worth nothing to others."""
        before = self.vehicles.get(box)
        if before is None:
            return False
        after = msgspec.structs.replace(before, revoked=revoked)
        note = self._note(who, "revoked" if revoked else "restored", box, after.name)
        async with self._changing:
            self._version = self._next_version()
            kept = await self._store.call(self._store.keep_vehicle, after, self._version, note)
            if isinstance(kept, Fault):
                return False
            self.vehicles[box] = after
            self._sign()
            await self._send()
        return True

    async def latest(self) -> list[AuditRow]:
        """Who did what, and what boxes reported; the newest first."""
        found = await self._store.call(self._store.latest, 30)
        return [] if isinstance(found, Fault) else found

    async def _keep(self, id_: str, device: Device, note: AuditRow) -> bool:
        async with self._changing:
            changed = {**self.devices, id_: device}
            if len(self._signer.seal(self._listed(changed)).payload) > PAYLOAD_MAX:
                logger.error("the registry is full: %d devices", len(self.devices))
                return False
            version = self._next_version()
            kept = await self._store.call(self._store.keep_device, id_, device, version, note)
            if isinstance(kept, Fault):
                logger.error("fleet: %s", kept.text)
                return False
            self.devices = changed
            self._sign()
            await self._send()
        return True

    def _is_place(self, mode: Mode, box: str) -> bool:
        return box in self.vehicles if mode == "assigned" else box == ""

    def _note(self, who: str, event: FleetEvent, subject: str, text: str) -> AuditRow:
        return AuditRow(time.time(), who, event, subject, text)

    # The list

    def _next_version(self) -> int:
        return max(self._version + 1, int(time.time()))

    def _listed(self, devices: dict[str, Device]) -> Registry:
        now_utc = time.time()
        return Registry(
            version=self._version,
            issued_utc=now_utc,
            expires_utc=now_utc + REGISTRY_S,
            devices=tuple(devices.values()),
            vehicles=tuple(self.vehicles.values()),
        )

    def _sign(self) -> None:
        self._version = self._next_version()
        self._signed = self._signer.seal(self._listed(self.devices))
        self._signed_at = time.monotonic()

    async def _send(self, *boxes: str) -> None:
        for box in boxes or tuple(self.vehicles):
            if self._signed is not None:
                await self._bus.publish(REGISTRY, self._signed, box=box)

    # What boxes say

    async def _handle_info(self, info: BoxInfo, names: dict[str, str]) -> None:
        box, name = names["box"], _label(info.vehicle) or names["box"]
        before = self.vehicles.get(box)
        if before is not None and before.name == name:
            return
        after = Vehicle(box=box, name=name, revoked=before is not None and before.revoked)
        self.vehicles[box] = after
        self._stale = True
        await self._store.call(self._store.keep_vehicle, after, self._version, None)

    async def _handle_alarm(self, alarm: Alarm, names: dict[str, str]) -> None:
        key, now = (alarm.device, alarm.what), time.monotonic()
        device = self.devices.get(alarm.device)
        if device is None or now - self._alarmed.get(key, -ALARM_EVERY_S) < ALARM_EVERY_S:
            return
        self._alarmed[key] = now
        event: FleetEvent = "knocked" if alarm.what == "revoked" else alarm.what
        note = self._note(names["box"], event, alarm.device, device.name)
        await self._store.call(self._store.note, note)

    async def _answer_claim(self, claim: Claim, names: dict[str, str]) -> Claimed | Fault:
        if claim.device not in self.devices:
            return Fault(reason="not-found")
        result, loser = self.ledger.claim(
            claim.device,
            names["box"],
            claim.shown,
            confirmed=claim.confirmed,
            now_utc=time.time(),
        )
        if result == "granted":
            entry = self.ledger.entries[claim.device]
            await self._store.call(self._store.keep_lease, claim.device, entry)
        if loser:
            moved = LeaseMoved(device=claim.device, counter=claim.shown + 1)
            await self._bus.publish(LEASE_MOVED, moved, box=loser)
        return Claimed(result=result)

    async def _answer_enrol(self, enrol: Enrol, names: dict[str, str]) -> Enrolled | Fault:
        return await self.enrol(enrol)

    async def enrol(self, enrol: Enrol) -> Enrolled | Fault:
        """A device answers a code: once, and in time."""
        wanted = enrolment.code(enrol.ticket, self._signer.authority)
        ticket = next((one for one in self.tickets.values() if one.code == wanted), None)
        if ticket is None or ticket.device or time.monotonic() >= ticket.until:
            return Fault(reason="refused", text="no such code")
        try:
            device, point = enrolment.check(enrol)
        except RemoteProtocolError as error:
            return Fault(reason="invalid", text=str(error))
        entry = Device(
            key=point,
            name=ticket.name,
            owner=ticket.owner,
            mode=ticket.mode,
            box=ticket.box,
            expires_utc=time.time() + DEVICE_S,
        )
        ticket.device = device
        note = self._note(ticket.who, "enrolled", device, ticket.name)
        if not await self._keep(device, entry, note):
            ticket.device = ""
            return Fault(reason="failed")
        return Enrolled(name=ticket.name)


def _label(text: str) -> str:
    return printable(text)[:NAME_MAX].strip()
