from edgebox.hub.twins import KNOWN, WITHIN_S, Twins


def test_two_that_push_each_other_out_are_told() -> None:
    twins = Twins()
    for number in range(5):
        assert not twins.has("b", 4.0 * number)
        twins.hear("b", "ab"[number % 2], 4.0 * number)
    assert twins.has("b", 16)
    assert not twins.has("other", 16)


def test_one_that_is_started_again_and_again_is_one() -> None:
    twins = Twins()
    for number in range(100):
        twins.hear("b", f"start {number}", number)
        twins.hear("b", f"start {number}", number + 0.5)
        assert not twins.has("b", number + 0.5)


def test_a_late_word_of_the_process_before_is_no_twin() -> None:
    twins = Twins()
    for instance in ("old", "new", "old", "new"):
        twins.hear("b", instance, 1.0)
    assert not twins.has("b", 1.0)


def test_it_is_over_when_one_of_them_was_shut_out() -> None:
    twins = Twins()
    for number in range(10):
        twins.hear("b", "ab"[number % 2], number)
    assert twins.has("b", 10)
    assert not twins.has("b", 10 + WITHIN_S)


def test_what_is_remembered_of_a_box_has_an_end() -> None:
    twins = Twins()
    for number in range(1000):
        twins.hear("b", str(number), number)
    twins.hear("b", str(1000 - KNOWN - 1), 1000)
    assert not twins.has("b", 1000)
