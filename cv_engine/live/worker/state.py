"""What a checkpoint keeps of one live camera."""

from __future__ import annotations

import msgspec

from cv_engine.live.worker.blindness import BlindnessState
from cv_engine.live.worker.retry_queue import Task
from cv_engine.pipeline.filing import ThingKey
from cv_engine.pipeline.observer import ObserverState


class ObservedView(msgspec.Struct, frozen=True):
    """The view that was observed.

    Attributes:
        size: Width and height of the pictures.
        first_s: Steady time of its first sample, seconds.
        observer: All that the observer remembers.
    """

    size: tuple[int, int]
    first_s: float
    observer: ObserverState


class LiveState(msgspec.Struct, frozen=True):
    """The state of one live camera.

    Attributes:
        view: The view that was observed; ``None`` before the first sample.
        last_s: Steady time of the last sample, seconds.
        shift_s: From the camera's clock to UTC, seconds.
        condition: What the camera shows, in a word.
        blindness: Since when the camera has shown nothing useful.
        keys: Keys of the findings whose things still stand there.
        unwatched: Times without samples, each from and to, steady seconds.
        tasks: What is still to be done with findings, in order.
    """

    view: ObservedView | None
    last_s: float
    shift_s: float
    condition: str
    blindness: BlindnessState
    keys: dict[ThingKey, str]
    unwatched: list[tuple[float, float]]
    tasks: list[Task]
