"""Sun heights against published times of sunrise and sunset."""

from datetime import UTC, datetime

import pytest

from edgebox.panel.daylight import is_dark, sun_height_deg

OSLO = (59.91, 10.75)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "moment",
    [
        "2025-06-21T01:54",  # sunrise and sunset in Oslo at midsummer (03:54 and 22:44 local)
        "2025-06-21T20:44",
        "2025-12-21T08:18",  # at midwinter (09:18 and 15:12 local)
        "2025-12-21T14:12",
    ],
)
def test_sun_is_at_the_horizon_when_almanacs_say_so(moment: str) -> None:
    # Almanacs mean the upper edge with refraction: the centre is 0.83 degrees below.
    assert sun_height_deg(at(moment), *OSLO) == pytest.approx(-0.83, abs=0.6)


def test_dark_at_night_and_light_by_day() -> None:
    assert is_dark(at("2025-12-21T06:00"))
    assert not is_dark(at("2025-12-21T11:00"))
    assert not is_dark(at("2025-06-21T12:00"))
    assert is_dark(at("2025-03-20T22:30"))
