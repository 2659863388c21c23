"""The ``change`` and ``tracking`` sections of the configuration."""

from __future__ import annotations

from cv_engine.section import Seconds, Section


class ChangeConfig(Section):
    """When the detector is asked although nothing has come to rest or gone."""

    refresh_s: Seconds = 120.0


class TrackingConfig(Section):
    """How one thing is followed from look to look."""

    lost_s: Seconds = 20.0
