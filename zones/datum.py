"""WGS 84 and GCJ-02, the shifted datum of maps of China.

All places inside the program are WGS 84. CGCS2000 differs from WGS 84 by centimetres and is treated
as equal. GCJ-02 serves to send places to such maps and to read places from them.
"""

from __future__ import annotations

import math

# Krasovsky 1940, the ellipsoid of the published offset formula.
_SEMI_MAJOR_M = 6378245.0
_ECCENTRICITY_2 = 0.00669342162296594323
_CENTRE = (105.0, 35.0)  # longitude and latitude of the origin of the formula's polynomials
# The formula applies within these longitudes and latitudes; outside, maps show WGS 84.
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
_CONVERGED_DEG = 1e-11  # a micrometre
_MAX_STEPS = 30  # the offset changes by less than 1 % of a step, so 6 are enough


def wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Convert WGS 84 to GCJ-02; places outside the rectangle around China are unchanged.

    Source: the offset formula published in open-source map libraries ("eviltransform").

    Args:
        lon: Degrees WGS 84.
        lat: Degrees WGS 84.

    Returns:
        Longitude and latitude in degrees GCJ-02.
    """
    if not _is_shifted(lon, lat):
        return lon, lat
    east, north = _offset(lon, lat)
    return lon + east, lat + north


def gcj02_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """Convert GCJ-02 to WGS 84, to better than 1e-7 degrees.

    The inverse has no closed form; the offset is subtracted iteratively until it converges. Within
    some 700 m outside the rectangle around China, two WGS 84 places share one GCJ-02 place; the one
    inside is returned.

    Args:
        lon: Degrees GCJ-02.
        lat: Degrees GCJ-02.

    Returns:
        Longitude and latitude in degrees WGS 84.
    """
    guess = (lon, lat)
    for _ in range(_MAX_STEPS):
        east, north = _offset(*guess)
        previous, guess = guess, (lon - east, lat - north)
        if math.dist(previous, guess) < _CONVERGED_DEG:
            break
    return guess if _is_shifted(*guess) else (lon, lat)


def _is_shifted(lon: float, lat: float) -> bool:
    return _WEST <= lon <= _EAST and _SOUTH <= lat <= _NORTH


def _offset(lon: float, lat: float) -> tuple[float, float]:
    """Degrees east and north to add."""
    x, y = lon - _CENTRE[0], lat - _CENTRE[1]
    root = math.sqrt(abs(x))
    waves = 20 * math.sin(6 * math.pi * x) + 20 * math.sin(2 * math.pi * x)
    north_m = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves * 2 / 3
    north_m += (20 * math.sin(math.pi * y) + 40 * math.sin(math.pi * y / 3)) * 2 / 3
    north_m += (160 * math.sin(math.pi * y / 12) + 320 * math.sin(math.pi * y / 30)) * 2 / 3
    east_m = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves * 2 / 3
    east_m += (20 * math.sin(math.pi * x) + 40 * math.sin(math.pi * x / 3)) * 2 / 3
    east_m += (150 * math.sin(math.pi * x / 12) + 300 * math.sin(math.pi * x / 30)) * 2 / 3
    latitude = math.radians(lat)
    bend = 1 - _ECCENTRICITY_2 * math.sin(latitude) ** 2
    meridian_m = _SEMI_MAJOR_M * (1 - _ECCENTRICITY_2) / bend**1.5
    parallel_m = _SEMI_MAJOR_M / math.sqrt(bend) * math.cos(latitude)
    return math.degrees(east_m / parallel_m), math.degrees(north_m / meridian_m)
