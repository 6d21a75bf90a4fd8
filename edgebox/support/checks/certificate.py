"""How long do the box's certificates last? Past half of its life one should have been renewed.

A box that nobody has enrolled yet has none: that is said here, and by no other check.
"""

from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from edgebox.config import resolve_file
from edgebox.errors import ConfigError
from edgebox.support.checks.check import Check
from edgebox.support.checks.verdict import Verdict, Verdicts, attention, fault, good, untested
from edgebox.support.surroundings import Surroundings

DAY_S = 86_400.0
LAST_S = 7 * DAY_S
AUTHORITY_S = 365 * DAY_S
"""The fleet's authority lasts for many years; a new one takes its time to reach all boxes."""
BEGIN = b"-----BEGIN CERTIFICATE-----"
"""RFC 7468. Units give a word in place of a file that is not there (systemd.exec(5),
SetCredential=)."""


@dataclass(frozen=True)
class Paper:
    """One certificate. `from_utc` and `until_utc` are None if it cannot be read, with `problem`.

    `trouble`: empty if it is only out of reach from here.
    """

    name: str
    is_authority: bool = False
    common_name: str = ""
    from_utc: float | None = None
    until_utc: float | None = None
    problem: str = ""
    trouble: Literal["", "missing", "damaged"] = ""


@dataclass(frozen=True)
class Facts:
    """`box`: the name the device's certificate must bear."""

    box: str
    papers: tuple[Paper, ...]


async def read(here: Surroundings) -> Facts:
    """The fleet's authority and this device's own."""
    bond = here.config.bond
    if bond.static_key:
        return Facts(here.config.box.id, ())
    return Facts(
        here.config.box.id,
        (
            _paper(here, "authority", bond.ca, is_authority=True),
            _device(here),
        ),
    )


def is_enrolled(here: Surroundings) -> bool:
    """False: nobody has given this box an identity yet, so it reaches no hub."""
    return bool(here.config.bond.static_key) or _device(here).trouble != "missing"


def _device(here: Surroundings) -> Paper:
    return _paper(here, "device", here.config.bond.certificate, is_authority=False)


def _paper(here: Surroundings, name: str, file: str, *, is_authority: bool) -> Paper:
    try:
        content = resolve_file(here.config, file).read_bytes()
    except FileNotFoundError as error:
        return Paper(name, is_authority, problem=str(error), trouble="missing")
    except (OSError, ConfigError) as error:
        return Paper(name, is_authority, problem=str(error))
    if BEGIN not in content:
        return Paper(name, is_authority, problem="no certificate", trouble="missing")
    try:
        found = x509.load_pem_x509_certificate(content)
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, x509.InvalidVersion) as error:
        return Paper(name, is_authority, problem=str(error), trouble="damaged")
    return Paper(
        name,
        is_authority,
        str(names[0].value) if names else "",
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
    )


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One verdict for each."""
    if any(one.name == "device" and one.trouble == "missing" for one in facts.papers):
        look_at = "a voucher of the fleet's authority: edgebox provision, or a USB stick"
        return (fault("not-enrolled", "this box has no identity", look_at),)
    papers = tuple(_judge_one(paper, facts.box, now_utc) for paper in facts.papers)
    return papers or (untested("absent", "a static key: no certificates"),)


def _judge_one(paper: Paper, box: str, now_utc: float) -> Verdict:
    if paper.trouble:
        again = "put a good one there and restart; or edgebox factory-reset, and another voucher"
        what = f"{paper.name}: {paper.problem}"
        if paper.trouble == "missing":
            return fault("missing", what, again, paper.name)
        return fault("damaged", what, again, paper.name)
    if paper.from_utc is None or paper.until_utc is None:
        return untested("unread", f"{paper.name}: {paper.problem}", paper.name)
    left_s, life_s = paper.until_utc - now_utc, paper.until_utc - paper.from_utc
    measured = f"{paper.name} {paper.common_name!r}: {left_s / DAY_S:.0f} days left"
    renew = "renewal: does the hub's authority answer? journalctl -u edgebox-*; renew by hand"
    if now_utc < paper.from_utc:
        return fault("early", measured, "the clock first: it is valid from later on", paper.name)
    if left_s <= 0:
        return fault("expired", measured, renew, paper.name)
    if not paper.is_authority and paper.common_name != box:
        look_at = f"it should say {box!r}: another box's credentials, or box.id was changed"
        return fault("wrong-name", measured, look_at, paper.name)
    if left_s <= LAST_S:
        return fault("last-days", measured, renew, paper.name)
    if left_s < (AUTHORITY_S if paper.is_authority else life_s / 2):
        return attention("old", measured, renew, paper.name)
    return good(measured, paper.name)


CERTIFICATE = Check("certificate", read, judge)
