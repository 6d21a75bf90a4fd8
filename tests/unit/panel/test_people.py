"""Who gets no picture, and names from outside."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages import Participant, Watcher
from edgebox.panel.people import plain, without_picture
from tests.unit.panel.heard import live, participant, room, watcher


def names(watchers: tuple[Watcher, ...], *people: Participant) -> list[str]:
    return [one.name for one in without_picture(live(watchers=watchers), room(*people))]


def test_watcher_is_found_by_the_id_its_peer_holds() -> None:
    kari = participant("Kari", id_="0123456789abcdef")
    pages = (
        watcher("Kari", peer="r0123456789abcdef-1111111111111111"),
        watcher("Kari", peer="r0123456789abcdef-2222222222222222"),
    )
    assert names(pages, kari) == []


def test_watcher_is_found_by_name_and_role() -> None:
    assert names((watcher("Kari"),), participant("Kari")) == []
    assert names((watcher("Kari"),), participant("Kari", "pilot")) == ["Kari"]


def test_of_two_who_look_the_same_the_other_is_still_named() -> None:
    twins = (participant("Lege", id_="one"), participant("Lege", id_="two"))
    assert names((watcher("Lege", peer="rone"),), *twins) == ["Lege"]
    assert names((watcher("Lege"),), *twins) == ["Lege"]
    assert names((watcher("Lege"), watcher("Lege", peer="p2")), *twins) == []


def test_name_cannot_be_disguised() -> None:
    assert plain("Kari\u202enam\nrodN\t ") == "Kari nam rodN"


@given(st.text(max_size=50))
def test_any_name_becomes_one_plain_line(name: str) -> None:
    shown = plain(name)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} for c in shown)
    assert shown == plain(shown)
