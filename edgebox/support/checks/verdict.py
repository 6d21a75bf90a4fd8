"""What a judge says of one thing, and the ways to say it. Pure."""

from dataclasses import dataclass

from edgebox.messages.selftest import Grade


@dataclass(frozen=True)
class Verdict:
    """As messages.selftest.Finding, which it becomes; `code` without the check's name."""

    grade: Grade
    code: str
    subject: str = ""
    measured: str = ""
    look_at: str = ""


Verdicts = tuple[Verdict, ...]


def good(measured: str, subject: str = "") -> Verdict:
    """As it should be."""
    return Verdict("good", "good", subject, measured)


def attention(code: str, measured: str, look_at: str, subject: str = "") -> Verdict:
    """It works, and somebody should look after it."""
    return Verdict("attention", code, subject, measured, look_at)


def fault(code: str, measured: str, look_at: str, subject: str = "") -> Verdict:
    """Something people need does not work."""
    return Verdict("fault", code, subject, measured, look_at)


def untested(code: str, measured: str, subject: str = "") -> Verdict:
    """Not there, or not tried: neither good nor bad."""
    return Verdict("untested", code, subject, measured)
