"""What the box says of its own health, and what it needs of the hub to find out."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Id, Message, Request, Text, Topic
from edgebox.messages.session import TurnCredentials

Grade = Literal["good", "attention", "fault", "untested"]
"""`attention`: it works, somebody should look after it. `fault`: something people need does not
work. `untested`: not there, or could not be tried now: neither good nor bad."""
Reason = Literal["boot", "crew", "command", "technician"]
CheckName = Annotated[str, Meta(pattern=r"^[a-z][a-z-]{0,31}\Z")]
OptionalCheckName = Annotated[str, Meta(pattern=r"^([a-z][a-z-]{0,31})?\Z")]
Code = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9.-]{0,63}\Z")]
FINDINGS_MAX = 200


class Finding(Message, frozen=True):
    """What one check found of one thing. `code` names the sentences the crew is shown."""

    check: CheckName
    grade: Grade
    code: Code
    at_utc: float
    subject: Text = ""
    """Which one, in the words of people: a link's label, a camera's name."""
    measured: Text = ""
    """In English, for the technician: what was read."""
    look_at: Text = ""
    """In English, for the technician: what to look at first."""


class SelfTest(Message, frozen=True):
    """The last self-test, or the one that runs. A check run again alone replaces its findings."""

    id: Id
    state: Literal["running", "done"]
    reason: Reason
    started_utc: float
    finished_utc: float = 0.0
    grade: Grade = "untested"
    """The worst of what was found; `good` as well where a part could not be tested."""
    checks_done: int = 0
    checks_total: int = 0
    live: bool = False
    """Pictures were sent meanwhile: what would have taken from the uplink was left out."""
    findings: Annotated[tuple[Finding, ...], Meta(max_length=FINDINGS_MAX)] = ()
    """Worst first."""


SELF_TEST = Topic("box/{box}/local/selftest", SelfTest, retained=True)
"""Every step, with everything found."""
HEALTH = Topic("box/{box}/up/selftest", SelfTest, retained=True)
"""For the fleet: each test when it is done, without what is good."""


class RunSelfTest(Message, frozen=True):
    """Test everything, or only the checks named."""

    reason: Reason
    checks: Annotated[tuple[CheckName, ...], Meta(max_length=64)] = ()


class SelfTestBegun(Message, frozen=True):
    """It runs; SELF_TEST says how far it has come."""

    id: Id


RUN_SELF_TEST = Request("box/{box}/local/selftest/run", RunSelfTest, SelfTestBegun)


class AskTurn(Message, frozen=True):
    """The box wants to try the hub's TURN server, by an allocation that is given back at once."""


ASK_TURN = Request("box/{box}/up/selftest/turn", AskTurn, TurnCredentials)


class Echo(Message, frozen=True):
    """Does the box's own broker carry a question and its answer?"""


ECHO = Request("box/{box}/local/selftest/echo", Echo, Done)
