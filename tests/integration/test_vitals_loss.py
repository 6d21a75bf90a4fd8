"""The short form of bench/vitals_loss.py: processes are killed, nothing is lost or doubled."""

from bench.vitals_loss import measure


async def test_nothing_is_lost_or_doubled_by_kill_9() -> None:
    result = await measure(points=5, offline=1, seed=3, every_s=0.05)
    assert result.acknowledged > 10
    assert (result.lost, result.twice, result.in_order) == (0, 0, True)
    assert result.samples_there == result.samples_in
