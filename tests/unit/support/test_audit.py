"""The audit trail: what was written stays as it was, or it shows."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgebox.support import audit
from edgebox.support.audit import FIRST, AuditError, Entry, Trail, verify


def written(path: Path, count: int = 3) -> Trail:
    trail = Trail(path)
    for number in range(count):
        trail.append("looked", 100.0 + number, who="Kari", serial="AA", session="s1", box="b1")
    return trail


def test_entries_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = written(path)
    entries = list(verify(path))
    assert [entry.n for entry in entries] == [1, 2, 3]
    assert [entry.before for entry in entries] == [FIRST, entries[0].hash, entries[1].hash]
    assert (trail.entries, trail.head) == (3, entries[2].hash)
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    Trail(path).append("ended", 200.0)
    assert [entry.what for entry in verify(path)] == ["looked", "looked", "looked", "ended"]


@pytest.mark.parametrize("line", [0, 1])
@pytest.mark.parametrize("change", ["edit", "drop", "swap", "repeat"])
def test_a_changed_trail_shows(tmp_path: Path, line: int, change: str) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "edit":
        lines[line] = lines[line].replace(b"Kari", b"Ola!")
    elif change == "drop":
        del lines[line]
    elif change == "swap":
        lines[line], lines[line + 1] = lines[line + 1], lines[line]
    else:
        lines.insert(line, lines[line])
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError, match="changed"):
        list(verify(path))
    with pytest.raises(AuditError):
        Trail(path)


def test_a_forged_entry_with_a_hash_of_its_own_shows_at_the_next(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    entries = list(verify(path))
    forged = msgspec.structs.replace(entries[1], who="Ola")
    forged = msgspec.structs.replace(forged, hash=audit._hash(forged))
    lines = [msgspec.json.encode(one) + b"\n" for one in (entries[0], forged, entries[2])]
    path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError, match=":3:"):
        list(verify(path))


def test_a_line_torn_by_a_power_failure_is_cut_and_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path)
    with path.open("ab") as file:
        file.write(b'{"n":4,"at_utc":1')
    with pytest.raises(AuditError):
        list(verify(path))
    Trail(path)
    assert [entry.what for entry in verify(path)][-1] == "torn"


def test_what_cannot_be_written_does_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    trail = written(path)
    real = os.write

    def half(file: int, data: bytes) -> int:
        return real(file, data[:10])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(AuditError, match="no space"):
        trail.append("restart", 300.0)
    monkeypatch.undo()
    assert len(list(verify(path))) == 3
    trail.append("restart", 301.0)
    assert len(list(verify(path))) == 4


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match=r"Not a directory|File exists"):
        Trail(tmp_path / "file" / "audit.jsonl")


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_any_file_verifies_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    path.write_bytes(data)
    try:
        found = list(verify(path))
    except AuditError:
        return
    assert found == [] or all(isinstance(one, Entry) for one in found)
