"""A synthetic patient: twelve-lead ECG, plethysmogram, breathing, and values that go with them.

The ECG is a sum of bell curves for P, Q, R, S and T (after McSharry et al., IEEE TBME 50(3), 2003),
with amplitudes for each lead as they are usual. Nothing here comes from a person.
"""

import math
from dataclasses import dataclass

BEAT_POINTS = 1000
_WAVES = ((-0.20, 0.025), (-0.035, 0.010), (0.0, 0.011), (0.035, 0.011), (0.24, 0.045))
"""P, Q, R, S, T: where in seconds from R, and how wide."""
_AMPLITUDES_MV: dict[str, tuple[float, float, float, float, float]] = {
    "I": (0.10, -0.05, 0.80, -0.15, 0.22),
    "II": (0.15, -0.08, 1.20, -0.20, 0.30),
    "V1": (0.06, 0.0, 0.25, -0.90, -0.10),
    "V2": (0.08, 0.0, 0.50, -1.40, 0.45),
    "V3": (0.08, -0.02, 0.90, -0.90, 0.50),
    "V4": (0.09, -0.06, 1.50, -0.50, 0.45),
    "V5": (0.09, -0.08, 1.40, -0.25, 0.35),
    "V6": (0.09, -0.08, 1.10, -0.12, 0.28),
}
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def _beat(amplitudes: tuple[float, ...]) -> list[float]:
    """One beat of 0.8 s in mV, R at a quarter of it."""
    times = [0.8 * n / BEAT_POINTS - 0.25 for n in range(BEAT_POINTS)]
    return [
        sum(
            a * math.exp(-((t - at) ** 2) / (2 * width**2))
            for a, (at, width) in zip(amplitudes, _WAVES, strict=True)
        )
        for t in times
    ]


def _beats() -> dict[str, list[float]]:
    beats = {lead: _beat(amplitudes) for lead, amplitudes in _AMPLITUDES_MV.items()}
    one, two = beats["I"], beats["II"]
    pairs = list(zip(one, two, strict=True))
    beats["III"] = [b - a for a, b in pairs]  # Einthoven
    beats["aVR"] = [-(a + b) / 2 for a, b in pairs]  # Goldberger
    beats["aVL"] = [a - b / 2 for a, b in pairs]
    beats["aVF"] = [b - a / 2 for a, b in pairs]
    return beats


_BEATS = _beats()


@dataclass
class Patient:
    """Values are steady, so that a test can say what must arrive."""

    heart_rate: float = 72.0
    spo2: float = 97.0
    resp_rate: float = 14.0
    systolic: float = 128.0
    diastolic: float = 76.0
    mean: float = 93.0
    temperature: float = 36.8
    etco2: float = 38.0

    def ecg_mv(self, lead: str, at_s: float) -> float:
        """One lead at a time; the same time gives the same value."""
        phase = (at_s * self.heart_rate / 60.0) % 1.0
        return _BEATS[lead][int(phase * BEAT_POINTS)]

    def pleth(self, at_s: float) -> float:
        """0 to 1."""
        phase = (at_s * self.heart_rate / 60.0 - 0.2) % 1.0
        return (
            0.15
            + 0.8 * math.exp(-((phase - 0.25) ** 2) / 0.02)
            + 0.2 * math.exp(-((phase - 0.55) ** 2) / 0.01)
        )

    def breathing(self, at_s: float) -> float:
        """-1 to 1."""
        return math.sin(2 * math.pi * at_s * self.resp_rate / 60.0)

    def co2_mmhg(self, at_s: float) -> float:
        """A capnogram."""
        phase = (at_s * self.resp_rate / 60.0) % 1.0
        return self.etco2 / (1 + math.exp(-(phase - 0.4) * 40)) if phase < 0.95 else 0.0
