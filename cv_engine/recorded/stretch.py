"""Recordings that follow on each other, and the stays in them.

A stay is filed once it is over, or once the recording in which it reached its limit is: a recording
shows what came after the limit, so that the evidence has the whole stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from cv_engine.cases import Filed
from cv_engine.pipeline.camera_setup import CameraView
from cv_engine.pipeline.filing import FiledKeys, ThingKey, thing_of
from cv_engine.pipeline.footage import Footage, Recording
from cv_engine.pipeline.observer import Observation
from cv_engine.rules.stays import Violation
from cv_engine.scene.view_health import ViewState


@dataclass(slots=True)
class Stretch:
    """Recordings that follow on each other and are observed as one.

    Attributes:
        view: The view that they show.
        ended: Time of the latest sample.
        footage: The recordings so far, the present one last.
        keys: The findings whose things still stand there.
        standing: Stays that have reached their limit and are not filed yet.
    """

    view: CameraView
    ended: datetime
    footage: Footage = field(default_factory=Footage)
    keys: FiledKeys = field(default_factory=FiledKeys)
    standing: dict[ThingKey, Violation] = field(default_factory=dict)

    def is_present(self, recording: Recording) -> bool:
        """Whether a recording is the one that is being sampled."""
        return bool(self.footage.recordings) and self.footage.recordings[-1] is recording

    def take(self, observation: Observation) -> Iterator[Filed]:
        """Takes what a sample brought, and files the stays that are over.

        Raises:
            EvidenceError, QueueError, VideoError: A stay cannot be filed.
        """
        self.standing |= {thing_of(due): due for due in observation.stays.due}
        view = observation.view
        has_turned = view is not None and view.state is ViewState.MOVED
        for over in observation.stays.ended:
            due = self.standing.pop(thing_of(over), None)
            if due is not None:
                yield self._file(due, over.observed)
            key = self.keys.get(over)
            if key is not None and not has_turned:  # else the camera has left, not the thing
                self.view.filer.gone(key, over.observed)
            self.keys.discard(over)

    def file_standing(self) -> Iterator[Filed]:
        """Files what stands there at the end of a recording, and notes when all was last seen.

        Raises:
            EvidenceError, QueueError, VideoError: A stay cannot be filed.
        """
        for dwell in self.view.observer.zone_dwells:
            for number, (stay, _) in dwell.stays.items():
                thing = (dwell.kind, dwell.zone.name, number)
                due = self.standing.pop(thing, None)
                if due is not None:
                    yield self._file(due, stay.seen)
                key = self.keys.keys.get(thing)
                if key is not None:  # filed now, in another run, or in a recording before
                    self.view.filer.seen(key, stay.seen)

    def _file(self, due: Violation, seen_s: float) -> Filed:
        stay = replace(due, observed=seen_s)
        key, filed = self.view.filer.file(stay, self.footage)
        self.keys.add(stay, key)
        return filed
