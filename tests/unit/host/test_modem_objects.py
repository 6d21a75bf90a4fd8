"""What ModemManager's properties say of a modem."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.host.modem_objects import MESSAGING, MODEM, MODEM_3GPP, ModemObjects
from edgebox.messages.vehicle import Modem

PATH = "/org/freedesktop/ModemManager1/Modem/0"


def properties(**change: Any) -> dict[str, Any]:
    """A Sierra EM9191 on 5G NSA, as ModemManager 1.20 exports it."""
    return {
        "State": 11,
        "StateFailedReason": 0,
        "UnlockRequired": 3,
        "Ports": [["cdc-wdm0", 6], ["ttyUSB0", 3], ["wwan0", 2]],
        "AccessTechnologies": 1 << 14 | 1 << 15,
        "SignalQuality": [71, True],
    } | change


def network(**change: Any) -> dict[str, Any]:
    return {"OperatorName": "Telenor", "OperatorCode": "24201", "RegistrationState": 1} | change


def modem(*, three_gpp: dict[str, Any] | None = None, **change: Any) -> Modem:
    objects = ModemObjects()
    interfaces = {MODEM: properties(**change), MODEM_3GPP: three_gpp or network()}
    objects.replace({PATH: interfaces})
    (one,) = objects.modems()
    return one


def test_connected_modem() -> None:
    assert modem() == Modem(
        interface="wwan0", state="connected", operator="Telenor", generation="5G", signal=71
    )


@pytest.mark.parametrize(
    ("bits", "generation"),
    [
        (1 << 1, "2G"),
        (1 << 3 | 1 << 4, "2G"),
        (1 << 5, "3G"),
        (1 << 9, "3G"),
        (1 << 14, "4G"),
        (1 << 16, "4G"),
        (1 << 17, "4G"),
        (1 << 15, "5G"),
        (1 << 5 | 1 << 14, "4G"),
        (0, ""),
        (1 << 0, ""),
    ],
)
def test_generation_is_the_newest_in_use(bits: int, generation: str) -> None:
    assert modem(AccessTechnologies=bits).generation == generation


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (-1, "failed"), (0, "searching"), (1, "searching"), (2, "locked"), (3, "off"), (4, "off"),
        (5, "searching"), (6, "searching"), (7, "searching"), (8, "registered"),
        (9, "registered"), (10, "registered"), (11, "connected"),
    ],
)  # fmt: skip
def test_states(state: int, said: str) -> None:
    assert modem(State=state).state == said


def test_what_is_not_on_air_has_no_operator_and_no_signal() -> None:
    one = modem(State=7)
    assert (one.operator, one.generation, one.signal) == ("", "", None)


def test_old_signal_is_not_shown() -> None:
    assert modem(SignalQuality=[71, False]).signal is None


def test_detail_is_for_the_technician() -> None:
    assert modem(State=2, UnlockRequired=2).detail == "SIM PIN"
    assert modem(State=2, UnlockRequired=4).detail == "SIM PUK"
    assert modem(State=-1, StateFailedReason=2).detail == "no SIM card"
    assert modem(State=7, three_gpp=network(RegistrationState=3)).detail == "registration denied"
    assert modem(State=11, UnlockRequired=3).detail == "", "PIN2 locks nothing we need"


def test_objects_come_change_and_go() -> None:
    objects = ModemObjects()
    objects.add(PATH, {MODEM: properties(State=8), MODEM_3GPP: network()})
    objects.add(PATH, {MESSAGING: {}})
    objects.change(PATH, MODEM, {"State": 11})
    objects.change(PATH, "org.example.Unknown", {"State": 3})
    objects.change("/nowhere", MODEM, {"State": 3})
    assert [one.state for one in objects.modems()] == ["connected"]
    assert objects.sender() == PATH
    objects.change(PATH, MODEM, {"State": 3})
    assert objects.sender() is None
    objects.remove(PATH, [MESSAGING])
    objects.remove(PATH, [MODEM, MODEM_3GPP])
    objects.remove(PATH, [MODEM])
    assert objects.modems() == ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
NAMES = ["State", "Ports", "AccessTechnologies", "SignalQuality", "StateFailedReason",
         "UnlockRequired", "OperatorName", "RegistrationState"]  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_values_make_a_modem(values: dict[str, Any]) -> None:
    objects = ModemObjects()
    objects.replace({PATH: {MODEM: values, MODEM_3GPP: values}})
    (one,) = objects.modems()
    assert one.signal is None or 0 <= one.signal <= 100
