"""One measurement of an IntelliVue: what is known of it besides its values. No I/O."""

from dataclasses import dataclass, field

from edgebox.observation import Validity, clean, worst
from edgebox.vitals.monitors import intellivue_wire as wire

VENDOR_PARTITION = 0x0402
"""Physiological ids from F000 on are Philips' own."""
SAMPLE_SPEC, SCALE_RANGE, SAMPLE_PERIOD, FIXED_VALUES = 0x096D, 0x096F, 0x098D, 0x0A16
UNIT, LABEL, LABEL_TEXT, METRIC_SPEC = 0x0996, 0x0924, 0x0927, 0x093F
KEPT = frozenset(
    {SAMPLE_SPEC, SCALE_RANGE, SAMPLE_PERIOD, FIXED_VALUES, UNIT, LABEL, LABEL_TEXT, METRIC_SPEC}
)
"""Attributes that hold until they are said anew."""

_STATES: tuple[tuple[int, Validity], ...] = (
    (0x8000, "invalid"),
    (0x4000, "questionable"),
    (0x2000, "unavailable"),
    (0x1000, "calibrating"),
    (0x0800, "test"),
    (0x0400, "demo"),
    (0x0040, "questionable"),
)
"""MeasurementState; 0040 is an early indication."""


@dataclass
class Measurement:
    """What is known of one measurement besides its values: it is not sent with each."""

    attributes: dict[int, bytes] = field(default_factory=dict)
    ticks: int | None = None
    """Of the last block of samples."""
    following: int = 0
    """Number of the next sample."""

    @property
    def label(self) -> str:
        """What the monitor itself calls it."""
        text = self.attributes.get(LABEL_TEXT)
        return clean(wire.to_text(text)) if text else ""


def code_of(physio: int) -> int:
    """ISO/IEEE 11073 code of a physiological id."""
    return (VENDOR_PARTITION << 16) + physio if physio >= 0xF000 else 0x20000 + physio


def validity_of(state: int) -> Validity:
    """Of a MeasurementState."""
    return worst(validity for bit, validity in _STATES if state & bit)
