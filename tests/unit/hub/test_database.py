"""Faults of the database are values, whatever becomes of the call."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, text

from edgebox.hub import ledger
from edgebox.hub.database import Database
from edgebox.hub.ledger import Ledger
from edgebox.hub.store import RoomRow, Store
from edgebox.messages.base import Fault

metadata = MetaData()
things = Table("thing", metadata, Column("name", String(10), primary_key=True))


class Things(Database):
    def __init__(self, path: Path):
        super().__init__("hub.things", f"sqlite:///{path}", metadata, ())

    def add(self, name: str) -> None:
        with self._engine.begin() as db:
            db.execute(insert(things).values(name=name))

    def drop(self) -> None:
        with self._engine.begin() as db:
            db.execute(text("DROP TABLE thing"))


async def test_what_the_database_refuses_is_said_without_the_values(tmp_path: Path) -> None:
    one = Things(tmp_path / "db")
    await one.call(one.set_up)
    assert await one.call(one.add, "Kari") is None
    twice = await one.call(one.add, "Kari")
    assert isinstance(twice, Fault)
    assert twice.reason == "refused"
    await one.call(one.drop)
    gone = await one.call(one.add, "Kari")
    assert isinstance(gone, Fault)
    assert gone.reason == "failed"
    assert gone.text.startswith("hub.things: ")
    assert "Kari" not in twice.text + gone.text
    await one.close()


class Flaky(Store):
    """A store on a disk that is full now and then."""

    def __init__(self, path: Path):
        super().__init__(f"sqlite:///{path}")
        self.full = False
        self.written: list[str] = []

    def write(self, what: str) -> None:
        if self.full:
            with self._engine.begin() as db:
                db.execute(text("INSERT INTO nowhere VALUES (1)"))
        self.written.append(what)


async def test_what_is_owed_is_written_in_order_when_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RETRY_S", 0.01)
    monkeypatch.setattr(ledger, "OWED_MAX", 3)
    store = Flaky(tmp_path / "db")
    await store.call(store.set_up)
    book = Ledger(store)
    running = asyncio.create_task(book.run())
    await book.note(store.write, "1")
    assert store.written == ["1"], "at once"
    store.full = True
    for what in "23456":
        await book.note(store.write, what)
    assert "nowhere" in book.problem
    assert store.written == ["1"]
    store.full = False
    async with asyncio.timeout(5):
        while book.problem:
            await asyncio.sleep(0.01)
    assert store.written == ["1", "2", "3", "4"], "5 and 6 found no room"
    room = RoomRow("r", "b", "s")
    await book.note(store.open_room, room, 1.0)
    await book.note(store.open_room, room, 1.0)  # refused: nothing waits behind it for ever
    await book.note(store.write, "7")
    assert store.written[-1] == "7"
    assert not book.problem
    running.cancel()
    await asyncio.wait([running])
    await store.close()
