"""From the objects of sdc11073 to the plain structs of monitors/sdc.py. No I/O.

The library changes a state's object in place with the next report: what is needed is taken out of
it in the thread that brings it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from sdc11073.xml_types import pm_qnames

from edgebox.vitals.monitors.sdc import Code, Condition, Metric, Quality

NUMERIC = pm_qnames.NumericMetricState
SAMPLES = pm_qnames.RealTimeSampleArrayMetricState
CONDITIONS = (pm_qnames.AlertConditionState, pm_qnames.LimitAlertConditionState)


class Value(Struct, frozen=True):
    """A numeric metric's state."""

    handle: str
    value: float | None
    quality: Quality


class Samples(Struct, frozen=True):
    """A real-time sample array's state."""

    handle: str
    samples: tuple[float, ...]
    quality: Quality


class Presence(Struct, frozen=True):
    """An alert condition's state."""

    handle: str
    present: bool
    since_utc: float | None


State = Value | Samples | Presence


def states_of(containers: Iterable[Any]) -> Iterator[State]:
    """What is measured and what alarms, out of state containers; the others are left out."""
    for one in containers:
        kind = one.NODETYPE
        if kind == NUMERIC:
            value = one.MetricValue.Value if one.MetricValue is not None else None
            number = None if value is None else float(value)
            yield Value(one.DescriptorHandle, number, _quality(one))
        elif kind == SAMPLES and one.MetricValue is not None:
            samples = tuple(float(sample) for sample in one.MetricValue.Samples or ())
            yield Samples(one.DescriptorHandle, samples, _quality(one))
        elif kind in CONDITIONS:
            present = bool(one.Presence) and one.ActivationState == "On"
            yield Presence(one.DescriptorHandle, present, one.DeterminationTime)


def metrics_of(descriptors: Iterable[Any]) -> list[Metric]:
    """The metrics among descriptor containers."""
    numeric, samples = (
        pm_qnames.NumericMetricDescriptor,
        pm_qnames.RealTimeSampleArrayMetricDescriptor,
    )
    return [
        Metric(
            handle=one.Handle,
            type=_code(one.Type),
            unit=_code(one.Unit),
            intermittent=one.MetricAvailability == "Intr",
            period_s=float(one.SamplePeriod or 0.0) if samples == one.NODETYPE else 0.0,
        )
        for one in descriptors
        if one.NODETYPE in (numeric, samples)
    ]


def conditions_of(descriptors: Iterable[Any]) -> dict[str, Condition]:
    """The alert conditions among descriptor containers, by handle."""
    kinds = (pm_qnames.AlertConditionDescriptor, pm_qnames.LimitAlertConditionDescriptor)
    return {
        one.Handle: Condition(
            handle=one.Handle,
            type=_code(one.Type),
            priority=str(one.Priority or ""),
            source=next(iter(one.Source), "") if one.Source else "",
        )
        for one in descriptors
        if one.NODETYPE in kinds
    }


def _code(coded: Any) -> Code:
    if coded is None:
        return Code()
    texts = [text.text or "" for text in coded.ConceptDescription or ()]
    return Code(str(coded.Code or ""), str(coded.CodingSystem or ""), texts[0] if texts else "")


def _quality(state: Any) -> Quality:
    value = state.MetricValue
    active = state.ActivationState in (None, "On")
    if value is None:
        return Quality("NA", active=active)
    quality = value.MetricQuality
    return Quality(
        validity=str(quality.Validity or ""),
        mode=str(quality.Mode or "Real"),
        active=active,
        determined_utc=value.DeterminationTime,
    )
