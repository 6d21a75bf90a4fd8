"""How sound is packed, by what links carry and lose."""

from edgebox.media.sound.rate import LEVELS, LOSS_MAX, LOSS_MIN, Loss, Rate


def test_the_last_60_kbit_carry_sound_over_two_links() -> None:
    level = Rate().target(20_000)
    assert level.carried_bps <= 60_000
    assert level.bitrate_bps >= 12_000
    assert Rate().target(0).carried_bps <= 40_000


def test_better_links_better_sound() -> None:
    rates = [Rate().target(target).bitrate_bps for target in (30_000, 250_000, 500_000, 2_000_000)]
    assert rates == sorted(rates)
    assert rates[0] == 12_000
    assert rates[-1] == 40_000


def test_at_a_border_it_falls_at_once_and_rises_with_a_margin() -> None:
    rate = Rate()
    border = LEVELS[1][0]
    assert rate.target(border).bitrate_bps == LEVELS[1][1].bitrate_bps
    low = rate.target(border - 1)
    assert rate.target(border + 1) == low
    assert rate.target(int(border * 1.2)).bitrate_bps > low.bitrate_bps


def test_the_worst_listener_decides_and_is_forgotten() -> None:
    loss = Loss()
    assert loss.percent(0.0) == LOSS_MIN
    loss.reported(0.21, 1.0)
    loss.reported(0.0, 1.5)
    assert loss.percent(1.5) == 20
    assert loss.percent(30.0) == LOSS_MIN
    loss.reported(0.9, 31.0)
    assert loss.percent(31.0) == LOSS_MAX
