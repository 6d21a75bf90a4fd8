"""Versions, links, who uses the box, HTTP answers, what is remembered, what the box's health is."""

from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.config.bond import Link
from edgebox.errors import DeviceError, RemoteProtocolError
from edgebox.host.rauc import Manifest, Slot, parse_manifest, parse_status
from edgebox.messages.bond import BondCounters, BondStatus, LinkStatus
from edgebox.messages.headset import HeadsetStatus
from edgebox.messages.selftest import Finding, Grade, SelfTest
from edgebox.messages.services import ServiceStatus
from edgebox.messages.session import MediaSession
from edgebox.messages.support import SupportSession
from edgebox.messages.update import Release, UpdateOffer, UpdateStatus
from edgebox.update import bundle, memory
from edgebox.update.crew import SETTLE_S, CrewWatch
from edgebox.update.health import Health
from edgebox.update.links import choose
from edgebox.update.memory import Ended, Memory
from edgebox.update.transfer import Wanted
from edgebox.update.version import is_newer, key

NEW = Release(
    sha256="ab" * 32, version="1.1.0", size_bytes=1000, url="https://hub.example.org/update/x"
)

# Versions


def test_versions_in_their_order() -> None:
    order = ["0.1.0", "0.1.0-9-gabcdef0", "0.1.0-10-g0000000", "0.1.1", "0.10.0", "1.0.0"]
    assert sorted(set(order), key=key) == order
    assert not is_newer("1.0.0-4-gaaaaaaa", "1.0.0-4-gbbbbbbb")


@pytest.mark.parametrize(
    "text",
    ["", "1.0", "v1.0.0", "1.0.0 ", "1.0.0\n", "01.0.0", "1.0.0-dirty", "1.0.\uff10"],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        key(text)


@given(st.text())
def test_any_text_is_a_version_or_refused(text: str) -> None:
    try:
        assert is_newer(text, text) is False
    except RemoteProtocolError:
        return


# Links


def a_link(name: str, **other: Any) -> LinkStatus:
    made = LinkStatus(
        name=name, label="", state="up", since_utc=0.0, rtt_ms=20.0, queue_ms=0.0, loss=0.0,
        capacity_bps=1_000_000, sent_bps=0, received_bps=0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **other)


WIFI, LTE, SAT = (Link(name=name, interface=name) for name in ("wifi", "lte", "sat"))
ALL = (WIFI, LTE, SAT)


def picked(*links: LinkStatus, metered: bool = False) -> str:
    choice = choose(ALL, links, metered=metered, missing_bytes=100_000_000)
    return choice.link.name if choice.link is not None else choice.why


def test_only_links_that_cost_nothing_unless_allowed() -> None:
    priced = a_link("sat", price_per_gb=5.0)
    capped = a_link("lte", cap_bytes=1_000_000_000, used_bytes=100_000_000)
    free = a_link("wifi")
    assert picked(priced, capped, free) == "wifi"
    assert picked(priced, capped) == "metered"
    assert picked(priced, capped, metered=True) == "lte"
    assert picked(priced, a_link("lte", cap_bytes=1_000_000_000, used_bytes=450_000_000),
                  metered=True) == "sat"  # fmt: skip
    assert picked(msgspec.structs.replace(free, state="down"), metered=True) == "no-link"
    assert picked(msgspec.structs.replace(priced, use="reserve"), metered=True) == "metered"
    assert picked(a_link("wifi"), a_link("lte", capacity_bps=9_000_000)) == "lte"


# Who uses the box


def session(state: str) -> MediaSession:
    return MediaSession(id="s", state=state, since_utc=0.0, instance="i", cameras=(), sent=())  # type: ignore[arg-type]


def stopped(service: str, state: str = "stopped") -> ServiceStatus:
    return ServiceStatus(service=service, instance="i", state=state, since_utc=0.0)  # type: ignore[arg-type]


def test_nobody_is_sure_until_all_have_had_time_to_speak() -> None:
    crew = CrewWatch(0.0)
    assert crew.look(1000.0) == "unsure"
    crew.connect(1000.0)
    assert crew.look(1000.0 + SETTLE_S - 1) == "unsure"
    assert crew.look(1000.0 + SETTLE_S) == ""
    assert crew.free_s(1000.0 + SETTLE_S + 5) == 5.0


def test_a_mission_outlives_the_broker_and_a_dead_media() -> None:
    crew = CrewWatch(0.0)
    crew.connect(0.0)
    crew.receive(session("live"), 10.0)
    crew.receive(stopped("media"), 11.0)
    assert crew.look(500.0) == "mission"
    crew.disconnect(600.0)
    assert crew.look(600.0) == "mission"
    crew.connect(700.0)
    crew.receive(session("idle"), 701.0)
    assert crew.look(702.0) == "unsure"
    assert crew.look(760.0) == ""
    assert crew.free_s(770.0) == 10.0


def test_technicians_and_headsets_count_while_their_service_lives() -> None:
    crew = CrewWatch(0.0)
    crew.connect(0.0)
    assert crew.look(100.0) == ""
    crew.receive(SupportSession(state="asked"), 101.0)
    assert crew.look(101.0) == "support"
    crew.receive(stopped("support"), 102.0)
    assert crew.look(102.0) == ""
    raw = (
        b'{"type":"HeadsetStatus","headsets":[{"type":"Headset","device":"d","name":"n",'
        b'"digits":"12","since_utc":0,"camera":"c"}]}'
    )
    crew.receive(msgspec.json.decode(raw, type=HeadsetStatus), 103.0)
    assert crew.look(103.0) == "headset"
    crew.receive(HeadsetStatus(), 104.0)
    assert crew.look(104.0) == ""


# HTTP


def part(first: int, last: int, size: int) -> dict[str, str]:
    return {
        "Content-Range": f"bytes {first}-{last}/{size}",
        "Content-Length": str(last - first + 1),
    }


def test_a_part_fits_or_is_refused() -> None:
    wanted = Wanted(400, 1000)
    assert wanted.headers["Range"] == "bytes=400-"
    assert wanted.begin(206, part(400, 999, 1000)) == 400
    assert wanted.begin(200, {"Content-Length": "1000"}) == 0
    for headers in (part(0, 999, 1000), part(400, 998, 1000), part(400, 1000, 1001), {}):
        with pytest.raises(RemoteProtocolError):
            wanted.begin(206, headers)
    with pytest.raises(RemoteProtocolError):
        wanted.begin(200, {"Content-Length": "1001"})
    for status in (301, 403, 404, 416, 429, 503):
        with pytest.raises(DeviceError):
            wanted.begin(status, {})


@given(
    st.integers(),
    st.dictionaries(st.sampled_from(["Content-Range", "Content-Length"]), st.text()),
)
def test_any_answer_is_taken_or_refused(status: int, headers: dict[str, str]) -> None:
    try:
        assert Wanted(400, 1000).begin(status, headers) in {0, 400}
    except (RemoteProtocolError, DeviceError):
        return


# The bundle's own word


@pytest.mark.parametrize(
    ("manifest", "refused"),
    [
        (Manifest("m", "1.1.0"), ""),
        (Manifest("other", "1.1.0"), "compatible"),
        (Manifest("m", "1.0.9"), "version"),
        (Manifest("m", "rubbish"), "version"),
    ],
)
def test_the_signed_manifest_counts(manifest: Manifest, refused: str) -> None:
    assert bundle.judge(manifest, NEW, running="1.0.0", compatible="m") == refused


def test_an_old_bundle_under_a_new_name_is_refused() -> None:
    """The hub lies: it offers 1.1.0 and gives what is signed as 0.9.0, or offers 0.9.0 outright."""
    assert bundle.judge(Manifest("m", "0.9.0"), NEW, running="1.0.0", compatible="m") == "version"
    old = msgspec.structs.replace(NEW, version="0.9.0")
    assert bundle.judge(Manifest("m", "0.9.0"), old, running="1.0.0", compatible="m") == "version"
    same = msgspec.structs.replace(NEW, version="1.0.0")
    assert bundle.judge(Manifest("m", "1.0.0"), same, running="1.0.0", compatible="m") == "version"


@given(st.binary())
def test_any_bytes_of_rauc_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_status, parse_manifest):
        try:
            parse(data)
        except RemoteProtocolError:
            continue


def test_what_rauc_says_of_slots() -> None:
    said = (
        b'{"booted":"b","boot_primary":"rootfs.1","slots":[{"rootfs.0":{"bootname":"a","state":'
        b'"inactive","boot_status":"good"}},{"rootfs.1":{"bootname":"b","state":"booted",'
        b'"boot_status":"bad"}}]}'
    )
    status = parse_status(said)
    assert status.slots[1] == Slot("rootfs.1", "b", True, "bad")
    assert status.confirmed is False
    assert parse_status(b'{"slots":[]}').confirmed is None


# Memory


def test_what_is_remembered_survives_and_damage_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    assert memory.load(path) == Memory()
    ended = Ended(sha256="ab" * 32, turn=1, version="1.1.0", state="refused", reason="signature")
    kept = Memory().end(ended)
    memory.save(path, kept)
    assert memory.load(path) == kept
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert memory.load(path) == Memory()


def test_old_ends_are_forgotten() -> None:
    kept = Memory()
    for number in range(50):
        sha = f"{number:064x}"
        kept = kept.end(Ended(sha256=sha, turn=1, version="1.0.0", state="failed"))
    assert len(kept.ended) == memory.ENDED_MAX
    assert kept.ended[-1].sha256.endswith("31")


# Health


def a_test(
    grade: Grade, started_utc: float, state: Literal["running", "done"] = "done"
) -> SelfTest:
    return SelfTest(
        id="t",
        state=state,
        reason="boot",
        started_utc=started_utc,
        finished_utc=started_utc + 5,
        findings=(Finding(check="bond", grade=grade, code="bond.down", at_utc=0.0),),
    )


def test_a_self_test_of_before_the_boot_says_nothing() -> None:
    health = Health()
    assert health.faults(1000.0, 100.0) is None
    health.receive_test(a_test("fault", 800.0))
    assert health.faults(1000.0, 100.0) is None
    health.receive_test(a_test("fault", 950.0, "running"))
    assert health.faults(1000.0, 100.0) is None
    health.receive_test(a_test("fault", 950.0))
    assert health.faults(1000.0, 100.0) == ("bond.down ",)
    health.receive_test(a_test("attention", 960.0))
    assert health.faults(1000.0, 100.0) == ()
    assert health.test_age_s(1000.0) == 35.0


def test_the_bond_is_up_as_long_as_it_says_so() -> None:
    up = BondStatus(
        at_utc=0.0, state="up", since_utc=0.0, links=(), capacity_bps=0, target_bps=0,
        rtt_ms=None, redundancy=0.0, counters=BondCounters(),
    )  # fmt: skip
    health = Health()
    assert health.bond_up_s(10.0) == 0.0
    for at in range(10, 31):
        health.receive_bond(up, float(at))
    assert health.bond_up_s(30.0) == 20.0
    assert health.bond_up_s(33.0) == 0.0
    assert health.bond(33.0) is None
    health.receive_bond(up, 40.0)
    assert health.bond_up_s(41.0) == 1.0
    health.receive_bond(msgspec.structs.replace(up, state="down"), 41.0)
    assert health.bond_up_s(41.0) == 0.0


# Messages from outside

FIELDS = st.dictionaries(
    st.sampled_from(["type", "release", "sha256", "version", "size_bytes", "url", "turn", "state"]),
    st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.text()),
)


@given(FIELDS)
def test_any_json_is_a_message_or_refused(said: dict[str, Any]) -> None:
    data = msgspec.json.encode(said)
    for kind in (UpdateOffer, UpdateStatus, Release):
        try:
            msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            continue


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://evil.example.org/x"),
        ("url", "file:///etc/shadow"),
        ("url", "https://a\n"),
        ("sha256", "../../etc/passwd"),
        ("size_bytes", 0),
        ("size_bytes", 2**40),
        ("version", "1.0.0/../.."),
        ("turn", 0),
    ],
)
def test_an_offer_that_is_none_is_not_taken(field: str, value: object) -> None:
    said = {**msgspec.to_builtins(NEW), field: value}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "UpdateOffer", "release": said}, UpdateOffer)
