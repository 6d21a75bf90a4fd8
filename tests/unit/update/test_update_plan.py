"""What is done when: the whole way of a release, each reason to wait, and every way it can end."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebox.messages.update import Release
from edgebox.update import plan
from edgebox.update.memory import Attempt, Ended, Memory
from edgebox.update.plan import Situation, Step

SHA = "ab" * 32
NEW = Release(sha256=SHA, version="1.1.0", size_bytes=1000, url="https://hub.example.org/update/x")
READY = Situation(
    version="1.0.0",
    compatible="edgebox-test-amd64",
    boot_id="first",
    since_boot_s=5000.0,
    confirmed=True,
    offer=NEW,
    crew="",
    free_s=2000.0,
    bond_up_s=500.0,
    link="",
    have_bytes=0,
    faults=(),
    test_age_s=100.0,
)
"""A box in a garage, with nothing to keep it from anything."""


def now(**other: Any) -> Situation:
    return replace(READY, **other)


def attempt(**other: Any) -> Memory:
    made = Attempt(release=NEW, from_version="1.0.0", phase="installed", boot_id="first")
    return Memory(attempt=msgspec.structs.replace(made, **other))


def state(step: Step) -> tuple[str, str, str]:
    return step.state, step.reason, step.do


def test_a_release_on_its_way() -> None:
    step = plan.plan(Memory(), READY)
    assert state(step) == ("downloading", "", "download")
    step = plan.plan(step.memory, now(have_bytes=1000))
    assert state(step) == ("checking", "", "check")
    memory = plan.checked(step.memory, NEW, "")
    step = plan.plan(memory, now(have_bytes=1000))
    assert state(step) == ("installing", "", "install")
    assert step.memory.attempt is not None
    memory = plan.installed(step.memory, done=True)
    step = plan.plan(memory, now())
    assert state(step) == ("restarting", "", "restart")
    # The new system.
    after = now(version="1.1.0", boot_id="second", confirmed=False, since_boot_s=60.0, faults=None)
    assert state(plan.plan(step.memory, after)) == ("trying", "self-test", "")
    after = replace(after, faults=(), bond_up_s=0.0)
    assert state(plan.plan(step.memory, after)) == ("trying", "no-bond", "")
    after = replace(after, bond_up_s=30.0)
    assert state(plan.plan(step.memory, after)) == ("trying", "self-test", "")
    after = replace(after, since_boot_s=130.0)
    assert state(plan.plan(step.memory, after)) == ("trying", "self-test", "confirm")
    step = plan.plan(step.memory, replace(after, confirmed=True))
    assert state(step) == ("good", "", "")
    assert step.memory.attempt is None


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"crew": "mission"}, "mission"),
        ({"crew": "unsure"}, "unsure"),
        ({"link": "metered"}, "metered"),
        ({"link": "no-link"}, "no-link"),
        ({"hub_silent": True}, "hub"),
        ({"room": False}, "disk"),
    ],
)
def test_a_download_waits(other: dict[str, Any], reason: str) -> None:
    assert state(plan.plan(Memory(), now(**other))) == ("waiting", reason, "")


IN_USE: tuple[dict[str, Any], ...] = (
    {"crew": "mission"},
    {"crew": "support"},
    {"crew": "headset"},
    {"crew": "unsure"},
    {"moving": True},
)


@pytest.mark.parametrize("use", IN_USE)
@pytest.mark.parametrize("phase", ["checked", "installed", "tried"])
def test_nothing_is_installed_or_restarted_while_the_box_is_in_use(
    use: dict[str, Any], phase: str
) -> None:
    memory = Memory(checked=SHA) if phase == "checked" else attempt(phase=phase)
    found = plan.plan(memory, now(have_bytes=1000, **use))
    assert found.do == ""
    assert found.reason == use.get("crew", "moving")


def test_a_restart_waits_for_quiet_bond_and_self_test() -> None:
    memory = attempt()
    assert state(plan.plan(memory, now(free_s=60.0))) == ("installed", "", "")
    assert state(plan.plan(memory, now(bond_up_s=0.0))) == ("installed", "no-bond", "")
    step = plan.plan(memory, now(faults=None, test_age_s=float("inf")))
    assert state(step) == ("installed", "self-test", "test")


def test_versions_only_go_up() -> None:
    for version in ("1.1.0", "1.1.0-3-gabcdef0", "2.0.0"):
        step = plan.plan(Memory(), now(version=version))
        assert state(step) == ("current", "", "")


def test_faults_of_before_are_not_the_new_systems() -> None:
    memory = attempt(phase="tried", tries=1, faults=("camera.absent Pasient",))
    tried = now(version="1.1.0", boot_id="second", confirmed=False)
    good = plan.plan(memory, replace(tried, faults=("camera.absent Pasient",)))
    assert good.do == "confirm"
    bad = replace(tried, faults=("bond.down ", "camera.absent Pasient"))
    assert plan.plan(memory, bad).do == "give-up"
    early = plan.plan(memory, replace(bad, since_boot_s=200.0, test_age_s=130.0))
    assert state(early) == ("trying", "fault", "test")
    busy = plan.plan(memory, replace(bad, crew="mission"))
    assert state(busy) == ("trying", "mission", "")


def test_given_up_means_back_to_the_old_and_not_again() -> None:
    memory = attempt(phase="tried", tries=1)
    bad = now(version="1.1.0", boot_id="second", confirmed=False, faults=("bond.down ",))
    memory = plan.plan(memory, bad).memory
    again = plan.plan(memory, bad)
    assert again.do == "give-up", "until it is done"
    step = plan.plan(memory, now(boot_id="third"))
    assert state(step) == ("fell-back", "fault", "")
    assert state(plan.plan(step.memory, now(boot_id="fourth"))) == ("fell-back", "fault", "")
    staff_say_so = msgspec.structs.replace(NEW, turn=2)
    assert plan.plan(step.memory, now(offer=staff_say_so)).do == "download"


def test_what_the_boot_loader_brought_back_is_tried_twice() -> None:
    memory = attempt(phase="tried", tries=1)
    step = plan.plan(memory, now(boot_id="second"))
    assert state(step) == ("restarting", "", "restart")
    assert step.memory.attempt is not None
    assert step.memory.attempt.tries == 2
    step = plan.plan(step.memory, now(boot_id="third"))
    assert state(step) == ("fell-back", "unconfirmed", "")


def test_a_loss_of_power_before_the_restart_is_no_try() -> None:
    step = plan.plan(attempt(), now(boot_id="second", free_s=0.0))
    assert state(step) == ("installed", "", "")
    cut_short = plan.plan(attempt(phase="installing"), now(boot_id="second", have_bytes=1000))
    assert state(cut_short) == ("checking", "", "check"), "it is written again, whole"


def test_a_restart_that_does_not_come_is_asked_for_again() -> None:
    step = plan.plan(attempt(phase="tried", tries=1), now())
    assert state(step) == ("restarting", "", "restart")
    assert step.memory.attempt is not None
    assert step.memory.attempt.tries == 1


@pytest.mark.parametrize("phase", ["installed", "tried"])
def test_what_was_stopped_meanwhile_is_not_started(phase: str) -> None:
    memory = attempt(phase=phase)
    assert state(plan.plan(memory, now(offer=None, offer_known=False))) == ("installed", "hub", "")
    step = plan.plan(memory, now(offer=None))
    assert state(step) == ("current", "", "withdraw")
    assert step.memory.attempt is None
    successor = msgspec.structs.replace(NEW, sha256="cd" * 32, version="1.2.0")
    step = plan.plan(memory, now(offer=successor))
    assert step.do == "withdraw"
    assert plan.plan(step.memory, now(offer=successor)).do == "download"


def test_refused_and_failed_are_said_and_left() -> None:
    memory = plan.checked(Memory(), NEW, "signature")
    assert state(plan.plan(memory, READY)) == ("refused", "signature", "")
    memory = plan.installed(attempt(phase="installing"), done=False)
    assert state(plan.plan(memory, READY)) == ("failed", "install", "")


def test_what_a_technician_installed_by_hand_is_confirmed_too() -> None:
    found = plan.plan(Memory(), now(confirmed=False, faults=("camera.absent X",), offer=None))
    assert found.do == "confirm"


def test_a_machine_without_a_second_system_does_nothing() -> None:
    assert state(plan.plan(Memory(), now(compatible=""))) == ("unsupported", "", "")


ENDED = st.builds(
    Ended,
    sha256=st.sampled_from([SHA, "cd" * 32]),
    turn=st.integers(1, 2),
    version=st.just("1.1.0"),
    state=st.sampled_from(["good", "fell-back", "refused", "failed"]),
)
ATTEMPT = st.none() | st.builds(
    Attempt,
    release=st.just(NEW),
    from_version=st.just("1.0.0"),
    phase=st.sampled_from(["installing", "installed", "tried", "given-up"]),
    boot_id=st.sampled_from(["first", "second"]),
    tries=st.integers(0, 3),
    faults=st.just(()),
)
MEMORY = st.builds(
    Memory,
    attempt=ATTEMPT,
    checked=st.sampled_from(["", SHA]),
    ended=st.lists(ENDED, max_size=3).map(tuple),
)
SITUATION = st.builds(
    Situation,
    version=st.sampled_from(["1.0.0", "1.1.0", "1.2.0"]),
    compatible=st.sampled_from(["", "edgebox-test-amd64"]),
    boot_id=st.sampled_from(["first", "second"]),
    since_boot_s=st.floats(0, 2000),
    confirmed=st.sampled_from([True, False, None]),
    offer=st.sampled_from([None, NEW]),
    offer_known=st.booleans(),
    crew=st.sampled_from(["", "mission", "support", "headset", "unsure"]),
    free_s=st.floats(0, 3000),
    moving=st.booleans(),
    bond_up_s=st.floats(0, 100),
    link=st.sampled_from(["", "no-link", "metered"]),
    hub_silent=st.booleans(),
    room=st.booleans(),
    have_bytes=st.sampled_from([0, 10, 1000]),
    faults=st.sampled_from([None, (), ("bond.down ",)]),
    test_age_s=st.floats(0, 300),
)


@given(MEMORY, SITUATION)
def test_whatever_is_so_the_rules_hold(memory: Memory, here: Situation) -> None:
    step = plan.plan(memory, here)
    if step.do in {"install", "restart", "give-up"}:
        assert not here.crew
        assert not here.moving
    if step.do in {"download", "check", "install"}:
        assert step.release is not None
        assert here.version == "1.0.0"
    if step.do == "download":
        assert here.crew not in {"mission", "unsure"}
        assert not here.link
    if step.do == "restart":
        assert here.offer == NEW
        assert here.offer_known
    if step.do == "install":
        assert memory.checked == SHA
    if step.do == "confirm":
        assert here.faults is not None
        assert here.bond_up_s >= plan.BOND_AFTER_S
    again = plan.plan(step.memory, here)
    assert again.memory == step.memory or step.do, "what is remembered comes to rest"
