"""Waves in HL7 v2: OBX of type NA with their facets (IHE WCM); what OBX says of validity."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from edgebox.errors import RemoteProtocolError
from edgebox.observation import SAMPLES_MAX, Validity, Wave, clean, pack_samples, worst
from edgebox.vitals import nomenclature
from edgebox.vitals.monitors.hl7_message import Obx, number, read_time, whole
from edgebox.vitals.monitors.samples import GAP_SAMPLE, Numbering, to_whole

VALIDITY_OF_FLAG: dict[str, Validity] = {
    "INV": "invalid",
    "NAV": "unavailable",
    "OFF": "unavailable",
    "QUES": "questionable",
    "EARLY": "questionable",
    "CALB": "calibrating",
    "TEST": "test",
    "DEMO": "demo",
}
"""OBX-8 (IHE PCD TF-2, appendix B.8). Flags of alarms and limits say nothing about validity."""
VALIDITY_OF_STATUS: dict[str, Validity] = {
    "D": "invalid",
    "W": "invalid",
    "X": "unavailable",
    "I": "unavailable",
    "N": "unavailable",
    "O": "unavailable",
}
"""OBX-11 (HL7 table 0085)."""


@dataclass(frozen=True)
class Times:
    """OBR-7, OBR-8 and when the message came."""

    start_utc: float | None
    end_utc: float | None
    received_utc: float


class Waves:
    """The waves of one monitor."""

    def __init__(self, device: str, zone: tzinfo):
        self._device = device
        self._zone = zone
        self._numbering = Numbering()

    def read(self, obx: Obx, others: Sequence[Obx], times: Times) -> Wave:
        """The wave in `obx`, whose facets are among `others`. Raises RemoteProtocolError."""
        raw = [
            number(sample)
            for repetition in obx.text(5).split(obx.parts.repetition)
            for sample in repetition.split(obx.parts.component)
        ]
        if not 0 < len(raw) <= SAMPLES_MAX or raw.count(None) == len(raw):
            raise RemoteProtocolError("a wave without samples, or with too many")
        facets = {one.name: one for one in others if _belongs(one, obx)}
        start_utc = read_time(obx.text(14), self._zone)
        start_utc = start_utc if start_utc is not None else times.start_utc
        rate_hz = _value_of(facets.get("MDC_ATTR_SAMP_RATE"))
        if rate_hz is None and times.start_utc is not None and times.end_utc is not None:
            lasts_s = times.end_utc - times.start_utc
            rate_hz = round(len(raw) / lasts_s, 3) if lasts_s > 0 else None
        if rate_hz is None or not 0.1 <= rate_hz <= 100_000:
            raise RemoteProtocolError("a wave without a sample rate")
        resolution = facets.get("MDC_ATTR_NU_MSMT_RES")
        inop = _value_of(facets.get("MDC_EVT_INOP"))
        gap = inop if inop is not None and abs(inop) > 1 else GAP_SAMPLE
        samples, scale = to_whole(raw, _value_of(resolution), gap)
        of_unit = resolution if resolution is not None and resolution.text(6) else obx
        known = nomenclature.term(obx.code, obx.name)
        key = (obx.code, obx.name, obx.text(4))
        return Wave(
            device=self._device,
            received_utc=times.received_utc,
            source_utc=start_utc,
            code=known.code,
            name=clean(known.name),
            unit=nomenclature.ucum(
                whole(of_unit.part(6, 1)), of_unit.part(6, 2) or of_unit.part(6, 1)
            ),
            rate_hz=rate_hz,
            scale=scale,
            offset=0.0,
            first=self._numbering.first(key, start_utc, rate_hz, len(samples)),
            samples=pack_samples(samples),
            validity=worst(one for one in flags_of(obx) if one != "unavailable"),
            label=obx.name,
            channel=clean(obx.text(4)),
        )


def flags_of(obx: Obx) -> list[Validity]:
    """What OBX-8 and OBX-11 say about the value."""
    flags = re.split(r"[~^]", obx.text(8).upper().replace(obx.parts.repetition, "~"))
    found = [VALIDITY_OF_FLAG[flag.strip()] for flag in flags if flag.strip() in VALIDITY_OF_FLAG]
    status = VALIDITY_OF_STATUS.get(obx.text(11).strip().upper())
    return [*found, status] if status is not None else found


def _belongs(one: Obx, wave: Obx) -> bool:
    """OBX-4 of a facet is that of its wave with one more number (IHE WCM)."""
    return one is not wave and (
        one.text(4) == wave.text(4) or one.text(4).startswith(wave.text(4) + ".")
    )


def _value_of(obx: Obx | None) -> float | None:
    return number(obx.part(5, 1)) if obx is not None else None
