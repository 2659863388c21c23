"""Cases against stays of the truth.

A stay is found (*loose*) by a case of the right kind that overlaps it in time and place, and found
*strictly* if the boxes also agree (IoU of at least 0.5) and the start lies within the stay's
tolerance and two seconds. Each case matches one stay. Where a thing was moved, or the view has, the
best of its boxes counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import supervision as sv
from numpy.typing import NDArray

_LOOSE_IOU = 0.1
_STRICT_IOU = 0.5
_STRICT_EXTRA_S = 2.0
_WITHIN = 0.5  # of the smaller of two boxes inside the other: the same thing
_RULE_OF = {"abandoned": "clutter", "vehicle": "parked"}


@dataclass(frozen=True, slots=True)
class Event:
    """One stay of the truth.

    Attributes:
        video: Name of the clip.
        kind: Such as ``abandoned_bag`` or ``vehicle_parked``.
        start_s: Start, seconds of the clip.
        end_s: End.
        box: xyxy in pixels.
        tolerance_s: Uncertainty of the start.
        later: Further boxes, ``(n, 4)``: after the thing or the view has moved.
        optional: Whether a case is right and none is not missed.
    """

    video: str
    kind: str
    start_s: float
    end_s: float
    box: NDArray[np.float32]
    tolerance_s: float
    later: NDArray[np.float32] | None = None
    optional: bool = False

    @property
    def boxes(self) -> NDArray[np.float32]:
        """All boxes, ``(n, 4)``."""
        return self.box[None] if self.later is None else np.vstack([self.box[None], self.later])


@dataclass(frozen=True, slots=True)
class Found:
    """One case in a clip's own seconds."""

    kind: str
    start_s: float
    end_s: float
    box: NDArray[np.float32]
    from_first_sample: bool
    confidence: float = 1.0


@dataclass(slots=True)
class Score:
    """Counts over clips.

    Attributes:
        events: Stays that must be found.
        found: Those found, loosely.
        found_strictly: Those found strictly.
        matched: Cases that match a stay, optional ones included.
        matched_strictly: Cases that match a stay strictly.
        false: Cases that match none, where the truth is exhaustive.
        cases_of_found: Cases that lie on a stay that was found, in time and place.
        stays_found: Stays found, optional ones included.
        start_errors_s: Start of the case less start of the stay, of those found.
        confidences: Of each counted case, with whether it was right.
        lines: A line for each stay and false case.
    """

    events: int = 0
    found: int = 0
    found_strictly: int = 0
    false: int = 0
    matched: int = 0
    matched_strictly: int = 0
    cases_of_found: int = 0
    stays_found: int = 0
    start_errors_s: list[float] = field(default_factory=list)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Adds the counts of other clips."""
        self.events += other.events
        self.found += other.found
        self.found_strictly += other.found_strictly
        self.false += other.false
        self.matched += other.matched
        self.matched_strictly += other.matched_strictly
        self.cases_of_found += other.cases_of_found
        self.stays_found += other.stays_found
        self.start_errors_s += other.start_errors_s
        self.confidences += other.confidences
        self.lines += other.lines

    @property
    def recall(self) -> float:
        """Share of the stays found."""
        return self.found / max(1, self.events)

    @property
    def recall_strict(self) -> float:
        """Share of the stays found strictly."""
        return self.found_strictly / max(1, self.events)

    @property
    def precision(self) -> float:
        """Share of the counted cases that match a stay."""
        return self.matched / max(1, self.matched + self.false)

    @property
    def precision_strict(self) -> float:
        """Share of the counted cases that match a stay strictly."""
        return self.matched_strictly / max(1, self.matched + self.false)

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        return 2 * self.recall * self.precision / max(1e-9, self.recall + self.precision)

    @property
    def cases_per_thing(self) -> float:
        """Cases for each stay that was found; 1 where none was."""
        return self.cases_of_found / self.stays_found if self.stays_found else 1.0

    @property
    def start_error_s(self) -> float:
        """Median distance of the starts, seconds; 0 where none was found."""
        return float(np.median(np.abs(self.start_errors_s))) if self.start_errors_s else 0.0


def judge(
    score: Score,
    events: Sequence[Event],
    cases: Sequence[Found],
    exhaustive: Sequence[str],
    video: str,
) -> None:
    """Adds one clip to a score.

    A case without a stay is false only where the truth lists every new stay of its kind, and only
    if it began after the first sample: a thing that stands there from the beginning and matches no
    stay is not judged.

    Args:
        score: The counts.
        events: The truth of the clip.
        cases: The cases of the clip.
        exhaustive: Kinds whose every stay is in the truth, such as ``abandoned``.
        video: Name of the clip, for the lines.
    """
    score.lines.append(f"{video}: {len(cases)} cases, {len(events)} events")
    pairs = match(events, cases)
    for i, event in enumerate(events):
        case = cases[pairs[i]] if i in pairs else None
        _judge_event(score, event, case)
        if case is not None:
            touching = [other for other in cases if _is_of(event, other)]
            score.cases_of_found += max(1, len(touching))
    for j, case in enumerate(cases):
        counted = any(is_kind(kind, case.kind) for kind in exhaustive)
        right = j in pairs.values()
        if right:
            score.confidences.append((case.confidence, True))
        if right or case.from_first_sample or not counted:
            continue
        score.confidences.append((case.confidence, False))
        score.false += 1
        box = case.box.round().astype(int).tolist()
        score.lines.append(f"  FALSE   {case.kind} at {case.start_s:.1f} s, {box}")


def _judge_event(score: Score, event: Event, case: Found | None) -> None:
    if not event.optional:
        score.events += 1
    if case is None:
        missed = "not found (optional)" if event.optional else "MISSED "
        score.lines.append(f"  {missed} {event.kind} at {event.start_s} s")
        return
    strict = is_strict(event, case)
    if not event.optional:
        score.found += 1
        score.found_strictly += strict
        score.start_errors_s.append(case.start_s - event.start_s)
    score.matched += 1
    score.matched_strictly += strict
    score.stays_found += 1
    score.lines.append(
        f"  {'strict' if strict else 'loose':7s} {event.kind} at {event.start_s} s: began "
        f"{case.start_s:.1f} s, IoU {overlap(event, case):.2f}"
    )


def match(events: Sequence[Event], cases: Sequence[Found]) -> dict[int, int]:
    """The number of the case that matches each stay, by the stay's number, best overlap first."""
    candidates = []
    for i, event in enumerate(events):
        for j, case in enumerate(cases):
            shared = overlap(event, case)
            if is_kind(event.kind, case.kind) and _in_time(event, case) and shared >= _LOOSE_IOU:
                # What may be missed takes no case from what must be found.
                candidates.append((not event.optional, is_strict(event, case), shared, i, j))
    pairs: dict[int, int] = {}
    for _, _, _, i, j in sorted(candidates, reverse=True):
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def is_strict(event: Event, case: Found) -> bool:
    """Whether box and start of a case are right."""
    late = abs(case.start_s - event.start_s)
    in_place = overlap(event, case) >= _STRICT_IOU
    return in_place and late <= event.tolerance_s + _STRICT_EXTRA_S


def is_kind(truth: str, kind: str) -> bool:
    """Whether the truth's ``abandoned_bag`` or ``vehicle_parked`` is this kind of case."""
    return any(truth.startswith(start) and rule in kind for start, rule in _RULE_OF.items())


def overlap(event: Event, case: Found) -> float:
    """Largest IoU of a case's box with the stay's boxes."""
    return float(sv.box_iou_batch(event.boxes, case.box[None]).max())


def _in_time(event: Event, case: Found) -> bool:
    return case.start_s <= event.end_s and event.start_s <= case.end_s


def _is_of(event: Event, case: Found) -> bool:
    """Whether a case of any kind lies on a stay, in time and place: the whole or a part."""
    if not _in_time(event, case) or case.from_first_sample:
        return False
    boxes = event.boxes
    low, high = np.maximum(boxes[:, :2], case.box[:2]), np.minimum(boxes[:, 2:], case.box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    smaller = np.minimum(areas, float(np.prod(case.box[2:] - case.box[:2])))
    return bool(np.any(shared >= _WITHIN * np.maximum(smaller, 1e-9)))
