"""What the hub keeps of roll-outs: what staff want, what each box last said of each release, who
changed what."""

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)

from edgebox.hub.database import Database
from edgebox.hub.update_rollout import Report, Rollout

metadata = MetaData()
_BIG = BigInteger().with_variant(Integer, "sqlite")

rollouts = Table(
    "update_rollout",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("share", Integer, nullable=False),
    Column("first", Text, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("stopped", String(8), nullable=False),
    Column("changed_utc", Float, nullable=False),
)
reports = Table(
    "update_report",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("box", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("at_utc", Float, nullable=False),
)
audit = Table(
    "update_audit",
    metadata,
    Column("id", _BIG, primary_key=True, autoincrement=True),
    Column("at_utc", Float, nullable=False, index=True),
    Column("who", String(120), nullable=False),
    Column("version", String(70), nullable=False),
    Column("what", String(200), nullable=False),
)
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000")


class UpdateStore(Database):
    """One transaction for each method; they block (`call` runs them)."""

    def __init__(self, url: str):
        """Raises ConfigError."""
        super().__init__("hub.database", url, metadata, PRAGMAS)

    def load(self) -> tuple[dict[str, Rollout], dict[str, dict[str, Report]]]:
        """Roll-outs by release; reports by release and box."""
        with self._engine.connect() as connection:
            found = {row.sha256: _rollout(row) for row in connection.execute(select(rollouts))}
            said: dict[str, dict[str, Report]] = {}
            for row in connection.execute(select(reports)):
                report = Report(
                    state=row.state, reason=row.reason, turn=row.turn, at_utc=row.at_utc
                )
                said.setdefault(row.sha256, {})[row.box] = report
        return found, said

    def keep_rollout(self, one: Rollout, who: str, version: str, what: str) -> None:
        """With the note of who changed it."""
        values = {
            "sha256": one.sha256,
            "share": one.share,
            "first": json.dumps(one.first),
            "turn": one.turn,
            "stopped": one.stopped,
            "changed_utc": one.changed_utc,
        }
        note = {"at_utc": one.changed_utc, "who": who[:120], "version": version, "what": what[:200]}
        with self._engine.begin() as connection:
            connection.execute(delete(rollouts).where(rollouts.c.sha256 == one.sha256))
            connection.execute(insert(rollouts).values(**values))
            connection.execute(insert(audit).values(**note))

    def keep_report(self, sha256: str, box: str, one: Report) -> None:
        """The newest of this box on this release."""
        values = {
            "sha256": sha256,
            "box": box,
            "state": one.state,
            "reason": one.reason,
            "turn": one.turn,
            "at_utc": one.at_utc,
        }
        with self._engine.begin() as connection:
            connection.execute(
                delete(reports).where(reports.c.sha256 == sha256, reports.c.box == box)
            )
            connection.execute(insert(reports).values(**values))

    def latest(self, count: int) -> list[tuple[float, str, str, str]]:
        """When, who, version, what; newest first."""
        query = select(audit).order_by(audit.c.id.desc()).limit(count)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [(row.at_utc, row.who, row.version, row.what) for row in rows]

    def forget(self, before_utc: float) -> None:
        """Notes older than the hub keeps them."""
        with self._engine.begin() as connection:
            connection.execute(delete(audit).where(audit.c.at_utc < before_utc))


def _rollout(row: Any) -> Rollout:
    return Rollout(
        sha256=row.sha256,
        share=row.share,
        first=tuple(json.loads(row.first)),
        turn=row.turn,
        stopped=row.stopped,
        changed_utc=row.changed_utc,
    )
