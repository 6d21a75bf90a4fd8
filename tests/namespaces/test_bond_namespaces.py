"""The bond over real interfaces: scenarios of the simulator, and what only interfaces do.

Limits are those of docs/bond-operations.md with room for a busy machine.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgebox.bus import Bus
from edgebox.messages.bond import BOND_STATUS, BondStatus
from edgebox.sim.scenario import steady
from tests.conftest import Broker
from tests.namespaces.world import World, why_not

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
]


@pytest.fixture
def world(tmp_path: Path, broker: Broker) -> Iterator[World]:
    with World(tmp_path, bus=broker.address) as one:
        yield one


def three(world: World) -> None:
    for name, rate, delay in (("lte0", 4e6, 20.0), ("lte1", 3e6, 30.0), ("lte2", 2e6, 40.0)):
        world.plug(name, steady(round(rate), delay))
    world.start_ends()


def two(world: World) -> None:
    for name, rate in (("lte0", 4_000_000), ("lte1", 3_000_000)):
        world.plug(name, steady(rate, 20.0))
    world.start_ends()


def until(world: World, is_so: Callable[[BondStatus], bool], limit_s: float = 10.0) -> BondStatus:
    """The first status of which it is so."""

    async def follow() -> BondStatus:
        seen: asyncio.Queue[BondStatus] = asyncio.Queue()

        async def keep(status: BondStatus, keys: dict[str, str]) -> None:
            await seen.put(status)

        async with Bus(world.bus, "watcher", box="box-1") as bus, asyncio.timeout(limit_s):
            await bus.subscribe(BOND_STATUS, keep)
            while not is_so(status := await seen.get()):
                continue
            return status

    return asyncio.run(follow())


def state(status: BondStatus, name: str) -> str:
    return next(link.state for link in status.links if link.name == name)


# As in simulation


def test_best_link_cut_costs_less_than_a_moment(world: World) -> None:
    three(world)
    world.watch(2.7e6, 3.0)
    figures = world.watch(2.7e6, 4.0, {1.5: lambda: world.change(world.busiest(), cut=True)})
    assert figures.within(0.4) >= 0.95
    assert figures.gap_s() <= 0.4


@pytest.mark.long
def test_steady_links_carry_all_frames_in_time(world: World) -> None:
    three(world)
    world.watch(4e6, 3.0)
    figures = world.watch(4e6, 8.0)
    assert figures.within(0.4) >= 0.98


@pytest.mark.long
def test_death_of_the_reverse_direction_alone(world: World) -> None:
    three(world)
    world.watch(2.7e6, 4.0)
    figures = world.watch(
        2.7e6, 6.0, {2.0: lambda: world.change(world.busiest(), "down", cut=True)}
    )
    assert figures.within(0.4) >= 0.95
    assert figures.gap_s() <= 0.4


@pytest.mark.long
def test_rates_fall_below_what_is_sent_and_come_back(world: World) -> None:
    three(world)
    world.watch(3e6, 4.0)

    def fall() -> None:
        for name in world.families:
            world.change(name, "up", rate_bps=1_200_000)

    def rise() -> None:
        for name in world.families:
            world.change(name, "up", rate_bps=3_000_000)

    figures = world.watch(3e6, 10.0, {2.0: fall, 5.0: rise})
    assert figures.within(0.4) >= 0.85


# Interfaces and addresses


def test_modem_pulled_and_put_back_is_used_again(world: World) -> None:
    two(world)
    until(world, lambda one: state(one, "lte0") == "up")
    figures = world.watch(2e6, 4.0, {1.5: lambda: world.unplug("lte0")})
    assert figures.within(0.4) >= 0.95
    assert figures.gap_s() <= 0.4
    until(world, lambda one: state(one, "lte0") == "absent", 2.0)
    world.plug_again("lte0")
    world.change("lte1", cut=True)
    world.wait_until_through(5.0)
    until(world, lambda one: state(one, "lte0") == "up")


@pytest.mark.long
def test_modem_switched_off_and_on(world: World) -> None:
    two(world)
    world.switch("lte0", "down")
    until(world, lambda one: state(one, "lte0") == "absent", 2.0)
    world.wait_until_through(1.0)
    world.switch("lte0", "up")
    until(world, lambda one: state(one, "lte0") == "up")


@pytest.mark.long
def test_modem_exchanged_in_an_instant_is_noticed(world: World) -> None:
    """Another interface of the same name: the old socket is bound to nothing now."""
    two(world)
    world.change("lte1", cut=True)
    world.unplug("lte0")
    world.plug_again("lte0")
    world.wait_until_through(5.0)


@pytest.mark.long
def test_other_address_of_a_modem_is_followed(world: World) -> None:
    two(world)
    world.change("lte1", cut=True)
    world.renumber("lte0")
    assert world.wait_until_through(5.0) < 5.0


@pytest.mark.long
def test_rebound_nat_is_followed_without_a_gap(world: World) -> None:
    world.plug("lte0", steady(5_000_000, 20.0))
    world.start_ends()
    world.watch(1.5e6, 2.0)

    def rebind() -> None:
        world.tell(do="rebind", link="lte0", shift=0x0155)

    figures = world.watch(1.5e6, 4.0, {1.5: rebind})
    assert figures.within(0.4) >= 0.98


@pytest.mark.long
def test_ipv6_only_link_beside_an_ipv4_one(world: World) -> None:
    world.plug("lte0", steady(4_000_000, 20.0))
    world.plug("six", steady(4_000_000, 20.0), "6")
    world.start_ends()
    until(world, lambda one: {link.state for link in one.links} == {"up"})
    figures = world.watch(2e6, 4.0, {1.5: lambda: world.change("lte0", cut=True)})
    assert figures.within(0.4) >= 0.95


# Sizes


@pytest.mark.long
def test_size_that_passes_is_found_on_a_real_link(world: World) -> None:
    world.plug("lte0", steady(6_000_000, 10.0))
    world.tell(do="mtu", link="lte0", way="up", bytes=1400)
    world.start_ends()
    found = until(world, lambda one: one.links[0].mtu_bytes >= 1352, 30.0).links[0].mtu_bytes
    assert found <= 1400 - 28


@pytest.mark.long
def test_smaller_mtu_of_our_own_interface_is_kept_to(world: World) -> None:
    world.plug("lte0", steady(6_000_000, 10.0))
    world.start_ends()
    until(world, lambda one: one.links[0].mtu_bytes > 1400, 20.0)
    world.box.ip("link", "set", "lte0", "mtu", "1120")
    figures = world.watch(1.5e6, 3.0)
    assert figures.within(0.4) >= 0.9
    until(world, lambda one: 0 < one.links[0].mtu_bytes <= 1092, 5.0)


@pytest.mark.long
def test_path_that_begins_to_swallow_large_packets_recovers(world: World) -> None:
    world.plug("lte0", steady(6_000_000, 10.0))
    world.start_ends()
    until(world, lambda one: one.links[0].mtu_bytes > 1400, 20.0)
    world.tell(do="mtu", link="lte0", way="up", bytes=1000)
    world.watch(1.5e6, 4.0)
    figures = world.watch(1.5e6, 3.0)
    assert figures.within(0.4) >= 0.9


# Cleanliness


def test_nothing_is_left_behind_when_a_test_fails(tmp_path: Path) -> None:
    links = interfaces()
    world = World(tmp_path)
    with pytest.raises(ZeroDivisionError):
        fail_inside(world, tmp_path)
    deadline = time.monotonic() + 5
    while processes_of(tmp_path) or Path(f"/proc/{world.box.pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert interfaces() == links


def fail_inside(world: World, directory: Path) -> None:
    with world:
        world.plug("lte0", steady(4_000_000, 20.0))
        world.start_ends()
        assert processes_of(directory)
        raise ZeroDivisionError


def processes_of(directory: Path) -> list[Path]:
    """Those that were started with a file of this directory."""
    return [one for one in Path("/proc").glob("[0-9]*") if _names(one, str(directory))]


def interfaces() -> set[str]:
    return {one.name for one in Path("/sys/class/net").iterdir()}


def _names(process: Path, directory: str) -> bool:
    try:
        return directory in (process / "cmdline").read_text()
    except OSError:
        return False
