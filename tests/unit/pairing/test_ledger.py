"""Who has which device, by the hub's memory."""

from edgebox.pairing.ledger import FRESH_S, Ledger

DEVICE = "a" * 32


def claim(
    ledger: Ledger, box: str, shown: int, now: float, *, confirmed: bool = False
) -> tuple[str, str]:
    """What the hub says."""
    return ledger.claim(DEVICE, box, shown, confirmed=confirmed, now_utc=now)


def test_the_first_of_two_keeps_it() -> None:
    """Two boxes give the same device a lease at the same moment."""
    ledger = Ledger({})
    assert claim(ledger, "box-1", 3, 100.0) == ("granted", "")
    assert claim(ledger, "box-2", 3, 100.1) == ("elsewhere", "")
    assert claim(ledger, "box-1", 3, 101.0) == ("granted", "")


def test_a_newer_lease_ends_the_older() -> None:
    ledger = Ledger({})
    claim(ledger, "box-1", 3, 100.0, confirmed=True)
    assert claim(ledger, "box-2", 4, 105.0) == ("granted", "box-1")
    assert ledger.entries[DEVICE].box == "box-2"


def test_a_copy_is_found_out() -> None:
    ledger = Ledger({})
    claim(ledger, "box-1", 3, 100.0)
    claim(ledger, "box-1", 3, 103.0, confirmed=True)
    assert claim(ledger, "box-2", 3, 1000.0) == ("cloned", "")
    assert claim(ledger, "box-2", 0, 1000.0) == ("cloned", "")


def test_what_was_confirmed_stays_so() -> None:
    ledger = Ledger({})
    claim(ledger, "box-1", 3, 100.0, confirmed=True)
    claim(ledger, "box-1", 3, 120.0)
    assert claim(ledger, "box-2", 3, 1000.0) == ("cloned", "")


def test_an_answer_that_got_lost_is_no_copy() -> None:
    ledger = Ledger({})
    claim(ledger, "box-1", 3, 100.0)
    assert claim(ledger, "box-2", 3, 100.0 + FRESH_S) == ("granted", "box-1")


def test_told_afterwards_by_a_box_that_was_offline() -> None:
    ledger = Ledger({})
    claim(ledger, "box-1", 3, 100.0, confirmed=True)
    assert claim(ledger, "box-2", 9, 5000.0, confirmed=True) == ("granted", "box-1")
    assert claim(ledger, "box-1", 3, 5001.0, confirmed=True) == ("cloned", "")
