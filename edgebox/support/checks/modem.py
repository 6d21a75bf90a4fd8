"""Each modem: SIM card, registration, signal, data. By ModemManager's word, told by vehicle.

One verdict for each, of the first step that fails: without a card nothing after it can be good.
"""

from dataclasses import dataclass

from edgebox.messages.vehicle import Modem
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, good, untested
from edgebox.support.surroundings import Surroundings

WEAK_PERCENT = 20
NO_SIM = {"no SIM card", "SIM card error", "eSIM without profile"}
"""`detail` of host.modem_objects."""
MODEM_INTERFACES = ("ww", "mhi", "rmnet")
"""What systemd and drivers call a modem's interface."""


@dataclass(frozen=True)
class Facts:
    """`modems`: None if nobody tells. `wanted`: the bond's links, interface or name -> label."""

    modems: tuple[Modem, ...] | None
    wanted: dict[str, str]


async def read(here: Surroundings) -> Facts:
    """What was heard, beside what is configured."""
    heard = here.heard.modems
    links = here.config.bond.link
    wanted = {link.interface or link.name: link.label or link.name for link in links}
    return Facts(None if heard is None else heard.modems, wanted)


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One for each modem, and one for each link whose modem is not there."""
    if not facts.modems and not any(_is_modem(one) for one in facts.wanted):
        return (untested("absent", "no modem is known here"),)
    if facts.modems is None:
        return (untested("unheard", "the vehicle service says nothing of modems"),)
    there = {modem.interface for modem in facts.modems}
    missing = [one for one in facts.wanted if _is_modem(one) and one not in there]
    return tuple(
        [_judge_one(modem, facts.wanted) for modem in facts.modems]
        + [_missing(one, facts.wanted[one]) for one in missing]
    )


def _is_modem(interface: str) -> bool:
    return interface.startswith(MODEM_INTERFACES)


def _missing(interface: str, label: str) -> Verdict:
    look_at = "lsusb, mmcli -L: is it on the bus? its cable, its supply, its firmware"
    return attention("missing", f"{interface}: no such modem", look_at, label)


def _judge_one(modem: Modem, wanted: dict[str, str]) -> Verdict:
    label = wanted.get(modem.interface) or modem.operator or modem.interface or "modem"
    step, look_at = _first_step_that_fails(modem)
    signal = "?" if modem.signal is None else f"{modem.signal} %"
    words = (modem.interface, modem.state, modem.detail, modem.operator, modem.generation)
    measured = f"{' '.join(filter(None, words))}, signal {signal}"
    return attention(step, measured, look_at, label) if step else good(measured, label)


def _first_step_that_fails(modem: Modem) -> tuple[str, str]:
    """Its code and what to look at; empty if none does."""
    if modem.state == "absent":
        return "missing", "lsusb, mmcli -L: its cable, its supply, its firmware"
    if modem.state == "failed" and modem.detail in NO_SIM:
        return "no-sim", "the SIM card: is it in, the right way round, the right slot?"
    if modem.state == "failed":
        return "failed", f"mmcli -m any: {modem.detail}; switch it off and on"
    if modem.state == "locked":
        return "locked", f"{modem.detail}: take the PIN off the card, in a phone"
    if modem.state == "off":
        return "off", "mmcli -m any --enable; rfkill; who switched it off?"
    if modem.state == "searching" and modem.detail == "registration denied":
        return "denied", "the subscription: is it paid, is this modem allowed, roaming?"
    if modem.state == "searching":
        return "no-network", "antenna and its cable; coverage here; bands that are switched off"
    if modem.state == "registered":
        return "no-data", "access point name (APN), nmcli connection; the subscription's data"
    if modem.signal is not None and modem.signal < WEAK_PERCENT:
        return "weak", "antenna and its cable; compare with the other modems at this place"
    return "", ""


MODEM = Check("modem", read, judge)
