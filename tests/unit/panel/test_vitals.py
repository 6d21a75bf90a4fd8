"""The patient monitors' tile, told the time: nothing old or missing is shown as if it held."""

from typing import Any

import msgspec
import pytest

from edgebox.config import Config
from edgebox.config.vitals import Monitor, Vitals
from edgebox.messages.vitals import MonitorStatus, VitalsNow, VitalsStatus, VitalsStoreStatus
from edgebox.observation import Alarm, Numeric
from edgebox.panel.catalogue import compile_catalogue
from edgebox.panel.state import PanelState
from edgebox.panel.vitals import VitalsView, vitals_view
from edgebox.panel.vitals_words import say_vitals
from edgebox.panel.words import Words
from tests.unit.panel.heard import UTC

STALE_S = 10.0
MONITOR = Monitor(id="m", name="Monitor", kind="hl7", listen="127.0.0.1:2575")


def numeric(**more: Any) -> Numeric:
    fields: dict[str, Any] = {
        "device": "m", "received_utc": UTC, "source_utc": UTC, "code": 147842,
        "name": "MDC_ECG_HEART_RATE", "unit": "/min", "value": 72.0, "validity": "valid",
    } | more  # fmt: skip
    return Numeric(**fields)


def status(**more: Any) -> VitalsStatus:
    fields: dict[str, Any] = {
        "id": "m", "name": "Monitor", "kind": "hl7", "state": "connected", "since_utc": UTC,
        "stale_after_s": STALE_S, "received_utc": UTC,
    } | more  # fmt: skip
    return VitalsStatus(at_utc=UTC, monitors=(MonitorStatus(**fields),))


def view(
    now_utc: float, *numerics: Numeric, alarms: tuple[Alarm, ...] = (), **more: Any
) -> VitalsView:
    board = VitalsNow(at_utc=UTC, numerics=numerics, alarms=alarms)
    found = vitals_view((MONITOR,), status(**more), board, now_utc)
    assert found is not None
    return found


def said(found: VitalsView, now_utc: float = UTC) -> dict[str, Any]:
    text = say_vitals(found, Words("nb", compile_catalogue("nb").gettext), now_utc)
    assert text is not None
    return text


@pytest.mark.parametrize(("age_s", "standing"), [(0, "valid"), (10, "valid"), (10.5, "stale")])
def test_a_value_is_stale_after_the_stated_time(age_s: float, standing: str) -> None:
    found = view(UTC + age_s, numeric())
    assert found.values[0].standing == standing
    assert found.values[0].age_s == int(age_s)
    assert said(found)["values"][0]["now"] == (
        f"gyldig {int(age_s)} s" if standing == "valid" else "GAMMEL 10 s"
    )


def test_what_has_no_value_has_none_on_the_panel() -> None:
    for validity, word in (("invalid", "UGYLDIG"), ("unavailable", "MÅLES IKKE")):
        for age_s in (0, 60):
            cell = said(view(UTC + age_s, numeric(value=None, validity=validity)))["values"][0]
            assert (cell["value"], cell["standing"], cell["now"]) == ("- -", "none", word)


def test_a_cuff_pressure_has_a_time_and_does_not_go_stale() -> None:
    cuff = numeric(name="MDC_PRESS_BLD_NONINV_SYS", unit="mm[Hg]", value=128.0, episodic=True)
    cell = said(view(UTC + 600, cuff))["values"][0]
    assert (cell["standing"], cell["value"], cell["unit"]) == ("valid", "128", "mmHg")
    assert cell["now"].startswith("gyldig ")
    assert ":" in cell["now"]


def test_a_silent_monitor_is_said_in_words_whatever_its_state() -> None:
    text = said(view(UTC + 11, numeric(), state="connected"))
    assert text["trouble"].startswith("Ingen data fra Monitor siden ")
    assert said(view(UTC + 9, numeric()))["trouble"] == ""
    assert "Koblet fra." in said(view(UTC + 1, numeric(), state="gone"))["trouble"]
    never = said(view(UTC, state="waiting", received_utc=0.0))
    assert never["trouble"] == "Ingen data fra Monitor ennå. Ikke koblet til."


def test_one_silent_monitor_does_not_hide_the_values_of_another() -> None:
    other = msgspec.structs.replace(status().monitors[0], id="n", name="Other", state="gone")
    both = VitalsStatus(at_utc=UTC, monitors=(status().monitors[0], other))
    board = VitalsNow(at_utc=UTC, numerics=(numeric(),))
    found = vitals_view((MONITOR,), both, board, UTC)
    assert found is not None
    text = said(found)
    assert not text["silent"]
    assert text["trouble"].startswith("Ingen data fra Other")
    assert said(view(UTC + 11, numeric()))["silent"]


def test_demo_data_a_wrong_clock_and_the_monitors_own_words_are_said() -> None:
    alarm = Alarm(device="m", received_utc=UTC, source_utc=UTC, text="** HR HØY")
    text = said(view(UTC, numeric(validity="demo"), alarms=(alarm,), clock_ahead_s=-3600.0))
    assert text["demo"]
    assert text["values"][0]["standing"] == "demo"
    assert text["alarms"] == ["«** HR HØY»"]
    assert text["clock"] == "Klokken i Monitor går 60 min etter."
    assert said(view(UTC, numeric(), clock_ahead_s=4.0))["clock"] == ""


def test_without_a_monitor_no_tile_and_without_word_no_value() -> None:
    assert vitals_view((), status(), None, UTC) is None
    state = PanelState(Config(vitals=Vitals(monitor=(MONITOR,))), 0.0)
    state.connect_broker(0.0)
    state.receive_vitals(status())
    state.receive_vitals(VitalsNow(at_utc=UTC, numerics=(numeric(),)))
    shown = state.view(0.0, UTC).vitals
    assert shown is not None
    assert len(shown.values) == 1
    state.disconnect_broker(1.0, UTC + 1)
    shown = state.view(1.0, UTC + 1).vitals
    assert shown == VitalsView(known=False)
    assert said(shown)["trouble"] == "Vet ikke hva pasientmonitoren sier nå."


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (VitalsStoreStatus(used_bytes=10, limit_bytes=100), ""),
        (
            VitalsStoreStatus(used_bytes=90, limit_bytes=100),
            "eldste kurver slettes først",
        ),
        (VitalsStoreStatus(dropped_waves=3), "de eldste kurvene er slettet. Tallene er beholdt"),
        (VitalsStoreStatus(dropped_waves=3, dropped_numerics=1), "de eldste tallene er slettet"),
        (VitalsStoreStatus(failed="disk full", dropped_waves=3), "kan ikke lagres"),
    ],
)
def test_what_the_full_store_does_is_said(store: VitalsStoreStatus, words: str) -> None:
    told = msgspec.structs.replace(status(), store=store)
    found = vitals_view((MONITOR,), told, VitalsNow(at_utc=UTC, numerics=(numeric(),)), UTC)
    assert found is not None
    text = said(found)["store"]
    assert words in text
    assert bool(text) == bool(words)


def test_what_two_monitors_measure_says_whose_it_is() -> None:
    other = msgspec.structs.replace(status().monitors[0], id="o", name="Oksymeter")
    both = VitalsStatus(at_utc=UTC, monitors=(*status().monitors, other))
    board = VitalsNow(
        at_utc=UTC,
        numerics=(numeric(), numeric(device="o", value=71.0), numeric(name="MDC_TEMP", unit="Cel")),
    )
    found = vitals_view((MONITOR,), both, board, UTC)
    assert found is not None
    names = [cell["name"].partition(" · ")[2] for cell in said(found)["values"]]
    assert names == ["Monitor", "Oksymeter", ""]


def cuff(part: str, value: float | None, **more: Any) -> Numeric:
    name = f"MDC_PRESS_BLD_NONINV_{part}"
    return numeric(**{"name": name, "unit": "mm[Hg]", "value": value, "episodic": True} | more)


def test_the_parts_of_one_blood_pressure_are_read_together() -> None:
    found = view(UTC, numeric(), cuff("SYS", 128.0), cuff("DIA", 76.0), cuff("MEAN", 93.0))
    cells = said(found)["values"]
    assert [(one["name"], one["value"], one["wide"]) for one in cells] == [
        ("Hjertefrekv.", "72", False),
        ("Blodtrykk", "128/76 (93)", True),
    ]
    without_mean = said(view(UTC, cuff("SYS", 128.0), cuff("DIA", 76.0)))["values"]
    assert [one["value"] for one in without_mean] == ["128/76"]


@pytest.mark.parametrize(
    "diastolic",
    [
        cuff("DIA", 76.0, source_utc=UTC - 300),
        cuff("DIA", 76.0, validity="questionable"),
        cuff("DIA", None, validity="invalid"),
        cuff("DIA", 76.0, device="other"),
        cuff("DIA", 10.1, unit="kPa"),
    ],
    ids=["another time", "not as good", "no value", "another monitor", "another unit"],
)
def test_parts_that_do_not_belong_together_stand_apart(diastolic: Numeric) -> None:
    cells = said(view(UTC, cuff("SYS", 128.0), diastolic))["values"]
    assert cells[0]["value"] == "128"
    assert not any(one["wide"] for one in cells)
