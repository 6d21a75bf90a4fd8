"""Which pictures are left out when bits are scarce."""

from edgebox.media.pace import DEBT_MAX_S, DEBT_S, FPS_MIN, Pace

PIXELS = 1280 * 720


def encoded(pace: Pace, bitrate_bps: int, *, seconds: int = 4, size: int | None = None) -> int:
    """How many of 30 pictures a second are taken."""
    pace.set_bitrate(bitrate_bps, 100.0)
    taken = 0
    for number in range(seconds * 30):
        now = 100.0 + number / 30
        if pace.wants(now):
            pace.spent(size or int(bitrate_bps / pace.fps / 8), now)
            taken += 1
    return taken


def test_all_pictures_while_there_are_bits() -> None:
    assert encoded(Pace(30, PIXELS), 2_000_000) == 120


def test_fewer_pictures_rather_than_bad_ones() -> None:
    assert encoded(Pace(30, PIXELS), 200_000) in range(55, 63)
    assert encoded(Pace(30, PIXELS), 100_000) in range(28, 32)


def test_small_pictures_need_fewer_bits() -> None:
    assert encoded(Pace(30, 320 * 180), 80_000) == 120


def test_never_fewer_than_the_least() -> None:
    pace = Pace(30, PIXELS)
    pace.set_bitrate(1000, 0.0)
    assert pace.fps == FPS_MIN


def test_waits_after_pictures_that_were_too_large() -> None:
    pace = Pace(30, PIXELS)
    pace.set_bitrate(1_000_000, 100.0)
    pace.spent(int(1_000_000 * (DEBT_S + 0.1) / 8), 100.0)
    assert not pace.wants(100.05)
    assert pace.wants(100.15)


def test_a_cut_of_the_rate_makes_what_is_on_its_way_count_for_longer() -> None:
    pace = Pace(30, PIXELS)
    pace.set_bitrate(2_000_000, 100.0)
    pace.spent(int(2_000_000 * 0.15 / 8), 100.0)
    assert pace.wants(100.04)
    pace.set_bitrate(500_000, 100.04)
    assert not pace.wants(100.05)
    assert pace.wants(100.04 + 0.11 * 4 - DEBT_S + 0.02)


def test_one_huge_picture_does_not_silence_for_good() -> None:
    pace = Pace(30, PIXELS)
    pace.set_bitrate(100_000, 100.0)
    pace.spent(10_000_000, 100.0)
    assert pace.wants(100.0 + DEBT_MAX_S)
