"""A test of one link of the bond: asked by a technician, or at the box's own command line."""

from typing import Annotated, Literal

from msgspec import Meta

from edgebox.messages.base import Done, Message, Request, Text

LinkName = Annotated[str, Meta(min_length=1, max_length=40)]
WhyNot = Literal[
    "", "carrying", "cap", "absent", "no-answer", "silent", "refused", "stopped", "little"
]
"""Why something was not measured. `carrying`: video is on, or pictures or sound go over the bond.
`cap`: its monthly volume is nearly used. `absent`: the system has no such link now. `no-answer`:
nothing came back from the hub on it. `silent`: it went silent in the middle. `refused`: the hub
sends no more for tests now. `stopped`: somebody ended it. `little`: too little came to tell."""


class LinkSpeed(Message, frozen=True, tag="link-speed"):
    """One direction."""

    bps: int | None = None
    """Outer UDP payload; None: not measured, `why` says why."""
    at_least: bool = False
    """The link was never full before the test's bytes or time were used up, or it ended early."""
    why: WhyNot = ""
    """Why it was not measured, or ended early."""


class LinkTestResult(Message, frozen=True, tag="link-test-result"):
    """What is known of one link. None: not measured; nothing is ever guessed."""

    link: Text
    at_utc: float
    probes: int = 0
    """How many the losses are of."""
    loss_up: float | None = None
    loss_down: float | None = None
    """0 to 1; of what reached the hub, the share whose echo did not come back."""
    rtt_p50_ms: float | None = None
    rtt_p95_ms: float | None = None
    jitter_ms: float | None = None
    """Mean difference of one round trip from the next."""
    why: WhyNot = ""
    """Why the figures above are missing, or end early."""
    up: LinkSpeed = LinkSpeed()
    down: LinkSpeed = LinkSpeed()
    carried_bytes: int = 0
    """By the test, both ways, IP headers included: charged to the link's month."""


class RunLinkTest(Message, frozen=True, tag="link-test"):
    """A technician's deed: one link, now."""

    link: LinkName


class TryLink(Message, frozen=True):
    """Test one link now. The bond answers when it is done, within RESULT_S."""

    link: LinkName
    speed: bool = True
    """Also how fast it is; left out whatever is asked while the bond carries pictures or sound."""


RESULT_S = 20.0
TRY_LINK = Request("box/{box}/local/bond/try-link", TryLink, LinkTestResult)


class StopTrying(Message, frozen=True):
    """End the test that runs, if one does; its asker gets what is known."""


STOP_TRYING = Request("box/{box}/local/bond/stop-trying", StopTrying, Done)
