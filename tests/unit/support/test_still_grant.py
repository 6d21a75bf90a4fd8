"""Whether the technician may have a still, as desk and panel show it."""

from pathlib import Path

from edgebox.host.seal import Seal, is_sealed
from edgebox.support.still_grant import ASKED_S, GRANTED_S, StillGrant


def test_of_the_camera_that_was_asked_for_once() -> None:
    grant = StillGrant()
    assert grant.spend("a", 0.0) == "camera-not-allowed"
    assert grant.grant("a", 0.0) == "camera-not-allowed", "nobody asked"
    assert grant.ask("a", 0.0) is None
    assert grant.ask("a", 1.0) is None
    assert grant.ask("b", 1.0) == "still-busy"
    assert grant.grant("b", 1.0) == "camera-not-allowed"
    assert grant.grant("a", 1.0) is None
    assert grant.ask("a", 2.0) == "still-busy"
    assert grant.spend("b", 2.0) == "camera-not-allowed"
    assert grant.spend("a", 2.0) is None
    assert grant.spend("a", 2.0) == "camera-not-allowed"


def test_wish_and_word_end_by_time() -> None:
    grant = StillGrant()
    grant.ask("a", 0.0)
    assert not grant.handle_timeout(ASKED_S - 0.1)
    assert grant.grant("a", ASKED_S) == "camera-not-allowed"
    grant.ask("a", 200.0)
    grant.grant("a", 210.0)
    assert grant.spend("a", 210.0 + GRANTED_S) == "camera-not-allowed"
    assert (grant.state, grant.camera) == ("off", "")


def test_a_seal_is_over_each_part_and_of_the_panel_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "seal"
    first = Seal(path)
    seal = first.over("still", "a", "bc")
    assert is_sealed(path, seal, "still", "a", "bc")
    assert path.stat().st_mode & 0o777 == 0o644
    for parts in (("still", "ab", "c"), ("still", "a"), ("still", "a", "bc", ""), ()):
        assert not is_sealed(path, seal, *parts)
    for wrong in ("", "zz", seal[:-2], seal + "00"):
        assert not is_sealed(path, wrong, "still", "a", "bc")
    Seal(path)
    assert not is_sealed(path, seal, "still", "a", "bc"), "the panel started anew"
    assert not is_sealed(tmp_path / "none", seal, "still", "a", "bc")


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    Seal(tmp_path / "run" / "seal")
    assert not (tmp_path / "run").exists()
