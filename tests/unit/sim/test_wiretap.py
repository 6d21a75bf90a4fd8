"""The auditor on the wire must find each broken rule: here they are broken one by one."""

import pytest

from edgebox.bond.datagram import DEADLINE_S, UNSENT_S
from edgebox.bond.seal import TO_HUB, Keys, Sealer
from edgebox.bond.wire import (
    Copy,
    Data,
    Parity,
    TrafficClass,
    encode_data,
    encode_parity,
    microseconds,
)
from edgebox.sim.wiretap import COPIES_MAX, WireError, Wiretap

KEYS = Keys(7, "chacha20-poly1305", b"a" * 32, b"b" * 32)
NOW = 1000.0


class Wire:
    """A sealer, and the tap that hears it."""

    def __init__(self) -> None:
        self.sealer = Sealer(KEYS, TO_HUB, NOW)
        self.tap = Wiretap(KEYS, "up", NOW)
        self.sequence = -1

    def send(
        self, now: float = NOW, *, copy: Copy = Copy.FIRST, age_s: float = 0.0,
        kind: TrafficClass = TrafficClass.VIDEO, sent_at: float | None = None, size: int = 1000,
    ) -> None:  # fmt: skip
        self.sequence += copy is Copy.FIRST
        sent_us = microseconds(now if sent_at is None else sent_at)
        age = round(age_s * 1e4)
        data = Data(
            sent_us, kind, copy, self.sequence, 5, 0, age, 1, 0, None, "", bytes(size)
        )  # fmt: skip
        self.tap.see(self.sealer.seal(0, encode_data(data), now), now)


def test_what_an_end_may_send_passes() -> None:
    wire = Wire()
    for number in range(200):
        wire.send(NOW + number * 0.01, age_s=0.1)
        if number % 5 == 0:
            wire.send(NOW + number * 0.01, copy=Copy.RESCUE, age_s=0.2)
    assert wire.tap.packets == 240


def test_nonce_used_twice() -> None:
    wire = Wire()
    wire.send()
    wire.sealer._next[0] -= 1
    with pytest.raises(WireError, match="nonce"):
        wire.send()


def test_sealed_with_other_keys() -> None:
    wire = Wire()
    wire.sealer = Sealer(Keys(7, "chacha20-poly1305", b"c" * 32, b"b" * 32), TO_HUB, NOW)
    with pytest.raises(WireError, match="nobody can read"):
        wire.send()


def test_expired_in_the_queue() -> None:
    with pytest.raises(WireError, match="at the age of"):
        Wire().send(kind=TrafficClass.AUDIO, age_s=UNSENT_S[TrafficClass.AUDIO] + 0.01)


def test_repaired_after_its_deadline() -> None:
    wire = Wire()
    wire.send()
    late_s = DEADLINE_S[TrafficClass.VIDEO] + 0.01
    with pytest.raises(WireError, match="RESCUE at the age"):
        wire.send(NOW + late_s, copy=Copy.RESCUE, age_s=late_s)


def test_time_stamp_of_another_moment() -> None:
    with pytest.raises(WireError, match="time stamp"):
        Wire().send(sent_at=NOW - 0.01)


def test_older_after_newer() -> None:
    wire = Wire()
    wire.send(NOW, age_s=0.01)
    with pytest.raises(WireError, match="earlier deadline"):
        wire.send(NOW + 0.001, age_s=0.1)


def test_first_copy_after_others() -> None:
    wire = Wire()
    wire.send()
    wire.sequence -= 1
    with pytest.raises(WireError, match="first copy"):
        wire.send()


def test_too_many_copies() -> None:
    wire = Wire()
    for _ in range(COPIES_MAX):
        wire.send(copy=Copy.RESCUE)
    with pytest.raises(WireError, match=f"copy {COPIES_MAX + 1} of"):
        wire.send(copy=Copy.RESCUE)


@pytest.mark.parametrize("copy", [Copy.RESCUE, Copy.PROBE, Copy.SECOND])
def test_copies_beyond_their_allowance(copy: Copy) -> None:
    with pytest.raises(WireError, match=f"bytes of {copy.name}"):
        _send_copies(Wire(), copy)


def _send_copies(wire: Wire, copy: Copy) -> None:
    for _ in range(400):
        wire.send(size=100)
        wire.send(copy=copy, size=1000)


def test_parity_beyond_its_allowance() -> None:
    wire = Wire()
    parity = Parity(microseconds(NOW), TrafficClass.VIDEO, 0, 1, 0, bytes(1000))
    with pytest.raises(WireError, match="bytes of parity"):
        _send_parity(wire, parity)


def _send_parity(wire: Wire, parity: Parity) -> None:
    for _ in range(100):
        wire.send(size=1000)
        wire.tap.see(wire.sealer.seal(0, encode_parity(parity), NOW), NOW)
