"""The countries whose plates can be read. Another one is a module here and a line below."""

from __future__ import annotations

from models.plates.countries.china import CHINA
from models.plates.countries.europe import EUROPE
from models.plates.syntax import Country

COUNTRIES: dict[str, Country] = {country.name: country for country in (CHINA, EUROPE)}
"""By their name in the configuration."""
