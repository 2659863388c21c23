"""What a checkpoint keeps of one camera's recordings."""

from __future__ import annotations

from datetime import datetime

import msgspec

from cv_engine.pipeline.filing import ThingKey
from cv_engine.pipeline.observer import ObserverState
from cv_engine.rules.stays import Violation


class RecordingState(msgspec.Struct, frozen=True):
    """One recording of a stretch.

    Attributes:
        path: Absolute path of the file.
        start: Time of its first picture, UTC.
        clock_basis: In words, what the start is based on.
        key: Key of the file together with the settings.
        seen_s: How far it was sampled, media seconds.
    """

    path: str
    start: datetime
    clock_basis: str
    key: str
    seen_s: float


class ReportState(msgspec.Struct, frozen=True):
    """What was found so far in the recording that is being sampled; see `VideoReport`."""

    samples: int
    detections: int
    cases: list[int]
    camera_events: list[str]


class RecordedState(msgspec.Struct, frozen=True):
    """The state of one camera's run over recordings.

    Attributes:
        size: Width and height of the pictures.
        recordings: The recordings that follow on each other, the present one last.
        observer: All that the observer remembers.
        keys: Keys of the findings whose things still stand there.
        standing: Stays that have reached their limit and are not filed yet, since they last.
        first_s: Observer's time of the first sample.
        report: What was found so far in the present recording.
    """

    size: tuple[int, int]
    recordings: list[RecordingState]
    observer: ObserverState
    keys: dict[ThingKey, str]
    standing: dict[ThingKey, Violation]
    first_s: float
    report: ReportState
