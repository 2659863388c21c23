"""Which things stand still: association by place, for samples that are seconds apart.

A thing that stays is where it was, so place and appearance identify it, not motion. Whatever moves
never collects samples at one place and costs nothing. The same tracker works at 25 samples a second
and at one in five seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import supervision as sv
from scipy.optimize import linear_sum_assignment

from cv_engine.geometry import box_iou
from cv_engine.tracking.view import SAME, Box, Patch, View, correlation

# Correlation of two patches below which they do not show the same thing.
_OTHER = 0.35
# Detector boxes jitter by a pixel or two however small they are.
_JITTER_PX = 2.0
# Share of a box that must turn back into background for the thing in it to be gone.
_BARED = 0.4
# Overlap of two detections of one group from which they are the same thing.
_ONE_THING_IOU = 0.6
# Time constant of a standing thing's box, seconds: jitter averages out, creeping does not hide.
_BOX_SETTLES_S = 3.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What still counts as standing.

    Attributes:
        same_place_iou: Overlap from which a detection is at a track's place.
        creep_iou: Overlap with its first box below which a track has moved on.
        confirm_s: Time for which a track must be seen at its place before it is confirmed.
        confirm_share: Share of the samples in which the detector must see it meanwhile.
        lost_s: Time unseen after which a track has left.
    """

    same_place_iou: float = 0.5
    creep_iou: float = 0.7
    confirm_s: float = 1.0
    confirm_share: float = 0.5
    lost_s: float = 10.0


@dataclass(slots=True)
class Still:
    """A track: something that stands at a place.

    Attributes:
        id: Number, unique within the tracker.
        box: ``(x1, y1, x2, y2)`` in pixels of the frame, smoothed.
        origin: The box at first, against which creeping is measured.
        began: When the thing came to stand, seconds; before ``found`` where the pixels show that.
        found: When the detector first saw the thing, seconds.
        seen: When the thing was last known to be there, by the detector or by unchanged pixels.
        confidence: Highest confidence of the detections.
        votes: Confidence collected by each class name: classes flip between samples.
        hits: Samples in which the detector saw the thing.
        samples: Samples in which the detector was asked.
        confirmed: Whether there is enough proof of the thing.
        patch: Appearance of the thing, where there are pixels.
        bare: Share of the box that shows the background model's background.
        other_since: Since when the place has looked different, ``None`` while it looks the same.
        unwatched_s: Time without samples since ``seen``; above 0 the thing has not been recognised
            since.
    """

    id: int
    box: Box
    origin: Box
    began: float
    found: float
    seen: float
    confidence: float
    votes: dict[str, float]
    hits: int = 1
    samples: int = 1
    confirmed: bool = False
    patch: Patch | None = None
    bare: float = 1.0
    other_since: float | None = None
    unwatched_s: float = 0.0

    @property
    def share(self) -> float:
        """Share of the samples since it was found in which the thing was seen."""
        return self.hits / self.samples

    @property
    def name(self) -> str:
        """The class name with most votes."""
        return max(self.votes, key=lambda name: self.votes[name])


@dataclass(slots=True)
class StillTracker:
    """Keeps the things of one group of classes that stand still before one camera.

    Example:
        >>> tracker = StillTracker(Tolerance())
        >>> standing = tracker.update(0.0, sv.Detections.empty())
        >>> standing
        []

    Attributes:
        tolerance: What counts as standing.
        left: Confirmed things that the last call found gone.
        tracks: Everything followed, confirmed or not.
    """

    tolerance: Tolerance
    left: list[Still] = field(default_factory=list)
    tracks: list[Still] = field(default_factory=list)
    _next_id: int = 1

    def skip(self, gap_s: float) -> None:
        """Accounts for ``gap_s`` seconds without samples."""
        for track in self.tracks:
            track.unwatched_s += gap_s

    @property
    def in_doubt(self) -> bool:
        """Whether a track is not confirmed yet, or not recognised yet after a gap."""
        return any(not track.confirmed or track.unwatched_s > 0 for track in self.tracks)

    def compare(self, time_s: float, view: View) -> bool:
        """Compares the tracks with one sample's pixels, before the detector is asked.

        Returns:
            Whether the detector is needed: a thing is new or not recognised after a gap, or its
            place has looked different for longer than one sample, as it does behind a passer-by.
        """
        for track in self.tracks:
            self._compare(track, time_s, view)
        return self.in_doubt or any(
            track.other_since not in (None, time_s) for track in self.tracks
        )

    def date(self, view: View) -> None:
        """Takes back the starts of what turns out to have stood there all the time."""
        for track in self.tracks:
            track.began = min(track.began, view.still_since(track.box))
            track.bare = max(track.bare, view.bare_share(track.box))

    def update(
        self, time_s: float, detections: sv.Detections | None, view: View | None = None
    ) -> list[Still]:
        """Processes one sample.

        Args:
            time_s: Time, seconds; later than that of the sample before.
            detections: What the detector saw, of this tracker's classes only, with
                ``data["class_name"]``; ``None`` where the detector was not asked.
            view: The sample's pixels; without them only the boxes count.

        Returns:
            The confirmed things, those hidden at the moment included.
        """
        self.left = []
        if detections is not None:
            # A detector often sees one lorry as a car, too.
            alone = detections.with_nms(threshold=_ONE_THING_IOU, class_agnostic=True)
            self._associate(time_s, alone, view)
        self._judge(time_s)
        return [track for track in self.tracks if track.confirmed]

    def _compare(self, track: Still, time_s: float, view: View) -> None:
        if track.patch is None:
            return
        patch = view.patch(track.box)
        if patch is None:
            return
        likeness = correlation(track.patch, patch)
        if view.bare_share(track.box) > track.bare + _BARED:
            likeness = -1.0  # the ground that was there before it came
        if likeness >= SAME:
            track.seen, track.unwatched_s, track.other_since = time_s, 0.0, None
            track.patch += 0.1 * (patch - track.patch)
        elif likeness < _OTHER and track.other_since is None:
            track.other_since = time_s

    def _associate(self, time_s: float, detections: sv.Detections, view: View | None) -> None:
        for track in self.tracks:
            track.samples += 1
        free = list(range(len(detections)))
        # Confirmed tracks choose first: a newcomer beside one must not take its detection.
        for confirmed in (True, False):
            group = [track for track in self.tracks if track.confirmed is confirmed]
            free = self._match(group, free, time_s, detections, view)
        for index in free:
            self._add(time_s, detections, index, view)

    def _match(
        self,
        tracks: Sequence[Still],
        free: Sequence[int],
        time_s: float,
        detections: sv.Detections,
        view: View | None,
    ) -> list[int]:
        if not tracks or not free:
            return list(free)
        boxes = detections.xyxy[list(free)]
        overlap = sv.box_iou_batch(
            pad(np.stack([track.box for track in tracks])), pad(boxes.astype(np.float32))
        )
        rows, columns = linear_sum_assignment(-overlap)
        taken = set()
        for row, column in zip(rows, columns, strict=True):
            if overlap[row, column] < self.tolerance.same_place_iou:
                continue
            if self._hit(tracks[row], time_s, detections, free[column], view):
                taken.add(free[column])
        return [index for index in free if index not in taken]

    def _hit(
        self, track: Still, time_s: float, detections: sv.Detections, index: int, view: View | None
    ) -> bool:
        """Gives a detection to a track, unless it is another thing at the same place."""
        if track.other_since is not None:
            return False  # hidden or replaced: what is seen there does not look like it
        if track.unwatched_s > 0 and not self._recognised(track, view):
            return False  # came in the gap
        box = detections.xyxy[index].astype(np.float32)
        weight = min(max(1.0 / (track.hits + 1), (time_s - track.seen) / _BOX_SETTLES_S), 0.5)
        if track.confirmed and track.patch is not None and track.seen < time_s:
            weight = 0.0  # not recognised now: the box may be that of who passes before it
        settled = track.box + np.float32(weight) * (box - track.box)
        if overlap_of(settled, track.origin) < self.tolerance.creep_iou:
            # The thing has crept away from where it stood: the same thing, but a new stay. (Unless
            # only the detector's box has moved: the pixels show which.)
            moved_s = time_s if view is None else view.still_since(settled)
            if view is not None and track.confirmed and moved_s >= time_s:
                return False  # it moves still, or another passes before it
            track.origin, track.began = settled.copy(), max(track.began, moved_s)
            track.found, track.hits, track.samples = time_s, 0, 1
            if view is not None:
                track.patch = view.patch(settled)
        track.box = settled
        confidence, name = _class_of(detections, index)
        track.votes[name] = track.votes.get(name, 0.0) + confidence
        track.confidence = max(track.confidence, confidence)
        track.seen, track.unwatched_s, track.hits = time_s, 0.0, track.hits + 1
        if view is not None:
            track.bare = view.bare_share(track.box)
            # Whoever stood before it when it was found may have hidden since when it stands.
            track.began = min(track.began, view.still_since(track.box))
        return True

    def _recognised(self, track: Still, view: View | None) -> bool:
        """Whether pixels at a track's place that resemble it only somewhat were there before.

        Cars at one place look somewhat alike, and so does a car in another light. The track then
        takes the present appearance.
        """
        if view is None:
            return True
        if view.still_since(track.box) > track.seen:
            return False
        track.patch = view.patch(track.box)
        return True

    def _add(self, time_s: float, detections: sv.Detections, index: int, view: View | None) -> None:
        box = detections.xyxy[index].astype(np.float32)
        began = time_s if view is None else view.still_since(box)
        if view is not None and began >= time_s > view.first_s:
            return  # it moves
        confidence, name = _class_of(detections, index)
        track = Still(
            id=self._next_id,
            box=box,
            origin=box.copy(),
            began=began,
            found=time_s,
            seen=time_s,
            confidence=confidence,
            votes={name: confidence},
            patch=None if view is None else view.patch(box),
            bare=1.0 if view is None else view.bare_share(box),
        )
        self._next_id += 1
        self.tracks.append(track)

    def _judge(self, time_s: float) -> None:
        """Confirms, forgets and ends tracks."""
        for track in list(self.tracks):
            holder = None if track.confirmed else self._holder(track)
            unseen = time_s - track.seen - track.unwatched_s
            if unseen > self.tolerance.lost_s:
                self._end(track)
            elif not track.confirmed and track.share < self.tolerance.confirm_share:
                self.tracks.remove(track)
            elif holder is not None and holder.seen == time_s:
                self.tracks.remove(track)  # only something that had passed before it
            elif track.hits >= 2 and track.seen - track.found >= self.tolerance.confirm_s:
                track.confirmed = track.confirmed or holder is None

    def _holder(self, newcomer: Still) -> Still | None:
        """The confirmed track at a newcomer's place, hidden or not."""
        for track in self.tracks:
            if track.confirmed and overlap_of(track.box, newcomer.box) >= (
                self.tolerance.same_place_iou
            ):
                return track
        return None

    def _end(self, track: Still) -> None:
        self.tracks.remove(track)
        if track.confirmed:
            self.left.append(track)


def pad(boxes: Box) -> Box:
    """Boxes grown by the detector's jitter, shape (n, 4)."""
    return boxes + np.array([-_JITTER_PX, -_JITTER_PX, _JITTER_PX, _JITTER_PX], np.float32)


def overlap_of(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, jitter allowed for."""
    # In plain numbers: of four values, arrays take ten times as long.
    return box_iou(pad(first).tolist(), pad(second).tolist())


def _class_of(detections: sv.Detections, index: int) -> tuple[float, str]:
    """Confidence and class name of one detection."""
    confidence = detections.confidence
    names = detections.data["class_name"]
    return (1.0 if confidence is None else float(confidence[index])), str(names[index])
