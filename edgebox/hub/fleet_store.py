"""What the hub keeps of the fleet's headsets: devices, vehicles, newest leases, who changed what.

The rows are those of the registry (pairing.registry) and the ledger (pairing.ledger), and nothing
of any mission. Durable on return: a headset that was revoked stays so.
"""

from typing import Any, Literal, cast

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
)

from edgebox.hub.database import BIG, Database
from edgebox.pairing.ledger import Entry
from edgebox.pairing.registry import Device, Mode, Vehicle

metadata = MetaData()

devices = Table(
    "fleet_device",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("name", String(40), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("box", String(32), nullable=False),
    Column("expires_utc", Float, nullable=False),
    Column("revoked", Boolean, nullable=False),
)
vehicles = Table(
    "fleet_vehicle",
    metadata,
    Column("box", String(32), primary_key=True),
    Column("name", String(40), nullable=False),
    Column("revoked", Boolean, nullable=False),
)
leases = Table(
    "fleet_lease",
    metadata,
    Column("device", String(32), primary_key=True),
    Column("box", String(32), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("seen_utc", Float, nullable=False),
)
versions = Table("fleet_version", metadata, Column("version", BigInteger, primary_key=True))
audit = Table(
    "fleet_audit",
    metadata,
    Column("id", BIG, primary_key=True, autoincrement=True),
    Column("at_utc", Float, nullable=False, index=True),
    Column("who", String(120), nullable=False),
    Column("event", String(16), nullable=False),
    Column("subject", String(32), nullable=False),
    Column("text", String(200), nullable=False),
)

FleetEvent = Literal[
    "enrolled", "changed", "revoked", "restored", "renewed", "cloned", "wrong-car", "knocked"
]


class AuditRow(Struct, frozen=True):
    """Something somebody did, or a box reported. `who`: a person and serial, or a box."""

    at_utc: float
    who: str
    event: FleetEvent
    subject: str
    text: str


class Kept(Struct, frozen=True):
    """Everything."""

    version: int
    devices: dict[str, Device]
    vehicles: dict[str, Vehicle]
    leases: dict[str, Entry]


class FleetStore(Database):
    """The hub's database of the fleet."""

    def __init__(self, url: str):
        """`url`: SQLAlchemy's."""
        super().__init__("hub.database", url, metadata, ("journal_mode=WAL", "busy_timeout=5000"))

    def load(self) -> Kept:
        """All there is."""
        with self._engine.connect() as db:
            return Kept(
                version=max((row.version for row in db.execute(select(versions))), default=0),
                devices={row.id: _device(row) for row in db.execute(select(devices))},
                vehicles={
                    row.box: Vehicle(box=row.box, name=row.name, revoked=row.revoked)
                    for row in db.execute(select(vehicles))
                },
                leases={
                    row.device: Entry(row.box, row.counter, row.confirmed, row.seen_utc)
                    for row in db.execute(select(leases))
                },
            )

    def keep_device(self, id_: str, device: Device, version: int, note: AuditRow) -> None:
        """A device as it is from now on, and who made it so."""
        with self._engine.begin() as db:
            db.execute(delete(devices).where(devices.c.id == id_))
            db.execute(
                insert(devices).values(
                    id=id_,
                    key=device.key,
                    name=device.name,
                    owner=device.owner,
                    mode=device.mode,
                    box=device.box,
                    expires_utc=device.expires_utc,
                    revoked=device.revoked,
                )
            )
            _keep_version(db, version)
            _note(db, note)

    def keep_vehicle(self, vehicle: Vehicle, version: int, note: AuditRow | None) -> None:
        """A vehicle as it is from now on."""
        with self._engine.begin() as db:
            db.execute(delete(vehicles).where(vehicles.c.box == vehicle.box))
            db.execute(
                insert(vehicles).values(box=vehicle.box, name=vehicle.name, revoked=vehicle.revoked)
            )
            _keep_version(db, version)
            if note is not None:
                _note(db, note)

    def keep_version(self, version: int) -> None:
        """The registry was signed anew."""
        with self._engine.begin() as db:
            _keep_version(db, version)

    def keep_lease(self, device: str, entry: Entry) -> None:
        """The newest lease of a device."""
        with self._engine.begin() as db:
            db.execute(delete(leases).where(leases.c.device == device))
            db.execute(
                insert(leases).values(
                    device=device,
                    box=entry.box,
                    counter=entry.counter,
                    confirmed=entry.confirmed,
                    seen_utc=entry.seen_utc,
                )
            )

    def note(self, row: AuditRow) -> None:
        """Something a box reported."""
        with self._engine.begin() as db:
            _note(db, row)

    def latest(self, limit: int) -> list[AuditRow]:
        """The newest first."""
        query = select(audit).order_by(audit.c.id.desc()).limit(limit)
        with self._engine.connect() as db:
            return [
                AuditRow(row.at_utc, row.who, cast("FleetEvent", row.event), row.subject, row.text)
                for row in db.execute(query)
            ]

    def forget(self, before_utc: float) -> None:
        """Delete what is older of who did what."""
        with self._engine.begin() as db:
            db.execute(delete(audit).where(audit.c.at_utc < before_utc))


def _keep_version(db: Connection, version: int) -> None:
    db.execute(delete(versions))
    db.execute(insert(versions).values(version=version))


def _note(db: Connection, row: AuditRow) -> None:
    db.execute(
        insert(audit).values(
            at_utc=row.at_utc,
            who=row.who,
            event=row.event,
            subject=row.subject,
            text=row.text[:200],
        )
    )


def _device(row: Row[Any]) -> Device:
    return Device(
        key=row.key,
        name=row.name,
        owner=row.owner,
        mode=cast("Mode", row.mode),
        box=row.box,
        expires_utc=row.expires_utc,
        revoked=row.revoked,
    )
