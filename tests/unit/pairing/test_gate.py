"""Every case of a device at a vehicle's door. Each test fails when its rule is taken away."""

import dataclasses
import random
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from edgebox.errors import RemoteProtocolError
from edgebox.pairing import keys, proof
from edgebox.pairing.gate import ALLOWED_S, OUTSIDE_S, VOUCHED_S, Admission, Gate
from edgebox.pairing.lease import BEARER_S, LOST_S, Held
from edgebox.pairing.proof import CHALLENGE_S, DEVICE_CONTEXT
from edgebox.pairing.wire import Beaten, Paired, Prove, Refused, Waiting
from edgebox.sim.headset_device import SimDevice
from tests.unit.pairing.fleet import DAY_S, Fleet


def reason(answer: object) -> str:
    """Of a refusal."""
    assert isinstance(answer, Refused), answer
    return answer.reason


def test_assigned_here_is_live_without_a_touch(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    answer = fleet.knock(gate, device, 1.0)
    assert isinstance(answer, Paired)
    assert answer.vehicle == "Ambulanse 1-7"
    held = gate.leases.check(answer.bearer, 1.5)
    assert isinstance(held, Held)
    assert (held.device, held.digits) == (device.id, answer.digits)
    [card] = gate.status("i", 1.5, fleet.utc).cards
    assert (card.state, card.digits, card.name) == ("paired", answer.digits, "Headset 1")


def test_assigned_elsewhere_is_told_where_it_belongs(fleet: Fleet) -> None:
    device = fleet.device(box="box-2")
    gate = fleet.gate("box-1")
    answer = fleet.knock(gate, device, 1.0)
    assert isinstance(answer, Refused)
    assert (answer.reason, answer.belongs) == ("elsewhere", "Ambulanse 2-4")
    [card] = gate.status("i", 1.0, fleet.utc).cards
    assert (card.state, card.reason, card.belongs) == ("refused", "elsewhere", "Ambulanse 2-4")


def test_no_code_of_this_vehicle_lets_in_what_belongs_to_another(fleet: Fleet) -> None:
    device = fleet.device(box="box-2")
    gate = fleet.gate("box-1")
    code, _ = gate.code(1.0)
    assert reason(fleet.knock(gate, device, 1.0, code=code)) == "elsewhere"


def test_pool_waits_and_a_code_lets_it_in(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    waiting = fleet.knock(gate, device, 1.0)
    assert isinstance(waiting, Waiting)
    assert not gate.leases.held
    code, _ = gate.code(2.0)
    paired = fleet.knock(gate, device, 3.0, code=code)
    assert isinstance(paired, Paired)
    assert paired.digits == waiting.digits


def test_pool_by_a_tap_on_the_panel(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    waiting = fleet.knock(gate, device, 1.0)
    assert isinstance(waiting, Waiting)
    wrong = f"{(int(waiting.digits) + 1) % 100:02}"
    assert not gate.allow(device.id, wrong, 1.0)
    assert isinstance(fleet.knock(gate, device, 2.0), Waiting)
    assert gate.allow(device.id, waiting.digits, 2.0)
    assert isinstance(fleet.knock(gate, device, 3.0), Paired)


def test_a_tap_is_for_a_while_and_for_what_was_shown(fleet: Fleet) -> None:
    device, other = fleet.device("pool"), fleet.device("pool")
    gate = fleet.gate()
    waiting = fleet.knock(gate, device, 1.0)
    assert isinstance(waiting, Waiting)
    assert gate.allow(device.id, waiting.digits, 1.0)
    assert isinstance(fleet.knock(gate, other, 1.5), Waiting)
    assert isinstance(fleet.knock(gate, device, 1.0 + ALLOWED_S + 1), Waiting)


@pytest.mark.parametrize("late_s", [0.0, 5.0])
def test_a_code_works_once(fleet: Fleet, late_s: float) -> None:
    first, second = fleet.device("pool"), fleet.device("pool")
    gate = fleet.gate()
    code, _ = gate.code(1.0)
    assert isinstance(fleet.knock(gate, first, 2.0, code=code), Paired)
    answer = fleet.knock(gate, second, 2.0 + late_s, code=code)
    assert isinstance(answer, Waiting)
    assert answer.code == "bad"


def test_a_code_is_over_in_time(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    code, _ = gate.code(1.0)
    answer = fleet.knock(gate, device, 41.5, code=code)
    assert isinstance(answer, Waiting)
    assert answer.code == "bad"


def test_a_code_of_the_neighbour_is_worth_nothing(fleet: Fleet) -> None:
    """A relay: the device is in box-1 and scans there, its words are carried to box-2."""
    device = fleet.device("pool")
    here, neighbour = fleet.gate("box-1"), fleet.gate("box-2")
    code, _ = here.code(1.0)
    answer = fleet.knock(neighbour, device, 1.0, code=code)
    assert isinstance(answer, Waiting)
    assert not neighbour.leases.held


def test_what_was_said_to_one_vehicle_is_worth_nothing_in_another(fleet: Fleet) -> None:
    """The device proves itself to box-1, scanning its code; an attacker takes that to box-2."""
    device = fleet.device("pool")
    here, neighbour = fleet.gate("box-1"), fleet.gate("box-2")
    hello = device.hello()
    theirs = neighbour.hello(hello, 1.0, fleet.utc)
    code, _ = neighbour.code(1.0)
    # box-2's own nonce and code, signed by the device as said to box-1.
    mine = here.hello(hello, 1.0, fleet.utc)
    said = device.prove(hello, mine, fleet.utc, code)
    carried = msgspec.structs.replace(said, box_nonce=theirs.nonce, box="box-2")
    assert reason(neighbour.prove(carried, 1.1, fleet.utc)) == "signature"
    carried = msgspec.structs.replace(said, box_nonce=theirs.nonce)
    assert reason(neighbour.prove(carried, 1.1, fleet.utc)) == "signature"


def test_a_stolen_box_cannot_have_a_device_speak_to_its_neighbour(fleet: Fleet) -> None:
    """box-1 is true and in wrong hands: it asks box-2's question in its own name."""
    device = fleet.device("pool")
    neighbour, stolen = fleet.gate("box-2"), fleet.identity("box-1")
    hello = device.hello()
    theirs = neighbour.hello(hello, 1.0, fleet.utc)
    statement = keys.transcript(
        proof.BOX_CONTEXT,
        hello.nonce,
        theirs.nonce,
        stolen.box,
        stolen.vehicle,
        hello.device,
        theirs.at_utc,
    )
    asked = msgspec.structs.replace(
        theirs,
        box=stolen.box,
        vehicle=stolen.vehicle,
        certificate=keys.encode(stolen.certificate),
        signature=keys.encode(keys.sign(stolen.key, statement)),
    )
    said = device.prove(hello, asked, fleet.utc, neighbour.code(1.0)[0])
    assert reason(neighbour.prove(said, 1.1, fleet.utc)) == "signature"


def test_a_scanned_code_cannot_be_exchanged_on_its_way(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    code, _ = gate.code(1.0)
    hello = device.hello()
    said = device.prove(hello, gate.hello(hello, 1.0, fleet.utc), fleet.utc)
    assert reason(gate.prove(msgspec.structs.replace(said, code=code), 1.1, fleet.utc)) == (
        "signature"
    )


def test_unknown(fleet: Fleet) -> None:
    stranger = fleet.device(listed=False)
    gate = fleet.gate()
    assert reason(fleet.knock(gate, stranger, 1.0)) == "unknown"
    assert gate.status("i", 1.0, fleet.utc).cards == ()


def test_foreign_fleet(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each refuses the other: the device first."""
    other = Fleet(tmp_path_factory.mktemp("other"))
    device = other.device()
    gate = fleet.gate()
    with pytest.raises(RemoteProtocolError):
        fleet.knock(gate, device, 1.0)
    device.authority = fleet.authority
    assert reason(fleet.knock(gate, device, 1.0)) == "unknown"


def test_revoked_is_refused_and_put_out(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    assert isinstance(fleet.knock(gate, device, 1.0), Paired)
    entry = fleet.devices[device.id]
    fleet.devices[device.id] = msgspec.structs.replace(entry, revoked=True)
    _, ended = gate.take_registry(fleet.registry(), 2.0)
    assert [one.why for one in ended] == ["revoked"]
    assert gate.leases.check(device.bearer, 2.0) == "revoked"
    assert reason(fleet.knock(gate, device, 3.0)) == "revoked"


def test_moved_to_another_vehicle_while_paired(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    entry = fleet.devices[device.id]
    fleet.devices[device.id] = msgspec.structs.replace(entry, box="box-2")
    _, ended = gate.take_registry(fleet.registry(), 2.0)
    assert [one.why for one in ended] == ["elsewhere"]


def test_enrolment_that_is_over(fleet: Fleet) -> None:
    device = fleet.device()
    entry = fleet.devices[device.id]
    fleet.devices[device.id] = msgspec.structs.replace(entry, expires_utc=fleet.utc - 1)
    assert reason(fleet.knock(fleet.gate(), device, 1.0)) == "expired"


def test_a_replayed_proof(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    hello = device.hello()
    said = device.prove(hello, gate.hello(hello, 1.0, fleet.utc), fleet.utc)
    assert isinstance(gate.prove(said, 1.1, fleet.utc), Admission)
    assert reason(gate.prove(said, 1.2, fleet.utc)) == "signature"


def test_a_late_proof(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    hello = device.hello()
    said = device.prove(hello, gate.hello(hello, 1.0, fleet.utc), fleet.utc)
    assert reason(gate.prove(said, 1.0 + CHALLENGE_S + 0.1, fleet.utc)) == "signature"


def test_a_challenge_is_for_who_asked(fleet: Fleet) -> None:
    device, other = fleet.device(), fleet.device()
    gate = fleet.gate()
    hello = device.hello()
    challenge = gate.hello(hello, 1.0, fleet.utc)
    stolen = msgspec.structs.replace(hello, device=other.id)
    with pytest.raises(RemoteProtocolError):
        other.prove(stolen, challenge, fleet.utc)
    said = _prove_unchecked(other, stolen.nonce, challenge.nonce, fleet)
    assert reason(gate.prove(said, 1.1, fleet.utc)) == "signature"


def _prove_unchecked(device: SimDevice, nonce: str, box_nonce: str, fleet: Fleet) -> Prove:
    """By a device that does not look at who asks."""
    at = int(fleet.utc)
    fields = (nonce, box_nonce, "box-1", "Ambulanse 1-7", device.id, at, "", 0)
    signature = keys.sign(device.key, keys.transcript(DEVICE_CONTEXT, *fields))
    return Prove(
        device=device.id,
        nonce=nonce,
        box_nonce=box_nonce,
        box="box-1",
        vehicle="Ambulanse 1-7",
        at_utc=at,
        signature=keys.encode(signature),
    )


@pytest.mark.parametrize("cheat", ["own-authority", "own-key", "other-box", "registry"])
def test_a_false_box_cannot_prove_itself(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory, cheat: str
) -> None:
    """Somebody answers to the name that was looked for: the device says nothing to him."""
    device = fleet.device()
    true = fleet.identity("box-1")
    other = Fleet(tmp_path_factory.mktemp("other"))
    certificate, key = fleet.signer
    identity = {
        "own-authority": other.identity("box-1"),
        "own-key": dataclasses.replace(true, key=other.identity("box-1").key),
        "other-box": dataclasses.replace(fleet.identity("box-2"), box="box-1"),
        "registry": dataclasses.replace(
            true,
            box="headset-registry",
            key=key,
            certificate=certificate.public_bytes(Encoding.DER),
        ),
    }[cheat]
    false = Gate(identity, fleet.authority, {}, random.Random(1).randbytes)
    hello = device.hello()
    with pytest.raises(RemoteProtocolError):
        device.prove(hello, false.hello(hello, 1.0, fleet.utc), fleet.utc)


def test_an_old_challenge_of_the_true_box_is_no_proof(fleet: Fleet) -> None:
    """Recorded and played back by a false box."""
    device = fleet.device()
    recorded = fleet.gate().hello(device.hello(), 1.0, fleet.utc)
    with pytest.raises(RemoteProtocolError):
        device.prove(device.hello(), recorded, fleet.utc)


def test_a_box_whose_certificate_is_over(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.utc += 400 * DAY_S
    with pytest.raises(RemoteProtocolError, match="not valid at that time"):
        fleet.knock(gate, device, 1.0)


@pytest.mark.parametrize("clock_s", [-3600.0, 3600.0])
def test_the_device_s_clock_is_wrong(fleet: Fleet, clock_s: float) -> None:
    device = fleet.device()
    gate = fleet.gate()
    assert reason(fleet.knock(gate, device, 1.0, clock_s=clock_s)) == "clock"
    assert isinstance(fleet.knock(gate, device, 2.0, clock_s=clock_s / 30), Paired)


def test_the_box_s_clock_is_wrong(fleet: Fleet) -> None:
    """Without a battery for its clock and before GNSS, a box is in the past."""
    device = fleet.device()
    gate = fleet.gate()
    hello = device.hello()
    said = device.prove(hello, gate.hello(hello, 1.0, fleet.utc), fleet.utc)
    assert reason(gate.prove(said, 1.1, fleet.utc - DAY_S)) == "box-clock"
    assert gate.status("i", 1.0, fleet.utc - DAY_S).registry == "clock"


def test_without_a_registry_nobody_comes_in(fleet: Fleet) -> None:
    device = fleet.device()
    gate = Gate(fleet.identity("box-1"), fleet.authority, {}, lambda size: bytes(size))
    assert reason(fleet.knock(gate, device, 1.0)) == "no-registry"
    assert gate.status("i", 1.0, fleet.utc).registry == "none"


def test_offline_with_an_old_registry(fleet: Fleet) -> None:
    """Good until it says itself that it is over, and said before; an older one changes nothing."""
    device = fleet.device()
    older = fleet.registry()
    gate = fleet.gate()
    assert gate.take_registry(older, 1.0)[0].result == "older"
    fleet.utc += 20 * DAY_S
    assert gate.status("i", 1.0, fleet.utc).registry == "ageing"
    assert isinstance(fleet.knock(gate, device, 1.0), Paired)
    fleet.utc += 11 * DAY_S
    assert gate.status("i", 2.0, fleet.utc).registry == "expired"
    assert reason(fleet.knock(gate, device, 2.0)) == "registry-expired"


def test_a_copied_key_is_found_out(fleet: Fleet) -> None:
    """Two devices with one key and one counter: whoever is second shows an old lease."""
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    assert isinstance(gate.beat(device.beat(), 2.0), Beaten)
    copy = dataclasses.replace(device)
    fleet.knock(gate, device, 3.0)
    assert isinstance(gate.beat(device.beat(), 4.0), Beaten)
    assert reason(fleet.knock(gate, copy, 5.0)) == "cloned"
    assert isinstance(gate.leases.check(device.bearer, 5.0), Held)


def test_a_copy_that_hides_its_lease_is_found_out_too(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    gate.beat(device.beat(), 2.0)
    copy = dataclasses.replace(device, last=None)
    assert reason(fleet.knock(gate, copy, 5.0)) == "cloned"


def test_an_answer_that_got_lost_is_no_copy(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    gate.beat(device.beat(), 2.0)
    before = dataclasses.replace(device)
    fleet.knock(gate, before, 3.0)  # the answer never reached the device
    assert isinstance(fleet.knock(gate, device, 4.0), Paired)
    assert device.last is not None
    assert device.last.counter == 2


def test_a_lease_that_no_box_gave(fleet: Fleet) -> None:
    """A device cannot get ahead of its copy by inventing a counter."""
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    assert device.last is not None
    device.last = msgspec.structs.replace(device.last, counter=50)
    assert reason(fleet.knock(gate, device, 2.0)) == "cloned"


def test_a_box_gives_leases_in_its_own_name_only(fleet: Fleet) -> None:
    """Else a stolen one would name a box that is not."""
    device = fleet.device()
    stolen = dataclasses.replace(fleet.identity("box-2"), box="box-1")
    device.last = proof.Challenger(stolen, random.Random(1).randbytes).lease(
        device.id, 7, fleet.utc
    )
    assert reason(fleet.knock(fleet.gate(), device, 1.0)) == "cloned"


def test_a_lease_of_another_vehicle_carries_its_counter_there(fleet: Fleet) -> None:
    """Both offline: the second box learns from the device what the first one gave."""
    device = fleet.device("pool")
    first, second = fleet.gate("box-1"), fleet.gate("box-2")
    fleet.knock(first, device, 1.0, code=first.code(1.0)[0])
    first.beat(device.beat(), 2.0)
    copy = dataclasses.replace(device)
    assert isinstance(fleet.knock(second, device, 3.0, code=second.code(3.0)[0]), Paired)
    second.beat(device.beat(), 4.0)
    assert reason(fleet.knock(second, copy, 5.0, code=second.code(5.0)[0])) == "cloned"


def test_leases_of_a_stolen_box_count_for_nothing(fleet: Fleet) -> None:
    device = fleet.device("pool")
    first = fleet.gate("box-1")
    fleet.knock(first, device, 1.0, code=first.code(1.0)[0])
    fleet.vehicles[0] = msgspec.structs.replace(fleet.vehicles[0], revoked=True)
    second = fleet.gate("box-2")
    assert reason(fleet.knock(second, device, 3.0, code=second.code(3.0)[0])) == "cloned"


def test_after_a_reboot_the_counters_are_those_of_the_disk(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    gate.beat(device.beat(), 2.0)
    copy = dataclasses.replace(device, last=None)
    rebooted = fleet.gate(known=gate.leases.known)
    assert rebooted.leases.check(device.bearer, 3.0) is None
    assert reason(fleet.knock(rebooted, copy, 3.0)) == "cloned"
    assert isinstance(fleet.knock(rebooted, device, 4.0), Paired)
    assert device.last is not None
    assert device.last.counter == 2


def test_asleep_in_the_middle_of_a_call(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    gate.beat(device.beat(), 4.0)
    assert gate.tick(4.0 + LOST_S - 0.1) == []
    [ended] = gate.tick(4.0 + LOST_S)
    assert (ended.why, ended.lease.device) == ("expired", device.id)
    assert gate.leases.check(device.bearer, 14.5) == "expired"
    assert reason(gate.beat(device.beat(), 15.0)) == "unknown"
    assert isinstance(fleet.knock(gate, device, 600.0), Paired)


def test_a_pool_device_that_slept_for_long_needs_somebody_again(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0, code=gate.code(1.0)[0])
    gate.tick(20.0)
    assert isinstance(fleet.knock(gate, device, 100.0), Paired)
    gate.tick(120.0)
    assert isinstance(fleet.knock(gate, device, 120.0 + VOUCHED_S + 1), Waiting)


def test_a_pool_device_outside_its_vehicle_stays_with_it_for_a_mission(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    assert isinstance(fleet.knock(gate, device, 1.0, outside=True), Waiting)
    fleet.knock(gate, device, 1.0, code=gate.code(1.0)[0])
    gate.tick(20.0)
    assert isinstance(fleet.knock(gate, device, 1000.0), Waiting)
    assert isinstance(fleet.knock(gate, device, 1000.0, outside=True), Paired)
    gate.tick(1020.0)
    late = 1020.0 + OUTSIDE_S + 1
    assert isinstance(fleet.knock(gate, device, late, outside=True), Waiting)


def test_wrong_car_said_at_the_device(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    [ended] = gate.leave(device.bearer, 2.0, wrong_car=True)
    assert ended.why == "wrong-car"
    assert reason(fleet.knock(gate, device, 3.0)) == "wrong-car"
    assert isinstance(fleet.knock(gate, device, 100.0), Waiting)
    assert isinstance(fleet.knock(gate, device, 101.0, code=gate.code(101.0)[0]), Paired)


def test_wrong_car_said_at_the_panel_takes_back_what_was_vouched(fleet: Fleet) -> None:
    device = fleet.device("pool")
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0, code=gate.code(1.0)[0])
    assert [one.why for one in gate.refuse(device.id, 2.0)] == ["wrong-car"]
    assert reason(fleet.knock(gate, device, 3.0)) == "wrong-car"
    assert isinstance(fleet.knock(gate, device, 60.0), Waiting)


def test_leaving_is_no_wrong_car(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    assert [one.why for one in gate.leave(device.bearer, 2.0, wrong_car=False)] == ["left"]
    assert isinstance(fleet.knock(gate, device, 3.0), Paired)


def test_moved_by_the_hub(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    assert gate.move(device.id, 0, 2.0) == []
    assert [one.why for one in gate.move(device.id, 1, 2.0)] == ["elsewhere"]


@pytest.mark.parametrize("why", ["elsewhere", "cloned"])
def test_the_hub_s_word_ends_the_lease_it_was_asked_about_and_no_newer(
    fleet: Fleet, why: Any
) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    (asked_about,) = gate.leases.held
    fleet.knock(gate, device, 2.0)
    assert gate.deny(asked_about, why, 3.0) == []
    (newer,) = gate.leases.held
    assert [one.why for one in gate.deny(newer, why, 3.0)] == [why]
    assert gate.leases.held == []
    assert gate.leases.check(device.bearer, 3.0) == why


@pytest.mark.parametrize(("signal_dbm", "paired"), [(None, True), (-60, True), (-85, False)])
def test_a_weak_signal_vetoes(fleet: Fleet, signal_dbm: int | None, paired: bool) -> None:
    device = fleet.device()
    answer = fleet.knock(fleet.gate(), device, 1.0, signal_dbm=signal_dbm)
    assert isinstance(answer, Paired) if paired else reason(answer) == "far"


def test_a_strong_signal_grants_nothing(fleet: Fleet) -> None:
    device = fleet.device("pool")
    assert isinstance(fleet.knock(fleet.gate(), device, 1.0, signal_dbm=-20), Waiting)


def test_heartbeats(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 0.0)
    first = device.beat()
    assert isinstance(gate.beat(first, 3.0), Beaten)
    assert reason(gate.beat(first, 4.0)) == "signature"
    # A stolen bearer is not renewed by somebody without the key.
    thief = SimDevice(fleet.authority, bearer=device.bearer, box="box-1", number=5)
    assert reason(gate.beat(thief.beat(), 5.0)) == "signature"
    assert [one.why for one in gate.tick(3.0 + LOST_S)] == ["expired"]


def test_a_stolen_bearer_is_soon_worth_nothing(fleet: Fleet) -> None:
    """However long the true device goes on: its heartbeats bring others."""
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 0.0)
    stolen = device.bearer
    for second in range(3, 90, 3):
        beaten = gate.beat(device.beat(), float(second))
        assert isinstance(beaten, Beaten)
        device.hear(beaten)
        gate.tick(float(second))
        assert isinstance(gate.leases.check(device.bearer, second + 0.1), Held)
        assert isinstance(gate.leases.check(stolen, second + 0.1), Held) == (second < 60)
        assert len(gate.leases.held[0].bearers) <= 4


def test_a_bearer_is_over_at_its_second_and_not_when_somebody_looks(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 0.0)
    first = device.bearer
    for second in range(3, 60, 3):
        beaten = gate.beat(device.beat(), float(second))
        assert isinstance(beaten, Beaten)
        device.hear(beaten)
    assert isinstance(gate.leases.check(first, BEARER_S - 0.1), Held)
    assert gate.leases.check(first, BEARER_S) == "expired"
    assert isinstance(gate.leases.check(device.bearer, BEARER_S), Held)


def test_a_bearer_that_got_lost_on_its_way(fleet: Fleet) -> None:
    """The device goes on with the one it has, and is given another."""
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 0.0)
    for second in range(3, 24, 3):
        gate.beat(device.beat(), float(second))
    beaten = gate.beat(device.beat(), 44.0 - 20.0)
    assert isinstance(beaten, Beaten)
    for second in range(27, 57, 3):
        beaten = gate.beat(device.beat(), float(second))
        assert isinstance(beaten, Beaten)
    device.hear(beaten)
    assert isinstance(gate.leases.check(device.bearer, 58.0), Held)


def test_loaded_anew_the_old_bearer_is_worth_nothing(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    fleet.knock(gate, device, 1.0)
    old = device.bearer
    fleet.knock(gate, device, 2.0)
    assert gate.leases.check(old, 2.0) == "replaced"
    assert len(gate.leases.held) == 1


def test_ten_headsets_at_a_depot(fleet: Fleet) -> None:
    """All hear box-1. Two are its own."""
    own = [fleet.device() for _ in range(2)]
    others = [fleet.device(box="box-2") for _ in range(3)]
    pool = [fleet.device("pool") for _ in range(2)]
    gone = fleet.device()
    fleet.devices[gone.id] = msgspec.structs.replace(fleet.devices[gone.id], revoked=True)
    old = fleet.device()
    fleet.devices[old.id] = msgspec.structs.replace(fleet.devices[old.id], expires_utc=1.0)
    strange = fleet.device(listed=False)
    gate = fleet.gate()
    answers = [fleet.knock(gate, one, 1.0) for one in [*own, *others, *pool, gone, old, strange]]
    assert all(isinstance(one, Paired) for one in answers[:2])
    assert [reason(one) for one in answers[2:5]] == ["elsewhere"] * 3
    assert all(isinstance(one, Waiting) for one in answers[5:7])
    assert [reason(one) for one in answers[7:]] == ["revoked", "expired", "unknown"]
    digits = [one.digits for one in answers if isinstance(one, Paired | Waiting)]
    assert len(set(digits)) == 4


def test_the_vehicle_has_room_for_so_many(fleet: Fleet) -> None:
    devices = [fleet.device() for _ in range(9)]
    gate = fleet.gate()
    answers = [fleet.knock(gate, one, 1.0) for one in devices]
    assert reason(answers[-1]) == "full"
    assert isinstance(fleet.knock(gate, devices[0], 2.0), Paired)
