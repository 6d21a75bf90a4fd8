"""How long do the box's certificates last? Past half of its life one should have been renewed."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Paper:
    """One certificate. `from_utc` and `until_utc` are None if it cannot be read, with `problem`."""

    name: str
    is_authority: bool = False
    common_name: str = ""
    from_utc: float | None = None
    until_utc: float | None = None
    problem: str = ""


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
            _paper(here, "device", bond.certificate, is_authority=False),
        ),
    )


def _paper(here: Surroundings, name: str, file: str, *, is_authority: bool) -> Paper:
    try:
        content = resolve_file(here.config, file).read_bytes()
        found = x509.load_pem_x509_certificate(content)
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (OSError, ValueError, ConfigError, x509.InvalidVersion) as error:
        return Paper(name, is_authority, problem=str(error))
    return Paper(
        name,
        is_authority,
        str(names[0].value) if names else "",
        found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(),
    )


def judge(facts: Facts, now_utc: float) -> Verdicts:
    """One verdict for each."""
    papers = tuple(_judge_one(paper, facts.box, now_utc) for paper in facts.papers)
    return papers or (untested("absent", "a static key: no certificates"),)


def _judge_one(paper: Paper, box: str, now_utc: float) -> Verdict:
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
