"""Each check's judge: good is called good, each fault by its name, what is not there neither."""

import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.support_selftest import healthy
from edgebox.errors import RemoteProtocolError
from edgebox.host.rauc import parse_status
from edgebox.messages.session import SoundStatus
from edgebox.support.checks import (
    CHECKS,
    bond,
    camera,
    certificate,
    clock,
    disk_health,
    gnss,
    headset,
    hub,
    link,
    modem,
    monitor,
    power,
    service,
    sound,
    temperature,
    turn,
    unit,
    update,
)
from edgebox.support.checks.check import Check
from tests.unit.panel import health_names
from tests.unit.support.facts import FAULTS, HEALTHY, NOW, a_camera, a_monitor, services

BY_NAME: dict[str, Check[Any]] = {check.name: check for check in CHECKS}
RUNS = 1000


def found(check: str, facts: Any, now_utc: float = NOW) -> dict[str, str]:
    one = BY_NAME[check]
    return {
        finding.code: finding.grade
        for finding in (one.finding(verdict, now_utc) for verdict in one.judge(facts, now_utc))
    }


def test_every_check_has_a_healthy_box() -> None:
    assert set(HEALTHY) == set(BY_NAME)


@pytest.mark.parametrize("check", HEALTHY)
def test_healthy_is_good(check: str) -> None:
    grades = set(found(check, HEALTHY[check]).values())
    assert "good" in grades
    assert grades <= {"good", "untested"}


@pytest.mark.parametrize(("grade", "code", "facts"), FAULTS, ids=[one[1] for one in FAULTS])
def test_each_fault_is_found_by_its_check(grade: str, code: str, facts: Any) -> None:
    assert found(code.partition(".")[0], facts).get(code) == grade


def test_a_clock_without_a_battery_is_found() -> None:
    assert found("clock", HEALTHY["clock"], 86_400.0) == {"clock.reset": "fault"}


def test_every_code_people_are_told_of_was_found_once() -> None:
    told = set(health_names.codes())
    missed = told - {code for _, code, _ in FAULTS} - {"clock.reset"}
    kinds = {code for code in missed if code.startswith(("camera.", "sound."))}
    assert missed == kinds, "and of those only the other kinds of plugs"


NOT_HERE: tuple[tuple[str, Any], ...] = (
    ("power", power.Facts(None, None)),
    ("temperature", temperature.Facts(())),
    ("disk-health", disk_health.Facts()),
    ("clock", clock.Facts(None, "", None)),
    ("update", update.Facts(None)),
    ("unit", unit.Facts(None, {})),
    ("service", service.Facts(False, {})),
    ("certificate", certificate.Facts("b", ())),
    ("certificate", certificate.Facts("b", (certificate.Paper("device", problem="gone"),))),
    ("modem", modem.Facts(None, {"eth0": "WAN"})),
    ("modem", modem.Facts(None, {"wwan0": "Telenor"})),
    ("link", link.Facts(None)),
    ("bond", bond.Facts(False, None)),
    ("bond", bond.Facts(True, None, enrolled=False)),
    ("turn", turn.Facts("down", "asking", 0, 3.0, False, "127.0.0.1:3478")),
    ("turn", turn.Facts("up", "challenged", 401, 0.1, False, "127.0.0.1:3478")),
    ("hub", hub.Facts(True, False, "down", None)),
    ("hub", hub.Facts(True, False, "unknown", None, enrolled=False)),
    ("camera", camera.Facts(None, {})),
    ("camera", camera.Facts((a_camera(state="starting", since_utc=NOW - 3),), {})),
    ("sound", sound.Facts(None)),
    ("sound", sound.Facts(SoundStatus())),
    ("monitor", monitor.Facts(None, 1, {})),
    ("monitor", monitor.Facts(None, 0, {})),
    ("headset", headset.Facts(configured=False)),
    ("gnss", gnss.Facts(configured=False)),
    ("gnss", gnss.Facts(True, 1, 4, 1, 0, 0)),
    ("gnss", gnss.Facts(True, 1, 4, 1, 9, 2)),
)


@pytest.mark.parametrize(("check", "facts"), NOT_HERE)
def test_what_is_not_there_or_not_tried_is_neither_good_nor_bad(check: str, facts: Any) -> None:
    assert set(found(check, facts).values()) == {"untested"}


def test_a_bond_that_waits_for_an_identity_is_no_fault() -> None:
    heard = replace(services(bond="never"), enrolled=False)
    assert set(found("service", heard)) == {"good"}


def test_a_monitor_that_is_switched_off_is_no_fault() -> None:
    codes = found("monitor", monitor.Facts(a_monitor(state="gone"), 1, {}))
    assert codes == {"monitor.off": "untested", "good": "good"}


def test_no_false_alarm_in_a_thousand_healthy_boxes() -> None:
    rng = random.Random(7)
    for _ in range(RUNS):
        for check, facts in healthy(rng).items():
            wrong = {c: g for c, g in found(check, facts).items() if g in {"fault", "attention"}}
            assert not wrong, f"{wrong}: {facts}"


@given(st.text())
def test_any_text_of_the_firmware_is_read_or_refused(text: str) -> None:
    try:
        power.parse_throttled(text)
    except RemoteProtocolError:
        return


@given(st.binary())
def test_any_bytes_of_programs_are_read_or_refused(data: bytes) -> None:
    disk_health.parse_smart("sda", data)
    gnss.parse_reports([data])
    unit.parse_restarts(data.decode(errors="replace"))
    disk_health.parse_mounts(data.decode(errors="replace"))
    try:
        parse_status(data)
    except RemoteProtocolError:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["slots", "boot_primary", "class", "devices"]), JSON))
def test_any_json_of_programs_is_read(said: dict[str, Any]) -> None:
    data = msgspec.json.encode(said)
    parse_status(data)
    gnss.parse_reports([data])
    disk_health.parse_smart("sda", data)
