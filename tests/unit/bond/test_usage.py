"""Monthly volumes: never less on disk than was carried, never forgotten, never half written."""

import datetime
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond import usage
from edgebox.bond.usage import Count, Usage, UsageError, month_of
from edgebox.config.bond import Link
from edgebox.errors import DeviceError

MAY = datetime.date(2026, 5, 17)
JUNE = datetime.date(2026, 6, 1)
LINK = Link(name="lte", source="127.0.0.2", monthly_cap_mb=100)


def counted(used: int, month: str = "2026-05-01") -> Usage:
    return Usage((LINK,), {"lte": Count(month, used)}, MAY)


@given(st.dates(datetime.date(2020, 1, 1), datetime.date(2099, 1, 1)), st.integers(1, 28))
def test_month_holds_the_day(today: datetime.date, starts_on: int) -> None:
    first = month_of(today, starts_on)
    assert first.day == starts_on
    assert first <= today < first + datetime.timedelta(days=31)
    assert month_of(first - datetime.timedelta(days=1), starts_on) < first


@given(st.lists(st.integers(0, 400_000), max_size=60), st.integers(0, 60))
def test_after_a_crash_never_less_is_known_than_was_carried(sizes: list[int], crash: int) -> None:
    one = counted(0)
    disk = one.to_store()
    one.stored(disk)
    for size in sizes[:crash]:
        if one.used_bytes("lte") + size > one.covered_bytes("lte"):
            break
        one.add("lte", size)
        if one.is_due:
            disk = one.to_store()
            one.stored(disk)
    assert disk["lte"].used_bytes >= one.used_bytes("lte")
    again = Usage((LINK,), disk, MAY)
    assert again.used_bytes("lte") >= one.used_bytes("lte")


def test_ordinary_end_loses_nothing() -> None:
    one = counted(5)
    one.add("lte", 7)
    assert one.to_store(exact=True)["lte"].used_bytes == 12


def test_new_month_counts_from_nothing() -> None:
    one = counted(5_000)
    one.turn(datetime.date(2026, 5, 31))
    assert one.used_bytes("lte") == 5_000
    one.turn(JUNE)
    assert one.used_bytes("lte") == 0
    assert one.to_store(exact=True)["lte"] == Count("2026-06-01", 0)


def test_month_that_began_while_we_were_off() -> None:
    assert Usage((LINK,), {"lte": Count("2026-05-01", 9)}, JUNE).used_bytes("lte") == 0


def test_clock_without_a_network_does_not_begin_anew() -> None:
    one = counted(5_000)
    one.turn(datetime.date(1970, 1, 1))
    one.turn(MAY)
    assert one.used_bytes("lte") == 5_000


def test_written_before_the_month_turned_does_not_count_for_the_new_one() -> None:
    one = counted(0)
    counts = one.to_store()
    one.turn(JUNE)
    one.stored(counts)
    assert one.covered_bytes("lte") == 0


def test_link_that_is_not_configured_now_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "usage.json"
    usage.save(file, {"old": Count("2026-05-01", 77)})
    one = Usage((LINK,), usage.load(file), MAY)
    usage.save(file, one.to_store(exact=True))
    assert usage.load(file)["old"].used_bytes == 77


def test_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "usage.json"
    usage.save(file, {"lte": Count("2026-05-01", 1)})

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DeviceError, match="No space"):
        usage.save(file, {"lte": Count("2026-05-01", 2)})
    assert usage.load(file)["lte"].used_bytes == 1
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"lte":{"month":"x","used_bytes":1}}', b"\xff", b"[" * 60_000,
     b'{"lte":{"month":"2026-05-01","used_bytes":-1}}'],
)  # fmt: skip
def test_damaged_file_is_said_and_not_taken_for_an_empty_one(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "usage.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"usage\.json: damaged"):
        usage.load(file)


def test_no_file_is_no_usage(tmp_path: Path) -> None:
    assert usage.load(tmp_path / "none.json") == {}
