"""What to do next about updates. Pure: told everything, decides, does nothing.

Theory of operation. There are two systems on the box, of which one runs. A release goes through

  waiting > downloading > checking > ready > installing > installed > restarting > trying > good

and nothing before `restarting` touches the system that runs: it is written beside it. The boot
loader starts a new system once; whatever happens then (it does not boot, hangs, loses its power,
finds a fault that the old one did not), the start after that is the old system again. Only a system
that has shown itself well is confirmed, and then is what is started from now on.

Rules, simplest first:

- Versions only go up, by what the signed bundle says of itself. There is no permission to go back:
  whoever wants the old content publishes it under the next version. So nobody, not even a hub in
  the wrong hands, can put an old hole back onto a box.
- Nothing is installed, and nothing restarted, while the crew sends video, a headset is in, or a
  technician is; or while nobody can tell. A restart waits until the crew has been away for
  RESTART_FREE_S, the vehicle stands as far as is known, and the bond is up: where it is up now it
  must be up after the restart as well, which is part of the proof.
- Video goes first: a download stops the moment a mission begins and goes on after it.
- What is installed and was stopped meanwhile, or has a successor, is not started any more.
- A release that ended badly is not tried again until staff say so (`turn`). One that was not
  confirmed in time may have met an ignition that was switched off: it is tried TRIES_MAX times.
"""

from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from edgebox.config.update import QUIET_S
from edgebox.messages.update import Reason, Release, State
from edgebox.update.memory import Attempt, Ended, Memory
from edgebox.update.version import is_newer

INSTALL_FREE_S = 60.0
RESTART_FREE_S = float(QUIET_S)
"""A parked box waits longer before it switches itself off: edgebox.config refuses less."""
BOND_BEFORE_S = 60.0
"""The bond has been up this long before a restart is dared."""
BOND_AFTER_S = 10.0
PROVE_S = 120.0
"""Since the boot. What crashes again and again shows it by then."""
GIVE_UP_S = 900.0
"""New faults this long after the boot are the new system's."""
RETEST_S = 120.0
BOOT_TEST_S = 180.0
"""By then the box has tested itself, as it does after every boot."""
TRIES_MAX = 2

Crew = Literal["", "mission", "support", "headset", "unsure"]
Deed = Literal[
    "", "download", "check", "install", "test", "restart", "confirm", "give-up", "withdraw"
]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Everything that counts now. Durations in seconds, by a clock that cannot jump."""

    version: str
    compatible: str
    """Empty: there is no second system here."""
    boot_id: str
    since_boot_s: float
    confirmed: bool | None
    """The boot loader's word on the running system; None: not known."""
    offer: Release | None = None
    offer_known: bool = True
    """The hub has said since this process began what it offers, be it nothing."""
    crew: Crew = "unsure"
    free_s: float = 0.0
    """How long the crew has been away."""
    moving: bool = False
    bond_up_s: float = 0.0
    """0: it is not up."""
    link: Literal["", "no-link", "metered"] = "no-link"
    """Why there is no link to fetch anything by; empty: there is one."""
    hub_silent: bool = False
    """The hub did not give the bundle just now, and is asked again later."""
    room: bool = True
    """There is enough disk for what is missing."""
    have_bytes: int = 0
    """Of the offered bundle."""
    faults: tuple[str, ...] | None = None
    """By the last whole self-test of this boot; None: none yet."""
    test_age_s: float = 0.0


@dataclass(frozen=True)
class Step:
    """Where things stand, and the one thing to do now. `memory` is kept before it is done."""

    memory: Memory
    state: State
    reason: Reason = ""
    release: Release | None = None
    do: Deed = ""


def plan(memory: Memory, now: Situation) -> Step:
    """The next step."""
    if not now.compatible:
        return Step(memory, "unsupported")
    memory = _look_back(memory, now)
    attempt = memory.attempt
    if attempt is not None and attempt.release.version == now.version:
        return _try(memory, now)
    if attempt is None and now.confirmed is False:
        return _try(memory, now)
    if attempt is not None:
        return _restart(memory, attempt, now)
    return _prepare(memory, now)


def _look_back(memory: Memory, now: Situation) -> Memory:
    """What a restart, or a loss of power, has made of the attempt."""
    attempt = memory.attempt
    if attempt is None:
        return memory
    if attempt.phase == "installing":
        # Cut short: it is written again, whole.
        return replace(memory, attempt=None)
    if attempt.release.version == now.version:
        return memory.end(_ended(attempt.release, "good")) if now.confirmed else memory
    if attempt.phase == "given-up":
        return memory.end(_ended(attempt.release, "fell-back", "fault"))
    if attempt.phase == "tried" and attempt.boot_id != now.boot_id:
        if attempt.tries >= TRIES_MAX:
            return memory.end(_ended(attempt.release, "fell-back", "unconfirmed"))
        return replace(memory, attempt=replace(attempt, phase="installed", boot_id=now.boot_id))
    return memory


def _try(memory: Memory, now: Situation) -> Step:
    """The new system runs and is not confirmed."""
    attempt = memory.attempt
    release = attempt.release if attempt is not None else None

    def step(reason: Reason, do: Deed = "", after: Memory = memory) -> Step:
        return Step(after, "trying", reason, release, do)

    if attempt is not None and attempt.phase == "given-up":
        waits = _unfit(now)
        return step(waits or "fault", "" if waits else "give-up")
    if now.faults is None:
        return step("self-test", "test" if _test_is_due(now) else "")
    # Installed by hand: nobody knows what was wrong before.
    before = attempt.faults if attempt is not None else now.faults
    if set(now.faults) - set(before):
        if now.since_boot_s < GIVE_UP_S:
            return step("fault", "test" if _test_is_due(now) else "")
        if waits := _unfit(now):
            return step(waits)
        return step("fault", "give-up", _give_up(memory))
    if now.bond_up_s < BOND_AFTER_S:
        return step("no-bond")
    return step("self-test", "confirm" if now.since_boot_s >= PROVE_S else "")


def _restart(memory: Memory, attempt: Attempt, now: Situation) -> Step:
    """Installed, not running yet."""

    def step(reason: Reason, do: Deed = "", after: Memory = memory) -> Step:
        return Step(after, "installed", reason, attempt.release, do)

    if not now.offer_known:
        return step("hub")
    if now.offer is None or now.offer.sha256 != attempt.release.sha256:
        return Step(replace(memory, attempt=None), "current", "", None, "withdraw")
    if waits := _unfit(now):
        return step(waits)
    if attempt.phase == "tried":
        return Step(memory, "restarting", "", attempt.release, "restart")
    if now.bond_up_s < BOND_BEFORE_S:
        return step("no-bond")
    if now.faults is None:
        return step("self-test", "test" if _test_is_due(now) else "")
    if now.free_s < RESTART_FREE_S:
        return step("")
    after = replace(
        attempt, phase="tried", tries=attempt.tries + 1, boot_id=now.boot_id, faults=now.faults
    )
    return Step(replace(memory, attempt=after), "restarting", "", attempt.release, "restart")


def _prepare(memory: Memory, now: Situation) -> Step:
    """From the offer to the installation."""
    release = now.offer
    if release is None:
        return Step(memory, "current")
    if (ended := memory.how_ended(release)) is not None:
        if ended.state == "good" and not is_newer(release.version, now.version):
            return Step(memory, "good", "", release)
        if ended.state != "good":
            return Step(memory, ended.state, ended.reason, release)
    if not is_newer(release.version, now.version):
        return Step(memory, "current", "", release)
    if now.have_bytes < release.size_bytes:
        return _fetch(memory, release, now)
    if memory.checked != release.sha256:
        return Step(memory, "checking", "", release, "check")
    if waits := _unfit(now):
        return Step(memory, "ready", waits, release)
    if now.free_s < INSTALL_FREE_S:
        return Step(memory, "ready", "", release)
    attempt = Attempt(
        release=release, from_version=now.version, phase="installing", boot_id=now.boot_id
    )
    return Step(replace(memory, attempt=attempt), "installing", "", release, "install")


def _fetch(memory: Memory, release: Release, now: Situation) -> Step:
    reasons: tuple[tuple[bool, Reason], ...] = (
        (now.crew == "mission", "mission"),
        (now.crew == "unsure", "unsure"),
        (not now.room, "disk"),
        (bool(now.link), now.link),
        (now.hub_silent, "hub"),
    )
    waits = next((reason for holds, reason in reasons if holds), None)
    if waits is not None:
        return Step(memory, "waiting", waits, release)
    return Step(memory, "downloading", "", release, "download")


def _unfit(now: Situation) -> Reason:
    """Why the running system must not be disturbed now; empty: it may be."""
    return now.crew or ("moving" if now.moving else "")


def _give_up(memory: Memory) -> Memory:
    attempt = memory.attempt
    return replace(memory, attempt=replace(attempt, phase="given-up")) if attempt else memory


def _test_is_due(now: Situation) -> bool:
    return now.test_age_s >= RETEST_S and now.since_boot_s >= BOOT_TEST_S


# What came of a deed


def checked(memory: Memory, release: Release, refused: Reason) -> Memory:
    """The bundle was looked at. `refused`: why it is not one for this box; empty: it is."""
    if refused:
        return memory.end(_ended(release, "refused", refused))
    return replace(memory, checked=release.sha256)


def installed(memory: Memory, *, done: bool) -> Memory:
    """RAUC has ended."""
    attempt = memory.attempt
    if attempt is None:
        return memory
    if not done:
        return memory.end(_ended(attempt.release, "failed", "install"))
    return replace(memory, attempt=replace(attempt, phase="installed"))


def _ended(
    release: Release,
    state: Literal["good", "fell-back", "refused", "failed"],
    reason: Reason = "",
) -> Ended:
    return Ended(
        sha256=release.sha256,
        turn=release.turn,
        version=release.version,
        state=state,
        reason=reason,
    )
