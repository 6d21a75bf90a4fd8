"""The tile of the patient monitors: what stands, what is old, what is not there. Pure.

Relayed, never judged: no value here is compared with anything but the clock.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from edgebox.config.vitals import Monitor
from edgebox.messages.vitals import MonitorStatus, VitalsNow, VitalsStatus, VitalsStoreStatus
from edgebox.observation import Numeric, Validity

CLOCK_WRONG_S = 5.0
"""A monitor's clock that is further off is said."""
NOT_OF_A_PATIENT = frozenset({"demo", "test"})
FIRST = (
    "MDC_ECG_HEART_RATE",
    "MDC_ECG_CARD_BEAT_RATE",
    "MDC_PULS_OXIM_SAT_O2",
    "MDC_PRESS_BLD_NONINV_SYS",
    "MDC_PRESS_BLD_NONINV_DIA",
    "MDC_PRESS_BLD_NONINV_MEAN",
    "MDC_TTHOR_RESP_RATE",
    "MDC_RESP_RATE",
    "MDC_AWAY_RESP_RATE",
    "MDC_AWAY_CO2_ET",
    "MDC_TEMP",
    "MDC_PULS_OXIM_PULS_RATE",
)
PRESSURES = ("MDC_PRESS_BLD_NONINV", "MDC_PRESS_BLD_ART", "MDC_PRESS_BLD_ART_ABP")
"""Their parts, `..._SYS`, `..._DIA` and `..._MEAN`, are read together."""
Standing = Validity | Literal["stale"]
Storing = Literal["fine", "filling", "dropping-waves", "dropping-values", "failed"]
FILLING_SHARE = 0.8
"""Of the store's limit: what will go first is said before it does."""


class ValueView(Struct, frozen=True, kw_only=True):
    """One value at this moment; `value` is None where the monitor gives none."""

    name: str
    label: str
    unit: str
    value: float | None
    diastolic: float | None = None
    """With a blood pressure's parts in one: `value` is the systolic one."""
    mean: float | None = None
    standing: Standing
    age_s: int
    source: str = ""
    """The monitor, where another one measures the same."""
    measured_utc: float | None = None
    """Of a value measured once: when, by the monitor's clock, else when it came."""


class MonitorView(Struct, frozen=True, kw_only=True):
    """One monitor. `silent`: nothing came for longer than its values hold."""

    name: str
    state: str
    silent: bool
    last_utc: float | None
    demo: bool
    clock_ahead_s: int | None
    """None: right, or it says no time."""


class VitalsView(Struct, frozen=True, kw_only=True):
    """All of it."""

    known: bool
    """False while the vitals service has not said anything."""
    monitors: tuple[MonitorView, ...] = ()
    values: tuple[ValueView, ...] = ()
    alarms: tuple[str, ...] = ()
    """The monitors' own words, newest first."""
    storing: Storing = "fine"
    """How the box keeps what the hub does not have yet."""


def vitals_view(
    configured: Iterable[Monitor],
    status: VitalsStatus | None,
    board: VitalsNow | None,
    now_utc: float,
) -> VitalsView | None:
    """What the tile shows at this moment; None without a monitor in the configuration."""
    if not tuple(configured):
        return None
    if status is None:
        return VitalsView(known=False)
    numerics = board.numerics if board is not None else ()
    known = {one.id: one for one in status.monitors}
    numerics = tuple(sorted((one for one in numerics if one.device in known), key=_place))
    repeated = _repeated(numerics)
    return VitalsView(
        known=True,
        monitors=tuple(_monitor(one, numerics, now_utc) for one in status.monitors),
        values=tuple(
            _value(parts, known[parts[0].device], now_utc, named=parts[0].name in repeated)
            for parts in _together(numerics)
        ),
        alarms=tuple(one.text for one in board.alarms) if board is not None else (),
        storing=_storing(status.store),
    )


def _storing(store: VitalsStoreStatus) -> Storing:
    if store.failed:
        return "failed"
    if store.dropped_numerics:
        return "dropping-values"
    if store.dropped_waves:
        return "dropping-waves"
    full = store.limit_bytes and store.used_bytes >= FILLING_SHARE * store.limit_bytes
    return "filling" if full else "fine"


def _repeated(numerics: tuple[Numeric, ...]) -> frozenset[str]:
    """Names of what more than one monitor measures."""
    sources: dict[str, set[str]] = {}
    for one in numerics:
        sources.setdefault(one.name, set()).add(one.device)
    return frozenset(name for name, devices in sources.items() if len(devices) > 1)


def _monitor(status: MonitorStatus, numerics: tuple[Numeric, ...], now_utc: float) -> MonitorView:
    own = [one for one in numerics if one.device == status.id]
    last_utc = max([status.received_utc, *(one.received_utc for one in own)])
    ahead_s = status.clock_ahead_s
    wrong = ahead_s is not None and abs(ahead_s) >= CLOCK_WRONG_S
    return MonitorView(
        name=status.name,
        state=status.state,
        silent=now_utc - last_utc > status.stale_after_s or status.state != "connected",
        last_utc=last_utc or None,
        demo=status.demo or any(one.validity in NOT_OF_A_PATIENT for one in own),
        clock_ahead_s=round(ahead_s) if wrong and ahead_s is not None else None,
    )


def _together(numerics: tuple[Numeric, ...]) -> Iterator[tuple[Numeric, ...]]:
    """Each alone, but of one measurement systolic, diastolic and, if it is there, mean pressure."""
    found = {(one.name, *_measurement(one)): one for one in numerics if one.value is not None}
    for one in numerics:
        family, _, part = one.name.rpartition("_")
        names = (f"{family}_{end}" for end in ("SYS", "DIA", "MEAN"))
        systolic, diastolic, mean = (found.get((name, *_measurement(one))) for name in names)
        if family not in PRESSURES or one.value is None or not (systolic and diastolic):
            yield (one,)
        elif part == "SYS":
            yield (one, diastolic, mean) if mean else (one, diastolic)


def _measurement(one: Numeric) -> tuple[object, ...]:
    """The same for what was measured at once, and is as good."""
    return one.device, one.channel, one.unit, one.validity, one.received_utc, one.source_utc


def _value(
    parts: tuple[Numeric, ...], monitor: MonitorStatus, now_utc: float, *, named: bool
) -> ValueView:
    one, *others = parts
    old = now_utc - one.received_utc > monitor.stale_after_s and not one.episodic
    measured_utc = one.received_utc if one.source_utc is None else one.source_utc
    return ValueView(
        name=one.name.removesuffix("_SYS") if others else one.name,
        label=one.label,
        unit=one.unit,
        value=one.value,
        diastolic=others[0].value if others else None,
        mean=others[1].value if len(others) > 1 else None,
        standing="stale" if old and one.value is not None else one.validity,
        # Whole seconds of the clock: all ages change at the same moment.
        age_s=max(0, int(now_utc) - int(one.received_utc)),
        source=monitor.name if named else "",
        measured_utc=measured_utc if one.episodic else None,
    )


def _place(one: Numeric) -> tuple[int, str, str]:
    first = FIRST.index(one.name) if one.name in FIRST else len(FIRST)
    return first, one.name, one.channel
