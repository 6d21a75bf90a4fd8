"""ISO/IEEE 11073-10101 codes with their UCUM unit and LOINC code, for what ambulances measure.

A code is partition * 65536 + term; physiological values are in partition 2, units in partition 4.
What is not listed here is passed on with the monitor's own code, name and unit.
"""

import re

from msgspec import Struct


class Term(Struct, frozen=True):
    """One measurement."""

    code: int
    name: str
    unit: str = ""
    """UCUM, where the protocol names none."""
    loinc: str = ""
    episodic: bool = False
    may_be_negative: bool = False


_TERMS = (
    Term(147842, "MDC_ECG_HEART_RATE", "/min", "8867-4"),
    Term(149514, "MDC_PULS_RATE", "/min", "8867-4"),
    Term(149530, "MDC_PULS_OXIM_PULS_RATE", "/min", "8889-8"),
    Term(149538, "MDC_PLETH_PULS_RATE", "/min", "8889-8"),
    Term(149546, "MDC_PULS_RATE_NON_INV", "/min", "8867-4", episodic=True),
    Term(150456, "MDC_PULS_OXIM_SAT_O2", "%", "59408-5"),
    Term(150448, "MDC_PULS_OXIM_PERF_REL", "%", "61006-3"),
    Term(151562, "MDC_RESP_RATE", "/min", "9279-1"),
    Term(151570, "MDC_AWAY_RESP_RATE", "/min", "9279-1"),
    Term(151578, "MDC_TTHOR_RESP_RATE", "/min", "9279-1"),
    Term(151594, "MDC_CO2_RESP_RATE", "/min", "9279-1"),
    Term(150020, "MDC_PRESS_BLD_NONINV", "mm[Hg]", "", episodic=True),
    Term(150021, "MDC_PRESS_BLD_NONINV_SYS", "mm[Hg]", "8480-6", episodic=True),
    Term(150022, "MDC_PRESS_BLD_NONINV_DIA", "mm[Hg]", "8462-4", episodic=True),
    Term(150023, "MDC_PRESS_BLD_NONINV_MEAN", "mm[Hg]", "8478-0", episodic=True),
    Term(150032, "MDC_PRESS_BLD_ART", "mm[Hg]", may_be_negative=True),
    Term(150033, "MDC_PRESS_BLD_ART_SYS", "mm[Hg]", "76215-3", may_be_negative=True),
    Term(150034, "MDC_PRESS_BLD_ART_DIA", "mm[Hg]", "76213-8", may_be_negative=True),
    Term(150035, "MDC_PRESS_BLD_ART_MEAN", "mm[Hg]", "76214-6", may_be_negative=True),
    Term(150036, "MDC_PRESS_BLD_ART_ABP", "mm[Hg]", may_be_negative=True),
    Term(150037, "MDC_PRESS_BLD_ART_ABP_SYS", "mm[Hg]", "76215-3", may_be_negative=True),
    Term(150038, "MDC_PRESS_BLD_ART_ABP_DIA", "mm[Hg]", "76213-8", may_be_negative=True),
    Term(150039, "MDC_PRESS_BLD_ART_ABP_MEAN", "mm[Hg]", "76214-6", may_be_negative=True),
    Term(150084, "MDC_PRESS_BLD_VEN_CENT", "mm[Hg]", may_be_negative=True),
    Term(150087, "MDC_PRESS_BLD_VEN_CENT_MEAN", "mm[Hg]", "60985-9", may_be_negative=True),
    Term(150344, "MDC_TEMP", "Cel", "8310-5"),
    Term(150368, "MDC_TEMP_CORE", "Cel", "8329-5"),
    Term(150372, "MDC_TEMP_ESOPH", "Cel", "60836-4"),
    Term(150380, "MDC_TEMP_NASOPH", "Cel", "76010-8"),
    Term(150388, "MDC_TEMP_SKIN", "Cel", "39106-0"),
    Term(150392, "MDC_TEMP_TYMP", "Cel", "8333-7"),
    Term(151708, "MDC_CONC_AWAY_CO2_ET", "mm[Hg]", "19889-5"),
    Term(151728, "MDC_AWAY_CO2_ET", "mm[Hg]", "19889-5"),
    Term(160184, "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", "mg/dL", "15074-8", episodic=True),
    Term(131328, "MDC_ECG_ELEC_POTL", "mV"),
    Term(131329, "MDC_ECG_ELEC_POTL_I", "mV"),
    Term(131330, "MDC_ECG_ELEC_POTL_II", "mV"),
    Term(131389, "MDC_ECG_ELEC_POTL_III", "mV"),
    Term(131390, "MDC_ECG_ELEC_POTL_AVR", "mV"),
    Term(131391, "MDC_ECG_ELEC_POTL_AVL", "mV"),
    Term(131392, "MDC_ECG_ELEC_POTL_AVF", "mV"),
    Term(131331, "MDC_ECG_ELEC_POTL_V1", "mV"),
    Term(131332, "MDC_ECG_ELEC_POTL_V2", "mV"),
    Term(131333, "MDC_ECG_ELEC_POTL_V3", "mV"),
    Term(131334, "MDC_ECG_ELEC_POTL_V4", "mV"),
    Term(131335, "MDC_ECG_ELEC_POTL_V5", "mV"),
    Term(131336, "MDC_ECG_ELEC_POTL_V6", "mV"),
    Term(150452, "MDC_PULS_OXIM_PLETH", "1"),
    Term(151552, "MDC_RESP", "Ohm"),
    Term(151724, "MDC_AWAY_CO2", "mm[Hg]"),
)
TERMS = {term.code: term for term in _TERMS}
BY_NAME = {term.name: term for term in _TERMS} | {
    "MDC_ECG_CARD_BEAT_RATE": TERMS[147842],
    "MDC_SCORE_GLAS_COMA": Term(0, "MDC_SCORE_GLAS_COMA", "{score}", "9269-2", episodic=True),
}

_UNITS = (
    (262656, "MDC_DIM_DIMLESS", "1"),
    (262688, "MDC_DIM_PERCENT", "%"),
    (264320, "MDC_DIM_SEC", "s"),
    (264338, "MDC_DIM_MILLI_SEC", "ms"),
    (264608, "MDC_DIM_PER_SEC", "/s"),
    (264640, "MDC_DIM_HZ", "Hz"),
    (264864, "MDC_DIM_BEAT_PER_MIN", "/min"),
    (264928, "MDC_DIM_RESP_PER_MIN", "/min"),
    (264960, "MDC_DIM_PER_MIN", "/min"),
    (266016, "MDC_DIM_MMHG", "mm[Hg]"),
    (266048, "MDC_DIM_CM_H2O", "cm[H2O]"),
    (265987, "MDC_DIM_KILO_PASCAL", "kPa"),
    (268192, "MDC_DIM_DEGC", "Cel"),
    (266560, "MDC_DIM_FAHR", "[degF]"),
    (266418, "MDC_DIM_MILLI_VOLT", "mV"),
    (266419, "MDC_DIM_MICRO_VOLT", "uV"),
    (263762, "MDC_DIM_MILLI_L", "mL"),
    (265216, "MDC_DIM_L_PER_MIN", "L/min"),
    (264274, "MDC_DIM_MILLI_G_PER_DL", "mg/dL"),
    (266866, "MDC_DIM_MILLI_MOLE_PER_L", "mmol/L"),
    (263875, "MDC_DIM_KILO_G", "kg"),
)
_UCUM_OF_CODE = {code: ucum for code, _, ucum in _UNITS}
_UCUM_OF_NAME = {name: ucum for _, name, ucum in _UNITS}
_UCUM_OF_WORD = {
    "bpm": "/min",
    "1/min": "/min",
    "/min": "/min",
    "rpm": "/min",
    "mmhg": "mm[Hg]",
    "°c": "Cel",
    "c": "Cel",
    "°f": "[degF]",
    "%": "%",
    "mv": "mV",
}
_UCUM_SYMBOLS = frozenset(_UCUM_OF_CODE.values())


def term(code: int, name: str = "") -> Term:
    """What is known of a measurement, by code or, if the code says nothing, by name."""
    found = TERMS.get(code) or BY_NAME.get(name)
    return found if found is not None else Term(code, name or f"MDC_{code}", may_be_negative=True)


def is_known(code: int, name: str = "") -> bool:
    """True if `term` knows more than it was told."""
    return code in TERMS or name in BY_NAME


def ucum(code: int, word: str = "") -> str:
    """The unit; one that is not known is the monitor's word in braces, which UCUM lets pass."""
    if found := _UCUM_OF_CODE.get(code) or _UCUM_OF_NAME.get(word):
        return found
    if word in _UCUM_SYMBOLS:
        return word
    if found := _UCUM_OF_WORD.get(word.lower()):
        return found
    plain = re.sub(r"[^!-z|~]", "", word)[:40]
    return f"{{{plain}}}" if plain else ""
