import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config import load
from edgebox.provision.broker import broker_problem, broker_text
from edgebox.provision.last_good import settle
from edgebox.provision.place import Place

GOOD = '[box]\nid = "box-7"\n[bond]\nhub = "hub.fleet.example:4500"\n'
DAMAGED = [
    b"",
    b"\0" * 4096,
    GOOD.encode()[:-3],
    b'[box]\nid = "box-7"',
    b"\xff\xfe",
    b'[box]\nid = "Box 7"\n',
]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path / "etc")
    found.broker.parent.mkdir(parents=True)
    found.config.write_text(GOOD)
    found.broker.write_text(broker_text("box-7", "hub.fleet.example"))
    return found


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


DEFAULT = Path("config/edgebox.toml")


def test_nothing_is_said_of_what_loads(place: Place, state: Path) -> None:
    assert settle(place, state, DEFAULT) == []
    assert (state / "edgebox.toml").read_text() == GOOD
    assert not (state / "refused").exists()


@pytest.mark.parametrize("damage", DAMAGED, ids=repr)
def test_last_good_one_is_used_and_said_until_it_is_mended(
    place: Place, state: Path, damage: bytes
) -> None:
    settle(place, state, DEFAULT)
    place.config.write_bytes(damage)
    (line,) = settle(place, state, DEFAULT)
    assert line.startswith("edgebox.toml: ")
    assert place.config.read_text() == GOOD
    assert place.config.with_name("edgebox.toml.refused").read_bytes() == damage
    assert settle(place, state, DEFAULT) == [line], "the next start says it as well"
    assert (state / "refused").read_text() == f"{line}\n"
    place.config.write_text(GOOD + '[panel]\nlanguage = "en"\n')
    assert settle(place, state, DEFAULT) == []
    assert load(place.config).panel.language == "en"


def test_who_takes_lines_away_on_purpose_is_heard(place: Place, state: Path) -> None:
    settle(place, state, DEFAULT)
    shorter = '[box]\nid = "box-7"\n'
    place.config.write_text(shorter)
    assert settle(place, state, DEFAULT) == []
    assert place.config.read_text() == shorter


def test_a_box_that_never_had_a_good_one_starts_as_it_came(place: Place, state: Path) -> None:
    place.config.unlink()
    first = settle(place, state, DEFAULT)
    assert len(first) == 1
    assert place.config.read_bytes() == DEFAULT.read_bytes()
    assert settle(place, state, DEFAULT) == first


@pytest.mark.parametrize("cut", [0, 1, 200, 1500])
def test_damaged_broker_file_is_replaced(place: Place, state: Path, cut: int) -> None:
    whole = place.broker.read_bytes()
    settle(place, state, DEFAULT)
    place.broker.write_bytes(whole[:cut])
    (line,) = settle(place, state, DEFAULT)
    assert line.startswith("box.conf: ")
    assert place.broker.read_bytes() == whole


def test_broker_file_is_made_from_the_configuration_if_none_was_kept(
    place: Place, state: Path
) -> None:
    whole = place.broker.read_bytes()
    place.broker.unlink()
    settle(place, state, DEFAULT)
    assert place.broker.read_bytes() == whole


def test_everybody_reads_it_whatever_the_umask(place: Place, state: Path) -> None:
    before = os.umask(0o077)
    try:
        settle(place, state, DEFAULT)
        place.config.write_bytes(b"")
        place.broker.write_bytes(b"")
        settle(place, state, DEFAULT)
    finally:
        os.umask(before)
    for path in (place.config, place.broker, state / "refused"):
        assert path.stat().st_mode & 0o777 == 0o644


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert isinstance(broker_problem(data), str)


def test_the_files_that_are_written_are_whole() -> None:
    assert broker_problem(broker_text("box-7", "2001:db8::1").encode()) == ""
    assert broker_problem(Path("config/mosquitto/box.conf").read_bytes()) == ""
