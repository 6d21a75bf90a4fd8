"""How much one address may ask, and how many may be connected."""

import asyncio

from edgebox.headset import listener
from edgebox.headset.listener import Gatekeeper, is_address
from edgebox.host import allowance
from edgebox.host.allowance import Allowance


def test_an_address_has_a_burst_and_then_its_rate() -> None:
    one = Allowance(per_s=1.0, burst=3.0)
    assert [one.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert one.take("b", 0.0)
    assert one.take("a", 1.0)
    assert not one.take("a", 1.0)


def test_made_up_addresses_share_one_and_take_no_memory() -> None:
    one = Allowance(per_s=0.1, burst=2.0)
    taken = [one.take(f"address-{n}", 0.0) for n in range(allowance.ADDRESSES_MAX + 50)]
    assert taken.count(False) > 40
    assert len(one._left) <= allowance.ADDRESSES_MAX + 1


def test_connections_of_one_address_are_limited_and_others_are_not() -> None:
    keeper = Gatekeeper(asyncio.Protocol)
    mine = [keeper.admit("a") for _ in range(listener.OF_ONE_ADDRESS_MAX + 1)]
    assert mine[-1] is None
    assert None not in mine[:-1]
    assert keeper.admit("b") is not None
    keeper.leave("a")
    assert keeper.admit("a") is not None
    assert keeper.refused == 1


def test_connections_of_all_together_are_limited() -> None:
    keeper = Gatekeeper(asyncio.Protocol)
    for number in range(listener.CONNECTIONS_MAX):
        assert keeper.admit(f"a{number}") is not None
    assert keeper.admit("one-more") is None


def test_addresses_and_names_are_told_apart() -> None:
    assert is_address("192.0.2.1")
    assert is_address("[2001:db8::1]")
    assert not is_address("headset.example.org")
