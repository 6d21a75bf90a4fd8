"""One link: prediction, budget and the states it goes through."""

from edgebox.bond.path import (
    COLD_PACKETS,
    DOWN_S,
    PROOF_PACKETS,
    SUSPECT_S,
    Path,
    PathState,
    Sent,
)


def warm_path(rate_bps: float = 8_000_000) -> Path:
    path = Path(0, "address", 0.0)
    for step in range(20):
        path.estimate.on_progress(step * 0.01, 0.050, 0.025, step * 0.01, step * 10_000, 50)
    path.estimate.capacity_bps = rate_bps
    path.estimate.starting = False
    path.last_progress_at = 0.2
    return path


def send(path: Path, number: int, now: float, size: int = 1000) -> Sent:
    sent = Sent(number, size, now, 0, eliciting=True, datagram=None)
    path.on_sent(sent, now)
    return sent


def test_queue_builds_with_what_is_sent_and_drains_with_time() -> None:
    path = warm_path()
    for number in range(10):
        send(path, number, 1.0)
    assert abs(path.queue_s(1.0) - 0.010) < 1e-9
    assert abs(path.queue_s(1.004) - 0.006) < 1e-9
    assert path.queue_s(2.0) == 0.0


def test_one_error_of_prediction_is_corrected_once() -> None:
    path = warm_path()
    packets = [send(path, number, 1.0 + number * 0.001) for number in range(5)]
    for number, sent in enumerate(packets):
        # Every packet meets 20 ms more than predicted, for one and the same reason.
        path.correct_queue(sent, 0.020, 1.05 + number * 0.001)
    assert 0.0 < path.queue_s(1.055) < 0.025


def test_budget_holds_back_what_the_link_cannot_take() -> None:
    path = warm_path(1_000_000)
    number = 0
    while path.wait_s(1000, 1.0) == 0.0 or path.in_flight + 1000 <= path.budget():
        send(path, number, 1.0)
        number += 1
        assert number < 100
    assert path.in_flight <= path.budget()
    assert path.wait_s(1000, 1.0) > 0.0


def test_cold_link_may_send_a_few_packets() -> None:
    path = Path(0, "address", 0.0)
    assert path.budget() >= COLD_PACKETS * 1200


def test_pacing_spreads_a_burst() -> None:
    path = warm_path(1_000_000)
    send(path, 0, 1.0)
    send(path, 1, 1.0)
    assert 0.0 < path.wait_s(1000, 1.0) <= 0.008
    assert path.wait_s(1000, 1.01) == 0.0


def test_silence_counts_only_while_loaded() -> None:
    path = warm_path()
    assert path.silence_s(50.0) == 0.0
    send(path, 0, 50.0)
    assert path.silence_s(50.0 + path.estimate.srtt_s) < 1e-9
    assert path.silence_s(50.0 + path.estimate.srtt_s + 0.1) > 0.09


def test_silence_makes_it_look_later_and_worth_less() -> None:
    path = warm_path()
    before_s = path.arrival_s(1000, 1.0)
    send(path, 0, 1.0)
    assert path.arrival_s(1000, 1.2) > before_s + 0.1
    assert path.confidence(1.0) == 1.0
    assert path.confidence(1.25) == 0.0


def test_one_lost_ping_is_no_silence() -> None:
    path = warm_path()
    send(path, 0, 1.0)
    assert not path.update_state(1.5)
    assert path.state is PathState.UP


def test_silent_link_is_suspected_then_down_then_returns_by_proof() -> None:
    path = warm_path()
    for number in range(3):
        send(path, number, 1.0)
    assert not path.update_state(1.0 + path.estimate.srtt_s + SUSPECT_S - 0.01)
    states = []
    for silence_s in (path.suspect_after_s(), DOWN_S):
        assert path.update_state(1.0 + path.estimate.srtt_s + silence_s + 0.01)
        states.append(path.state)
    assert states == [PathState.SUSPECT, PathState.DOWN]
    assert path.on_alive(3.0)
    shares = [path.share]
    for _ in range(2 * PROOF_PACKETS):
        path.on_proof()
        shares.append(path.share)
    assert shares[0] == 0.25
    assert shares[PROOF_PACKETS] == 0.5
    assert shares[-1] == 1.0


def test_suspect_link_that_answers_is_up_at_full_share() -> None:
    path = warm_path()
    for number in range(3):
        send(path, number, 1.0)
    path.update_state(1.4)
    assert path.on_alive(1.5)
    assert (path.state, path.share) == (PathState.UP, 1.0)


def test_link_the_system_lost_is_down_at_once() -> None:
    path = warm_path()
    path.attached = False
    assert path.update_state(1.0)
    assert path.state is PathState.DOWN


def test_link_the_system_has_lost_is_not_up_for_what_it_carried_before() -> None:
    path = warm_path()
    path.attached = False
    assert path.update_state(1.0)
    capacity_bps = path.estimate.capacity_bps
    assert not path.on_alive(1.01)
    assert path.state is PathState.DOWN
    assert path.estimate.capacity_bps == capacity_bps


def test_burst_ends_when_the_link_is_predicted_to_be_idle() -> None:
    path = warm_path(8_000_000)
    packets = [send(path, number, 1.0 + number * 0.0005) for number in range(4)]
    assert packets[3].burst_at == 1.0
    assert packets[3].burst_bytes == 4000
    later = send(path, 4, 1.1)
    assert later.burst_at == 1.1
    assert later.burst_bytes == 1000
