"""Who gets how much before it has proved where it is."""

from collections.abc import Callable

from edgebox.bond.roaming import GIVE_UP_S, LIMIT, REPEAT_S, Roaming


def counting() -> Callable[[int], bytes]:
    count = 0

    def token(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size, "big")

    return token


def settled() -> Roaming:
    roaming = Roaming(counting())
    roaming.heard(0, "home", 100, 1.0)
    [(link, token)] = roaming.challenges(1.0)
    assert link == 0
    roaming.answered(token)
    assert roaming.is_settled
    return roaming


def test_new_address_gets_three_times_what_came() -> None:
    roaming = Roaming(counting())
    roaming.heard(0, "a", 100, 1.0)
    assert roaming.may_send("a", 100 * LIMIT)
    assert not roaming.may_send("a", 1)
    roaming.heard(0, "a", 10, 1.1)
    assert roaming.may_send("a", 10 * LIMIT)
    assert not roaming.may_send("a", 1)


def test_answer_lifts_the_limit() -> None:
    roaming = settled()
    for _ in range(100):
        assert roaming.may_send("home", 1400)


def test_wrong_answer_proves_nothing() -> None:
    roaming = Roaming(counting())
    roaming.heard(0, "a", 100, 1.0)
    for token in (b"", b"\0" * 8, b"wrong"):
        roaming.answered(token)
        assert not roaming.is_settled


def test_challenge_is_repeated_until_answered() -> None:
    roaming = Roaming(counting())
    roaming.heard(0, "a", 100, 1.0)
    first = roaming.challenges(1.0)
    assert not roaming.challenges(1.0 + REPEAT_S / 2)
    assert roaming.challenges(1.0 + REPEAT_S) == first
    roaming.answered(first[0][1])
    assert not roaming.challenges(9.0)


def test_moved_link_is_limited_again_and_returns_when_nobody_is_there() -> None:
    roaming = settled()
    roaming.heard(0, "victim", 60, 2.0)
    assert roaming.may_send("victim", 180)
    assert not roaming.may_send("victim", 100)
    assert not roaming.returns(2.0 + GIVE_UP_S / 2)
    assert roaming.returns(2.1 + GIVE_UP_S) == [(0, "home")]
    assert roaming.is_settled
    assert roaming.may_send("home", 10_000)


def test_going_back_to_a_proven_address_needs_no_new_proof() -> None:
    roaming = settled()
    roaming.heard(0, "elsewhere", 60, 2.0)
    roaming.heard(0, "home", 60, 2.1)
    assert roaming.is_settled
    assert not roaming.challenges(2.2)


def test_old_token_does_not_prove_the_next_address() -> None:
    roaming = Roaming(counting())
    roaming.heard(0, "a", 100, 1.0)
    [(_, token)] = roaming.challenges(1.0)
    roaming.heard(0, "b", 100, 1.1)
    roaming.answered(token)
    assert not roaming.is_settled
    assert not roaming.may_send("b", 301)


def test_link_that_is_gone_leaves_nothing() -> None:
    roaming = settled()
    roaming.heard(0, "b", 100, 2.0)
    roaming.forget(0)
    assert roaming.is_settled
    assert not roaming.knows("home")
    assert not roaming.knows("b")


def test_next_session_of_the_box_need_not_prove_the_same_address_again() -> None:
    fresh = Roaming(counting())
    fresh.trust(settled())
    fresh.heard(0, "home", 60, 5.0)
    assert fresh.is_settled
    assert fresh.may_send("home", 100_000)
    fresh.heard(0, "elsewhere", 60, 6.0)
    assert not fresh.may_send("elsewhere", 1000)
