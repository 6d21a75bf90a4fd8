"""What monitors said as HL7 v2.6 ORU^R01 in the manner of IHE PCD-01. No I/O.

One message for each batch, its MSH-10 made from the batch: a receiver knows what it has had. Units
are UCUM, codes MDC with LOINC beside it, times UTC and the monitor's own. What is not of a patient
(demonstration, test) is not sent, nor are alarms: they belong beside the picture, not in a record.
"""

from datetime import UTC, datetime

from edgebox.hub.vitals_fhir import is_exported
from edgebox.hub.vitals_store import BatchRow
from edgebox.observation import Numeric, Validity, Wave, unpack, unpack_samples

FLAG: dict[Validity, str] = {
    "valid": "",
    "questionable": "QUES",
    "calibrating": "CALB",
    "invalid": "INV",
    "unavailable": "NAV",
}
VT, END = b"\x0b", b"\x1c\r"


def message_of(row: BatchRow, *, waves: bool, now_utc: float) -> bytes | None:
    """A framed message; None if nothing in the batch is exported. Raises RemoteProtocolError."""
    found = [one for one in unpack(row.content) if is_exported(one, waves)]
    values = [one for one in found if isinstance(one, Numeric | Wave)]
    if not values:
        return None
    lines = [
        "|".join(
            (
                *("MSH", "^~\\&", "EDGEBOX", _escape(row.box), "", "", _time(now_utc), ""),
                *("ORU^R01^ORU_R01", control_id(row), "P", "2.6", "", "", "NE", "AL", ""),
                *("UNICODE UTF-8", "", "", "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"),
            )
        ),
        f"PID|||{_escape(row.box)}^^^EDGEBOX^PI||^^^^^^U",
        _request(row, values),
    ]
    for number, one in enumerate(values, 1):
        lines += _numeric(number, one) if isinstance(one, Numeric) else _wave(number, one)
    return VT + "".join(line + "\r" for line in lines).encode() + END


def _request(row: BatchRow, values: list[Numeric | Wave]) -> str:
    """OBR with the first and the last time."""
    times = [_at(one) for one in values]
    order = f"{control_id(row)}^EDGEBOX"
    what = "182777000^monitoring of patient^SCT"
    return f"OBR|1|{order}|{order}|{what}|||{_time(min(times))}|{_time(max(times))}"


def control_id(row: BatchRow) -> str:
    """MSH-10: the same for the same batch."""
    return f"{row.stream[:24]}-{row.seq}"


def verdict_of(reply: bytes, row: BatchRow) -> str:
    """`accepted`, `refused` or `error` by MSA-1 of a reply to this batch; `` for anything else."""
    for line in reply.decode("utf-8", "replace").replace("\n", "\r").split("\r"):
        fields = line.split("|")
        if fields[0] == "MSA" and len(fields) > 2 and fields[2] == control_id(row):
            kinds = {"A": "accepted", "R": "refused", "E": "error"}
            return kinds.get(fields[1][-1:], "")
    return ""


def _numeric(number: int, one: Numeric) -> list[str]:
    value = "" if one.value is None else f"{one.value:.6f}".rstrip("0").rstrip(".")
    status = "X" if one.value is None else "R"
    code = f"{one.code}^{_escape(one.name)}^MDC"
    if one.loinc:
        code += f"^{one.loinc}^^LN"
    method = "^APERIODIC" if one.episodic else ""
    what = f"OBX|{number}|NM|{code}|{_where(number)}|{value}|{_unit(one.unit)}"
    how = f"||{FLAG[one.validity]}|||{status}|||{_time(_at(one))}|||{method}|"
    return [what + how + _equipment(one)]


def _wave(number: int, one: Wave) -> list[str]:
    """Raw samples and the facets that make values of them.

    There is no facet for an offset: it is put into the samples, to the nearest step.
    """
    steps = round(one.offset / one.scale)
    raw = unpack_samples(one.samples)
    samples = "^".join("32767" if sample is None else str(sample + steps) for sample in raw)
    where, unit = _where(number), _unit(one.unit)
    what = f"OBX|{number}|NA|{one.code}^{_escape(one.name)}^MDC|{where}|{samples}|{unit}"
    how = f"||{FLAG[one.validity]}|||R|||{_time(_at(one))}||||"
    rate, scale = f"{one.rate_hz:.10g}", f"{one.scale:.10g}"
    return [
        what + how + _equipment(one),
        f"OBX|{number}|NM|0^MDC_ATTR_SAMP_RATE^MDC|{where}.1|{rate}|Hz^^UCUM|||||R",
        f"OBX|{number}|NM|2327^MDC_ATTR_NU_MSMT_RES^MDC|{where}.2|{scale}|{unit}|||||R",
    ]


def _equipment(one: Numeric | Wave) -> str:
    return f"{_escape(one.device)}^EDGEBOX"


def _where(number: int) -> str:
    return f"1.1.1.{number}"


def _unit(unit: str) -> str:
    return f"{_escape(unit)}^^UCUM" if unit else ""


def _at(one: Numeric | Wave) -> float:
    return one.source_utc if one.source_utc is not None else one.received_utc


def _time(at_utc: float) -> str:
    moment = datetime.fromtimestamp(at_utc, UTC)
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 1000:03d}+0000"


def _escape(text: str) -> str:
    for mark, letter in (("\\", "E"), ("|", "F"), ("^", "S"), ("~", "R"), ("&", "T")):
        text = text.replace(mark, f"\\{letter}\\")
    return text
