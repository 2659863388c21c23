"""The ``video`` section of the configuration."""

from __future__ import annotations

from typing import Literal

from cv_engine.section import Seconds, Section


class VideoConfig(Section):
    """Which frames of a video are looked at."""

    sample_s: Seconds = 2.0
    decode: Literal["auto", "key", "nonref", "all"] = "auto"
