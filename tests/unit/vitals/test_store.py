"""The box's store: durable, numbered, bounded."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgebox.errors import DeviceError
from edgebox.vitals.store import ROW_BYTES, Dropped, Entry, Store

VALUE = Entry("numerics", b"n" * 100)
WAVE = Entry("waves", b"w" * 1000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_closing = Store(tmp_path / "vitals.db", 10**6)
    yield with_closing
    with_closing.close()


def contents(store: Store, kind: str) -> list[tuple[str, int, bytes]]:
    return [
        (stream.id, row.seq, row.content)
        for stream in store.snapshot()
        if stream.kind == kind
        for row in store.read(stream.id, 1, 10**9)
    ]


def test_each_kind_is_numbered_from_one(store: Store) -> None:
    store.append([VALUE, WAVE, VALUE], 1.0)
    store.append([WAVE], 2.0)
    assert [seq for _, seq, _ in contents(store, "numerics")] == [1, 2]
    assert [seq for _, seq, _ in contents(store, "waves")] == [1, 2]
    assert store.used_bytes == 2 * (100 + 1000 + 2 * ROW_BYTES)
    assert store.oldest_utc() == 1.0


def test_what_was_stored_is_there_after_a_restart_in_streams_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    for _ in range(2):
        store = Store(path, 10**6)
        store.append([VALUE], 1.0)
        store.close()
    store = Store(path, 10**6)
    found = contents(store, "numerics")
    assert [seq for _, seq, _ in found] == [1, 1]
    assert found[0][0] != found[1][0]
    assert store.used_bytes == 2 * (100 + ROW_BYTES)
    store.close()


def test_what_the_hub_has_is_deleted(store: Store) -> None:
    store.append([VALUE] * 3, 1.0)
    (stream,) = store.snapshot()
    store.forget(stream.id, 2)
    assert [seq for _, seq, _ in contents(store, "numerics")] == [3]
    store.forget(stream.id, 99)
    assert store.waiting("numerics") == 1
    store.forget(stream.id, 3)
    assert store.used_bytes == 0
    store.append([VALUE], 2.0)
    assert [seq for _, seq, _ in contents(store, "numerics")] == [4]


def test_stream_of_an_earlier_start_is_gone_when_the_hub_has_it(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    store = Store(path, 10**6)
    store.append([VALUE], 1.0)
    store.close()
    store = Store(path, 10**6)
    (stream,) = store.snapshot()
    store.forget(stream.id, 1)
    assert store.snapshot() == []
    store.close()


def test_oldest_waves_go_first_and_values_last(tmp_path: Path) -> None:
    store = Store(tmp_path / "vitals.db", 20_000)
    dropped = Dropped()
    for n in range(100):
        lost = store.append([VALUE, WAVE], float(n))
        dropped.waves += lost.waves
        dropped.numerics += lost.numerics
        assert store.used_bytes <= 20_000
    values, waves = contents(store, "numerics"), contents(store, "waves")
    assert len(values) == 100
    assert dropped == Dropped(waves=100 - len(waves), numerics=0)
    assert [seq for _, seq, _ in waves] == list(range(101 - len(waves), 101))
    (stream,) = [one for one in store.snapshot() if one.kind == "waves"]
    assert stream.first == waves[0][1]
    store.close()


def test_values_go_when_there_are_no_waves(tmp_path: Path) -> None:
    store = Store(tmp_path / "vitals.db", 20_000)
    lost = [store.append([VALUE], float(n)) for n in range(200)]
    assert sum(one.numerics for one in lost) == 200 - len(contents(store, "numerics"))
    assert sum(one.waves for one in lost) == 0
    assert contents(store, "numerics")[-1][1] == 200
    store.close()


def test_file_stays_near_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    store = Store(path, 2_000_000)
    for n in range(300):
        store.append([Entry("waves", bytes([n % 251]) * 50_000)], float(n))
    assert path.stat().st_size < 2_000_000 * 1.2
    assert (tmp_path / "vitals.db-wal").stat().st_size < 6 * 2**20
    store.close()


def test_damaged_file_is_put_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    path.write_bytes(b"not a database at all" * 500)
    store = Store(path, 10**6)
    assert store.put_aside is not None
    assert store.put_aside.exists()
    store.append([VALUE], 1.0)
    store.close()


def test_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    Store(path, 10**6).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(DeviceError, match="another version"):
        Store(path, 10**6)


def test_disk_that_refuses_is_an_error_and_nothing_is_half_stored(store: Store) -> None:
    store.append([VALUE], 1.0)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DeviceError, match="full"):
        store.append([VALUE, Entry("waves", bytes(100_000))], 2.0)
    store._db.execute("PRAGMA max_page_count=1000000")
    assert [seq for _, seq, _ in contents(store, "numerics")] == [1]
    store.append([VALUE, WAVE], 3.0)
    assert [seq for _, seq, _ in contents(store, "numerics")] == [1, 2]
    assert [seq for _, seq, _ in contents(store, "waves")] == [1]


def test_full_disk_takes_waves_and_no_values(store: Store) -> None:
    for n in range(50):
        store.append([VALUE, WAVE], float(n))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")
    lost = [store.append([VALUE, WAVE], 100.0 + n) for n in range(40)]
    assert sum(one.waves for one in lost) > 0
    assert sum(one.numerics for one in lost) == 0
    assert [seq for _, seq, _ in contents(store, "numerics")] == list(range(1, 91))


WRITER = """
import sys
from pathlib import Path
from edgebox.vitals.store import Entry, Store
store = Store(Path(sys.argv[1]), 10**8)
n = 0
while True:
    n += 1
    store.append([Entry("numerics", b"%d" % n), Entry("waves", b"%d" % n * 300)], float(n))
    print(n, flush=True)
"""


def test_kill_9_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    answered: list[int] = []
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for line in writer.stdout:
            last = int(line)
            if last >= 10:
                break
        writer.kill()
        rest = writer.stdout.read().split()
        answered.append(int(rest[-1]) if rest else last)
        writer.stdout.close()
        writer.wait()
    store = Store(path, 10**8)
    assert store.put_aside is None
    streams = [one for one in store.snapshot() if one.kind == "numerics"]
    assert len(streams) == 3
    for stream, count in zip(streams, answered, strict=True):
        rows = store.read(stream.id, 1, 10**9)
        assert [row.content for row in rows] == [b"%d" % n for n in range(1, len(rows) + 1)]
        assert count <= len(rows) <= count + 1
    store.close()
