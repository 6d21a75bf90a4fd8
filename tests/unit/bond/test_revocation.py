"""Who is shut out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.bond.revocation import Identity, Revoked, RevokedFile, parse
from edgebox.errors import ConfigError


def test_boxes_and_serials_are_read_and_remarks_left_out() -> None:
    revoked, strange = parse(
        "# stolen in May\nambulance-7\n\nserial:5D:21:c0  # its second card\n  box-9  \n"
    )
    assert revoked == Revoked(frozenset({"ambulance-7", "box-9"}), frozenset({0x5D21C0}))
    assert strange == []


def test_line_nobody_understands_is_named_and_the_others_hold() -> None:
    revoked, strange = parse("Box 7\nbox-7\nserial:xyz\nserial::\n")
    assert revoked.boxes == {"box-7"}
    assert strange == [1, 3, 4]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    revoked, _ = parse(text)
    assert all(revoked.holds(Identity(box)) for box in revoked.boxes)


def test_serial_shuts_out_the_certificate_and_not_the_box() -> None:
    revoked = Revoked(serials=frozenset({77}))
    assert revoked.holds(Identity("box-1", 77))
    assert not revoked.holds(Identity("box-1", 78))
    assert not revoked.holds(Identity("box-1"))


def test_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "revoked"
    path.write_text("box-1\n")
    file = RevokedFile(path)
    assert file.revoked.holds(Identity("box-1"))
    assert not file.look()
    path.write_text("box-1\nbox-2\n")
    assert file.look()
    assert file.revoked.holds(Identity("box-2"))


def test_file_that_vanishes_sets_nobody_free(tmp_path: Path) -> None:
    path = tmp_path / "revoked"
    path.write_text("box-1\n")
    file = RevokedFile(path)
    path.unlink()
    assert not file.look()
    assert file.revoked.holds(Identity("box-1"))
    path.write_text("")
    assert file.look()
    assert not file.revoked.holds(Identity("box-1"))


def test_missing_file_refuses_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="revoked"):
        RevokedFile(tmp_path / "none")
    assert not RevokedFile(None).look()
