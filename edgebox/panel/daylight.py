"""Is it dark outside? For the automatic theme only: a good guess, not an almanac.

Without a position the middle of Norway is taken; in the far north and south the switch comes up to
an hour early or late, and one tap on the panel overrides it.
Formulas: NOAA Global Monitoring Laboratory, "General Solar Position Calculations".
"""

import math

LATITUDE_DEG = 63.4
LONGITUDE_DEG = 10.4
DARK_BELOW_DEG = -3.0
"""Sun's height when a bright screen begins to blind: half-way through civil twilight."""

DAY_S = 86_400
YEAR_DAYS = 365.2425


def is_dark(
    utc_s: float, latitude_deg: float = LATITUDE_DEG, longitude_deg: float = LONGITUDE_DEG
) -> bool:
    """Whether the sun is clearly below the horizon at that time and place."""
    return sun_height_deg(utc_s, latitude_deg, longitude_deg) < DARK_BELOW_DEG


def sun_height_deg(utc_s: float, latitude_deg: float, longitude_deg: float) -> float:
    """Sun's height above the horizon, good to about half a degree."""
    day_of_year = (utc_s / DAY_S) % YEAR_DAYS
    year = 2 * math.pi * day_of_year / YEAR_DAYS
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(year)
        - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year)
        - 0.040849 * math.sin(2 * year)
    )
    declination = (
        0.006918
        - 0.399912 * math.cos(year)
        + 0.070257 * math.sin(year)
        - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year)
        - 0.002697 * math.cos(3 * year)
        + 0.00148 * math.sin(3 * year)
    )
    solar_min = (utc_s % DAY_S) / 60 + equation_min + 4 * longitude_deg
    hour_angle = math.radians(solar_min / 4 - 180)
    latitude = math.radians(latitude_deg)
    return math.degrees(
        math.asin(
            math.sin(latitude) * math.sin(declination)
            + math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
        )
    )
