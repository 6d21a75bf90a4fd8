"""The requests below /pair/: limits, floods, refusals, and what is kept on the disk."""

import logging
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.headset.pair_api import (
    BURST,
    ENROLMENTS_BURST,
    OUTSIDE,
    STEPS,
    STRANGERS_BURST,
    EnrolledHere,
    PairApi,
)
from edgebox.headset.pair_state import PairState
from edgebox.messages.base import Fault
from edgebox.messages.pairing import Enrol, Enrolled
from edgebox.pairing import keys
from edgebox.pairing.gate import Admission, Gate
from edgebox.pairing.lease import Known
from edgebox.pairing.wire import (
    Beat,
    Beaten,
    Challenge,
    End,
    Hello,
    Paired,
    Prove,
    Refused,
    Waiting,
)
from tests.unit.pairing.fleet import Fleet


class Desk:
    """A gate without bus or disk."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.enrolled: Enrolled | Fault = Enrolled(name="Headset 3")

    async def admit(
        self, prove: Prove, *, outside: bool, address: str
    ) -> Paired | Waiting | Refused:
        found = self.gate.prove(prove, time.monotonic(), time.time(), outside=outside)
        if not isinstance(found, Admission):
            return found
        return self.gate.grant(found, time.monotonic(), time.time())[0]

    async def beat(self, beat: Beat) -> Beaten | Refused:
        return self.gate.beat(beat, time.monotonic())

    def leave(self, end: End) -> None:
        self.gate.leave(end.bearer, time.monotonic(), wrong_car=end.wrong_car)

    async def enrol(self, enrol: Enrol) -> Enrolled | Fault:
        return self.enrolled


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = Fleet(tmp_path)
    made.utc = time.time()
    return made


def api(fleet: Fleet) -> tuple[PairApi, Desk]:
    """With the registry of now."""
    desk = Desk(fleet.gate())
    return PairApi(desk, keys.encode(fleet.authority.der)), desk


def stranger(number: int) -> bytes:
    """A hello of a device nobody knows."""
    return msgspec.json.encode(Hello(device=f"{number:032x}", nonce=keys.encode(bytes(32))))


async def test_the_whole_way(fleet: Fleet) -> None:
    device = fleet.device()
    pair, _ = api(fleet)
    hello = device.hello()
    status, body = await pair.answer("hello", msgspec.json.encode(hello), "10.0.0.2")
    assert status == 200
    challenge = msgspec.json.decode(body, type=Challenge)
    said = msgspec.json.encode(device.prove(hello, challenge, time.time()))
    status, body = await pair.answer("prove", said, "10.0.0.2")
    assert status == 200
    device.take(msgspec.json.decode(body, type=Paired))
    beat = msgspec.json.encode(device.beat())
    assert (await pair.answer("heartbeat", beat, "10.0.0.2"))[0] == 200
    assert (await pair.answer("heartbeat", beat, "10.0.0.2"))[0] == 401
    assert (await pair.answer("prove", said, "10.0.0.2"))[0] == 403
    end = msgspec.json.encode(End(box="box-1", bearer=device.bearer))
    assert (await pair.answer("end", end, "10.0.0.2"))[0] == 204
    assert (await pair.answer("nonsense", b"{}", "10.0.0.2"))[0] == 404


async def test_a_flood_of_strangers_leaves_room_for_the_vehicle_s_own(fleet: Fleet) -> None:
    """From a thousand addresses: all that are not enrolled share one allowance."""
    device = fleet.device()
    pair, desk = api(fleet)
    statuses = [
        (await pair.answer("hello", stranger(number), f"10.0.{number % 250}.{number // 250}"))[0]
        for number in range(1000)
    ]
    assert statuses.count(200) <= STRANGERS_BURST + 20
    hello = msgspec.json.encode(device.hello())
    assert (await pair.answer("hello", hello, "10.0.0.254"))[0] == 200
    # Nothing is remembered of any of them.
    assert desk.gate._challenger._spent == {}
    assert desk.gate._cards.shown(time.monotonic()) == []


async def test_one_address_has_its_share(fleet: Fleet) -> None:
    device = fleet.device()
    pair, _ = api(fleet)
    hello = msgspec.json.encode(device.hello())
    statuses = [(await pair.answer("hello", hello, "10.0.0.2"))[0] for _ in range(100)]
    assert BURST - 1 <= statuses.count(200) <= BURST + 5
    assert (await pair.answer("hello", hello, "10.0.0.3"))[0] == 200
    assert (await pair.answer("hello", hello, OUTSIDE))[0] == 200


async def test_good_proofs_are_remembered_for_a_while_only(fleet: Fleet) -> None:
    device = fleet.device()
    gate = fleet.gate()
    for second in range(100):
        fleet.knock(gate, device, float(second))
    assert len(gate._challenger._spent) <= 21


@given(body=st.binary(max_size=200), step=st.sampled_from(STEPS))
async def test_any_body(body: bytes, step: str, shared: tuple[PairApi, Desk]) -> None:
    status, _ = await shared[0].answer(step, body, f"10.0.0.{time.monotonic_ns() % 997}")
    assert status in {400, 429}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[PairApi, Desk]:
    """One for all examples."""
    return api(Fleet(tmp_path_factory.mktemp("fleet")))


async def test_a_refusal_is_logged_once_and_without_names(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    device = fleet.device(box="box-2")
    pair, _ = api(fleet)
    caplog.set_level(logging.INFO)
    for _ in range(5):
        hello = device.hello()
        _, body = await pair.answer("hello", msgspec.json.encode(hello), "10.0.0.2")
        challenge = msgspec.json.decode(body, type=Challenge)
        said = device.prove(hello, challenge, time.time())
        assert (await pair.answer("prove", msgspec.json.encode(said), "10.0.0.2"))[0] == 403
    assert caplog.messages == [f"device {device.id} refused: elsewhere"]


@pytest.mark.parametrize(
    ("reason", "status", "said"),
    [("refused", 403, "ticket"), ("timeout", 503, "offline"), ("unreachable", 503, "offline")],
)
async def test_enrolment_that_fails(fleet: Fleet, reason: str, status: int, said: str) -> None:
    pair, desk = api(fleet)
    desk.enrolled = Fault(reason=reason)  # type: ignore[arg-type]
    asked = msgspec.json.encode(Enrol(ticket="t" * 22, key="", signature=""))
    found, body = await pair.answer("enrol", asked, "10.0.0.2")
    assert (found, msgspec.json.decode(body)["reason"]) == (status, said)


async def test_guesses_of_codes_are_few(fleet: Fleet) -> None:
    """From however many addresses."""
    pair, _ = api(fleet)
    asked = msgspec.json.encode(Enrol(ticket="t" * 22, key="", signature=""))
    found = [(await pair.answer("enrol", asked, f"10.0.0.{number}"))[0] for number in range(7)]
    assert found == [200] * int(ENROLMENTS_BURST) + [429] * (7 - int(ENROLMENTS_BURST))


async def test_an_enrolled_device_is_told_whom_to_believe(fleet: Fleet) -> None:
    pair, _ = api(fleet)
    asked = msgspec.json.encode(Enrol(ticket="t" * 22, key="", signature=""))
    status, body = await pair.answer("enrol", asked, "10.0.0.2")
    told = msgspec.json.decode(body, type=EnrolledHere)
    assert (status, keys.decode(told.authority)) == (200, fleet.authority.der)


async def test_what_is_kept_is_there_again(fleet: Fleet, tmp_path: Path) -> None:
    signed = fleet.registry()
    state = PairState(tmp_path / "state")
    assert (state.registry(), state.counters()) == (None, {})
    await state.keep_registry(signed)
    await state.keep_counters({"a" * 32: Known(7, confirmed=False)})
    again = PairState(tmp_path / "state")
    assert again.registry() == signed
    assert again.counters() == {"a" * 32: Known(7, confirmed=False)}
    assert sorted(one.name for one in (tmp_path / "state").iterdir()) == [
        "counters.json",
        "registry.json",
    ]


@pytest.mark.parametrize("damage", [b"", b"[" * 5000, b'{"a": "\xff"}', b"\x00" * 100])
def test_damaged_files_are_as_none(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("registry.json", "counters.json"):
        (tmp_path / name).write_bytes(damage)
    state = PairState(tmp_path)
    assert (state.registry(), state.counters()) == (None, {})
    assert len(caplog.messages) == 2


async def test_a_disk_that_takes_nothing_keeps_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    await PairState(tmp_path / "state").keep_counters({})
    assert "cannot be written" in caplog.text
