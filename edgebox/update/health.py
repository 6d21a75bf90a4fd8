"""What the last whole self-test of this boot called a fault, and how long the bond is up. Pure."""

from collections.abc import Iterable

from edgebox.messages.bond import BondStatus
from edgebox.messages.selftest import Finding, SelfTest

BOND_FRESH_S = 2.0
BOOT_LEEWAY_S = 5.0


class Health:
    """Fed by the service, told the time."""

    def __init__(self) -> None:
        self._test: SelfTest | None = None
        self._bond: BondStatus | None = None
        self._bond_at = 0.0
        self._bond_up_at: float | None = None

    def receive_test(self, test: SelfTest) -> None:
        """One that runs says nothing yet."""
        if test.state == "done":
            self._test = test

    def receive_bond(self, status: BondStatus, now: float) -> None:
        """Ten times a second."""
        up = status.state == "up"
        silent = now - self._bond_at > BOND_FRESH_S
        if not up:
            self._bond_up_at = None
        elif self._bond_up_at is None or silent:
            self._bond_up_at = now
        self._bond, self._bond_at = status, now

    def bond_up_s(self, now: float) -> float:
        """0: it is not up, or says nothing."""
        if self._bond_up_at is None or now - self._bond_at > BOND_FRESH_S:
            return 0.0
        return now - self._bond_up_at

    def bond(self, now: float) -> BondStatus | None:
        """None: it says nothing now."""
        return self._bond if now - self._bond_at <= BOND_FRESH_S else None

    def faults(self, now_utc: float, since_boot_s: float) -> tuple[str, ...] | None:
        """None: no test since the boot. By the wall clock: one that was set meanwhile means another
        test is asked for, no more."""
        test = self._test
        if test is None or test.started_utc < now_utc - since_boot_s - BOOT_LEEWAY_S:
            return None
        return names(test.findings)

    def test_age_s(self, now_utc: float) -> float:
        """Of the last one; infinite without."""
        if self._test is None:
            return float("inf")
        return max(0.0, now_utc - self._test.finished_utc)


def names(findings: Iterable[Finding]) -> tuple[str, ...]:
    """One for each fault, the same for the same fault of the same thing."""
    return tuple(sorted(f"{one.code} {one.subject}" for one in findings if one.grade == "fault"))
