"""What the tests of the service begin with."""

from __future__ import annotations

from datetime import timedelta

from tests.cases.made import at

#: Some hours after the footage of `tests.cases.made`.
NOW = at(0) + timedelta(hours=3)
