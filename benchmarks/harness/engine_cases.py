"""The program's own cases of one clip, analysed as a user would."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.harness.event_score import Found
from cv_engine.cases import Case, Filter, open_queue
from cv_engine.config import Config, load_config
from cv_engine.recorded.analyze import analyze

_START = datetime(2026, 5, 1, tzinfo=UTC)
# Samples in the shortest dwell: enough to tell a stay from a slow pass.
_SAMPLES_PER_DWELL = 6


def cases_of(video: Path, config: Config) -> list[Found]:
    """The cases of one clip, analysed from scratch; ``config.data`` must be a new folder."""
    analyze([video], config=config, camera=video.stem, start=_START)
    with open_queue(config.queue) as queue:
        return [_found(case) for case in queue.each(Filter())]


def short_dwell_config(data: Path, dwell_s: float, sample_s: float | None = None) -> Config:
    """The shipped settings with another dwell for every rule.

    Args:
        data: Folder for queue and evidence.
        dwell_s: The dwell.
        sample_s: Interval between samples; ``None`` for a sixth of the dwell, at most the shipped
            one.
    """
    config = load_config(None)
    parking = {"dwell_s": dwell_s, "non_motor_dwell_s": dwell_s}
    rules = config.rules.updated({"parking": parking, "clutter": {"dwell_s": dwell_s}})
    sampled = sample_s or min(config.video.sample_s, dwell_s / _SAMPLES_PER_DWELL)
    video = config.video.model_copy(update={"sample_s": sampled})
    return config.model_copy(update={"data": data, "rules": rules, "video": video})


def _found(case: Case) -> Found:
    start_s = (case.began - _START).total_seconds()
    end_s = ((case.gone_at or case.observed) - _START).total_seconds()
    box = np.asarray(case.place.image_box, np.float32)
    first = bool(case.attributes.get("since_before_recording"))
    return Found(case.kind, start_s, end_s, box, first, case.confidence)
