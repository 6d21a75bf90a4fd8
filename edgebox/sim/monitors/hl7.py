"""A simulated monitor that sends HL7 (IHE PCD-01 with waves, PCD-04 alarms) over MLLP. No I/O.

Made from the standards, not from the parser it is to test: segments are put together as text.
"""

import random
from datetime import UTC, datetime, tzinfo

from edgebox.sim.monitors.faults import Faults
from edgebox.sim.monitors.patient import LEADS, Patient

VT, END = b"\x0b", b"\x1c\r"
ECG_RATE_HZ = 500
PLETH_RATE_HZ = 125
_LEAD_CODES = dict(
    zip(
        LEADS,
        (131329, 131330, 131389, 131390, 131391, 131392, *range(131331, 131337)),
        strict=True,
    )
)
CUFF_EVERY_S = 30.0


class Hl7Monitor:
    """Makes messages; the next one is made when the one before was acknowledged."""

    def __init__(
        self,
        patient: Patient,
        faults: Faults,
        *,
        zone: tzinfo | None = UTC,
        waves: bool = True,
        leads: tuple[str, ...] = LEADS,
        seed: int = 1,
    ):
        """`zone` None: times say no zone. `leads`: of the ECG."""
        self.patient = patient
        self.faults = faults
        self._zone = zone
        self._waves = waves
        self._leads = leads
        self._random = random.Random(seed)
        self._number = 0
        self._until_utc: float | None = None
        self._cuff_utc: float | None = None

    def message(self, now_utc: float) -> bytes:
        """Values, and waves since the last message, framed. `now_utc`: true time."""
        if self.faults.reboot:
            self.faults.reboot = False
            self._number, self._until_utc, self._cuff_utc = 0, None, None
        start_utc = self._until_utc if self._until_utc is not None else now_utc - 1.0
        self._until_utc = now_utc
        if self._cuff_utc is None or now_utc >= self._cuff_utc + CUFF_EVERY_S:
            self._cuff_utc = now_utc
        segments = [self._header("ORU^R01^ORU_R01", "IHE_PCD_001"), *self._patient_segments()]
        segments.append(
            f"OBR|1|||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||{self._time(now_utc)}"
        )
        segments += self._values(self._cuff_utc)
        if self._waves:
            end = self._time(now_utc)
            segments.append(f"OBR|2|||CONTINUOUS WAVEFORM|||{self._time(start_utc)}|{end}")
            segments += self._wave_segments(start_utc, now_utc)
        return self._frame(segments)

    def alarm(self, now_utc: float, text: str, phase: str = "start") -> bytes:
        """ORU^R40, framed."""
        state = "inactive" if phase == "end" else "active"
        facets = (
            ("ST|196670^MDC_EVT_LO^MDC", text),
            ("ST|68164^MDC_ATTR_ALERT_SOURCE^MDC", "SpO2"),
            ("ST|68165^MDC_ATTR_EVENT_PHASE^MDC", phase),
            ("ST|68166^MDC_ATTR_ALERT_STATE^MDC", state),
            ("ST|68484^MDC_ATTR_ALARM_PRIORITY^MDC", "PM"),
        )
        return self._frame(
            [
                self._header("ORU^R40^ORU_R40", "IHE_PCD_ACM_001"),
                *self._patient_segments(),
                f"OBR|1||{text}^SIM|196616^MDC_EVT_ALARM^MDC|||{self._time(now_utc)}",
                *(
                    f"OBX|{n}|{what}|1.0.0.0.{n}|{_escape(value)}||||||R"
                    for n, (what, value) in enumerate(facets, 1)
                ),
            ]
        )

    def _header(self, kind: str, profile: str) -> str:
        self._number += 1
        at = self._time(self._until_utc or 0.0)
        return (
            f"MSH|^~\\&|SIM_MONITOR^080019FFFE3ED02D^EUI-64|CABIN|||{at}||{kind}|"
            f"{at}-{self._number}|P|2.6|||NE|AL||UNICODE UTF-8|||{profile}"
        )

    def _patient_segments(self) -> list[str]:
        return ["PID|||SIM-1^^^^PI||Simulated^Patient", "PV1||E|CABIN"]

    def _values(self, cuff_utc: float) -> list[str]:
        p = self.patient
        flag = "INV" if self.faults.lead_off else "DEMO" if self.faults.demo else ""
        steady = (
            ("147842^MDC_ECG_HEART_RATE", p.heart_rate, "264864^MDC_DIM_BEAT_PER_MIN", "1.1.1"),
            ("150456^MDC_PULS_OXIM_SAT_O2", p.spo2, "262688^MDC_DIM_PERCENT", "1.2.1"),
            (
                "149530^MDC_PULS_OXIM_PULS_RATE",
                p.heart_rate,
                "264864^MDC_DIM_BEAT_PER_MIN",
                "1.2.2",
            ),
            ("151562^MDC_RESP_RATE", p.resp_rate, "264928^MDC_DIM_RESP_PER_MIN", "1.3.1"),
            ("150344^MDC_TEMP", p.temperature, "268192^MDC_DIM_DEGC", "1.4.1"),
            ("151708^MDC_CONC_AWAY_CO2_ET", p.etco2, "266016^MDC_DIM_MMHG", "1.5.1"),
        )
        lines = [
            f"OBX|{n}|NM|{what}^MDC|{where}.{n}|{value:g}|{unit}^MDC||{flag}|||R"
            for n, (what, value, unit, where) in enumerate(steady, 1)
        ]
        cuff = (
            ("150021^MDC_PRESS_BLD_NONINV_SYS", p.systolic),
            ("150022^MDC_PRESS_BLD_NONINV_DIA", p.diastolic),
            ("150023^MDC_PRESS_BLD_NONINV_MEAN", p.mean),
        )
        demo = "DEMO" if self.faults.demo else ""
        lines += [
            f"OBX|{n}|NM|{what}^MDC|1.6.1.{n}|{value:g}|266016^MDC_DIM_MMHG^MDC||{demo}|||R|||"
            f"{self._time(cuff_utc)}|||^APERIODIC"
            for n, (what, value) in enumerate(cuff, 7)
        ]
        return lines

    def _wave_segments(self, start_utc: float, end_utc: float) -> list[str]:
        lines: list[str] = []
        for lead in self._leads:
            code = _LEAD_CODES[lead]
            count = round((end_utc - start_utc) * ECG_RATE_HZ)
            raw = [
                round(self.patient.ecg_mv(lead, start_utc + n / ECG_RATE_HZ) / 0.005)
                for n in range(count)
            ]
            name = f"{code}^MDC_ECG_ELEC_POTL_{lead.upper()}^MDC"
            unit = "266418^MDC_DIM_MILLI_VOLT^MDC"
            lines += self._wave(name, f"1.7.6.{code}", raw, ECG_RATE_HZ, 0.005, unit, start_utc)
        count = round((end_utc - start_utc) * PLETH_RATE_HZ)
        raw = [
            round(1000 * self.patient.pleth(start_utc + n / PLETH_RATE_HZ)) for n in range(count)
        ]
        name, unit = "150452^MDC_PULS_OXIM_PLETH^MDC", "262656^MDC_DIM_DIMLESS^MDC"
        lines += self._wave(name, "1.7.6.150452", raw, PLETH_RATE_HZ, 0.001, unit, start_utc)
        return lines

    def _wave(
        self,
        name: str,
        where: str,
        raw: list[int],
        rate_hz: int,
        resolution: float,
        unit: str,
        start_utc: float,
    ) -> list[str]:
        samples = "^".join("32767" if self.faults.lead_off else str(one) for one in raw)
        flag = "DEMO" if self.faults.demo else ""
        at = self._time(start_utc)
        return [
            f"OBX|1|NA|{name}|{where}|{samples}|262656^MDC_DIM_DIMLESS^MDC||{flag}|||R|||{at}",
            f"OBX|2|NM|0^MDC_ATTR_SAMP_RATE^MDC|{where}.1|{rate_hz}|264608^MDC_DIM_PER_SEC^MDC",
            f"OBX|3|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|{where}.2|{resolution}|{unit}",
        ]

    def _time(self, at_utc: float) -> str:
        moment = datetime.fromtimestamp(at_utc + self.faults.clock_s, self._zone or UTC)
        zone = "" if self._zone is None else f"{moment:%z}"
        return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03d}{zone}"

    def _frame(self, segments: list[str]) -> bytes:
        text = "".join(segment + "\r" for segment in segments).encode()
        framed = VT + text + END
        if self.faults.half:
            self.faults.half = False
            framed = framed[: len(framed) // 2]
        if self.faults.garbage_bytes:
            framed = self._random.randbytes(self.faults.garbage_bytes) + framed
            self.faults.garbage_bytes = 0
        return framed


def _escape(text: str) -> str:
    for mark, letter in (("\\", "E"), ("|", "F"), ("^", "S"), ("~", "R"), ("&", "T")):
        text = text.replace(mark, f"\\{letter}\\")
    return text
