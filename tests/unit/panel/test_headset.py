"""What the panel says of the headsets' list and of their page's certificate."""

from typing import Any

import pytest

from edgebox.messages.headset import CertificateStatus
from edgebox.messages.pairing import PairingStatus
from edgebox.panel.catalogue import compile_catalogue
from edgebox.panel.headset import HeadsetBoard
from edgebox.panel.headset_words import say_headset
from edgebox.panel.words import Words

UTC = 1_800_000_000.0


def note(certificate: CertificateStatus | None, registry: Any = "good") -> str:
    board = HeadsetBoard()
    board.receive(PairingStatus(instance="i", vehicle="Ambulanse 1", registry=registry), 0.0)
    if certificate is not None:
        board.receive_certificate(certificate)
    words = Words("nb", compile_catalogue("nb").gettext)
    said: str = say_headset(board.view(0.0, away=False), words, UTC)["note"]
    return said


@pytest.mark.parametrize("state", ["good", "off"])
def test_nothing_is_said_while_all_is_well(state: Any) -> None:
    assert note(CertificateStatus(state=state, until_utc=UTC)) == ""
    assert note(None) == ""


def test_half_of_its_time_is_over() -> None:
    said = note(CertificateStatus(state="half", until_utc=UTC + 30 * 86_400))
    assert "ikke fornyet i tide" in said
    assert "14. feb" in said


@pytest.mark.parametrize(("state", "word"), [("expired", "utløpt"), ("missing", "mangler")])
def test_headsets_cannot_connect(state: Any, word: str) -> None:
    said = note(CertificateStatus(state=state))
    assert word in said
    assert "kan ikke kobles til" in said


def test_list_of_devices_goes_first() -> None:
    assert "Listen" in note(CertificateStatus(state="half", until_utc=UTC), "expired")
