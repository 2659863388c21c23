"""Which unexplained things have come to rest: regions of the background model, followed by place.

A settled region is a thing, a person or vehicle that stands, the ground behind something that was
taken away, a shadow, or a spot of sun. The detector names persons and vehicles; the verifier
separates things from the rest. The things that remain are followed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from cv_engine.scene.absorbed import Absorbed
from cv_engine.scene.background import Background, Mask, Region
from cv_engine.scene.pieces import came_with, filled, joined, merged
from cv_engine.scene.provisional import Provisional
from cv_engine.tracking.explained import covered, is_beside, stands
from cv_engine.tracking.look import Look
from cv_engine.tracking.still import Still
from cv_engine.tracking.thing import Settled, is_attended, people_in

# How long a region judged to be light or ground is not judged again, and a thing judged often is
# not: seconds at least, and share of the time after which the detector is asked again.
_VERDICT_HOLDS_S, _VERDICT_HOLDS_SHARE = 5.0, 0.3
# Regions at once beyond which the picture has changed as a whole: light, or another view.
_AT_MOST = 25
# How long light or bare ground must last to become background.
_BELONGS_AFTER_S = 15.0
# For how many times as long what became background may turn out to be a thing, and the logit for
# that: it was judged to be none before.
_REMEMBERED, _AGAIN_LOGIT = 4.0, 1.0
# Part of a region up to which the detector may have named something before it.
_CLEAR = 0.2
# Logit above which the detector is asked about a region: a thing is named rather once too often.
_ASKED_LOGIT = -1.0
# Share of the time after which the detector is asked that a region must have stood to be judged:
# most of what comes to rest in a busy street is gone again.
_PATIENCE_SHARE = 0.5
# Mean logit below which what was followed as a thing is none after all.
_DOUBTED_LOGIT = -1.0
# Logit above which a region is one thing, whenever its parts came to rest. Below its negative the
# region is none, without doubt.
_SURE_LOGIT = 2.0


@dataclass(slots=True)
class SettledKeeper:
    """Follows the unexplained things of one view.

    Attributes:
        scale: Pixels of the small picture per pixel of the frame.
        watched: Where things matter, shape of the small picture.
        min_side_px: Smallest short side of a thing, pixels of the frame.
        lost_s: Time unseen after which a thing is gone.
        ask_again_s: Time for which something must have stood before the detector is asked about it,
            and after which the detector is asked again, seconds.
        from_s: Time before which what came to rest belongs to the view: the camera was being moved.
    """

    scale: float
    watched: Mask
    min_side_px: float
    lost_s: float
    ask_again_s: float
    from_s: float = -math.inf
    _things: list[Settled] = field(default_factory=list)
    _regions: list[Region] = field(default_factory=list)
    _lights: list[Region] = field(default_factory=list)
    _explained: NDArray[np.float64] | None = None
    _dismissed: NDArray[np.float64] | None = None
    _dismissed_s: float = 0.0
    _explained_s: float = 0.0
    _first: Provisional = field(default_factory=Provisional)
    _absorbed: Absorbed = field(init=False)
    _named: Mask | None = None
    _open: Mask | None = None
    _next_id: int = 1

    def __post_init__(self) -> None:
        self._absorbed = Absorbed(_REMEMBERED * self._belongs_after_s)

    def skip(self, gap_s: float) -> None:
        """Accounts for ``gap_s`` seconds without samples.

        Verdicts on light and ground, and the detector's results, age in the gap: after it both are
        obtained again. The light may be another one, too, and no earlier ground is known in it.
        """
        for thing in self._things:
            thing.unwatched_s += gap_s
        self._absorbed.clear()

    def find(self, look: Look, standing: NDArray[np.float32]) -> bool:
        """Finds the settled regions in a sample's pixels.

        Args:
            look: The sample.
            standing: Boxes of what is known to stand there, (n, 4), pixels of the frame.

        Returns:
            Whether the background turned out to have been another one from the beginning.
        """
        background = look.background
        learned = self._first.learn(background, self.lost_s)
        self._absorbed.revert(background)
        mask = background.settled & self.watched
        mask &= ~covered(standing, self.scale, mask.shape)
        mask &= ~self._dismissed_now(background)
        self._open = mask
        if self._explained is not None:
            mask = mask & (background.candidate_since != self._explained)
        self._regions = self._fresh(background, mask)
        return learned

    def asks(self, look: Look) -> bool:
        """Whether the detector must name something that has come to rest, after `find`."""
        due = [region for region in self._regions if self._is_due(look.time_s, region)]
        return any(logit > _ASKED_LOGIT for logit in look.logits(due)) or self._explanation_is_old(
            look.background
        )

    def _fresh(self, background: Background, mask: Mask) -> list[Region]:
        """The regions of a mask that may be things; the others are absorbed into the background."""
        found = background.regions(mask, self.min_side_px * self.scale)
        if len(found) > _AT_MOST:
            self._absorbed.clear()
            fresh = []
        else:
            fresh = [region for region in found if region.since >= self.from_s]
        for region in found if len(fresh) < len(found) else []:
            if not any(region is kept for kept in fresh):
                background.absorb(region)
        return joined(fresh)

    def _is_due(self, time_s: float, region: Region) -> bool:
        """Whether a region needs a name: new, or asked about some time ago."""
        known = next(iter(self._known(region)), None)
        last_s = known.asked_s if known is not None and known.is_well_known else region.since
        return time_s - last_s >= self.ask_again_s

    def _known(self, region: Region) -> list[Settled]:
        """The things at a region's place; pieces of one thing may be several.

        Those that the detector names come first, then the oldest. A region that came to rest there
        in a gap is another thing.
        """
        box = np.array(region.box, np.float32) / np.float32(self.scale)
        here = [
            thing
            for thing in self._things
            if thing.is_at(box) and (thing.unwatched_s == 0 or region.since <= thing.seen)
        ]
        return sorted(here, key=lambda thing: thing.track is None)

    @property
    def _holds_s(self) -> float:
        """How long a verdict of the verifier holds, seconds."""
        return max(_VERDICT_HOLDS_S, _VERDICT_HOLDS_SHARE * self.ask_again_s)

    @property
    def _patience_s(self) -> float:
        """How long a region must have stood before it is judged, seconds."""
        return _PATIENCE_SHARE * self.ask_again_s

    @property
    def _belongs_after_s(self) -> float:
        """How long light or bare ground must have lasted to become background, seconds."""
        return _BELONGS_AFTER_S + self._patience_s

    def _dismissed_now(self, background: Background) -> Mask:
        """Pixels of regions that were found to be light or ground a moment ago."""
        if self._dismissed is None or background.time_s - self._dismissed_s >= self._holds_s:
            self._dismissed = np.full(background.candidate_since.shape, np.nan)
            self._dismissed_s = background.time_s
        return np.equal(self._dismissed, background.candidate_since, dtype=np.bool_)

    def _explanation_is_old(self, background: Background) -> bool:
        """Whether to ask again: a person who stood there may have left a thing behind."""
        if self._explained is None or background.time_s - self._explained_s < self.ask_again_s:
            return False
        assert self._open is not None
        # Vehicles known to stand there are not in it: the tracker asks when one of them leaves.
        # A passer-by before a thing explains specks of it, and what is left is specks, too.
        stale = self._open & (self._explained == background.candidate_since)
        found = background.regions(self._open, self.min_side_px * self.scale) if stale.any() else []
        return any(bool((stale[region.window] & region.mask).any()) for region in found)

    def update(
        self,
        look: Look,
        detections: sv.Detections | None,
        named: Sequence[Still] = (),
    ) -> list[Settled]:
        """Explains what the detector named, and follows the rest.

        Args:
            look: The sample, as given to `find`.
            detections: Persons, vehicles and whatever else is no thing; ``None`` where the
                detector was not asked.
            named: Goods that the detector names in sample after sample.

        Returns:
            The things that remain.
        """
        background, time_s = look.background, look.time_s
        if detections is not None:
            self._explain(background, detections)
        judged = list(self._judged(look))
        since_s = time_s - self._patience_s - _VERDICT_HOLDS_S
        self._lights = [light for light in self._lights if light.since > since_s]
        self._lights += [region for region, logit, _ in judged if logit < 0]
        for region, logit, known in judged:
            doubted = known and known[0].is_well_known
            if logit > (_DOUBTED_LOGIT if doubted else 0.0) and not came_with(self._lights, region):
                self._follow(look, region, logit, known, detections)
            else:
                self._dismiss(background, region, logit)
        for track in named:
            self._take(background, track, detections)
        for thing in self._things:
            if thing.is_well_known and thing.seen < time_s:
                thing.recognise(background, self._shown(background, thing.pixels.window))
            is_seen = thing.seen == time_s
            thing.hits += is_seen
            # Hidden by somebody, a thing may be there or not.
            thing.samples += is_seen or thing.is_bare(background)
        self._things = [
            thing
            for thing in self._things
            if time_s - thing.seen - thing.unwatched_s <= self.lost_s
        ]
        self._judge_again(look)
        return self._things

    def _judge_again(self, look: Look) -> None:
        """Restores what became background a while ago, and is a thing after all."""
        background, absorbed = look.background, self._absorbed
        if look.time_s - absorbed.judged_s < self._holds_s:
            return
        absorbed.judged_s = look.time_s
        if absorbed.is_empty:
            return
        ground, _ = absorbed.earlier(background)
        # Who was named longer ago has left: otherwise the detector would have been asked again.
        is_recent = look.time_s - self._explained_s <= self.ask_again_s
        for region in absorbed.doubtful(background, ground, self.min_side_px * self.scale):
            named = self._named[region.window] if is_recent and self._named is not None else None
            is_clear = named is None or np.count_nonzero(named) <= _CLEAR * named.size
            if is_clear and look.logit_before(ground, region) > _AGAIN_LOGIT:
                absorbed.restore(background, region)

    def _judged(self, look: Look) -> Iterator[tuple[Region, float, list[Settled]]]:
        """The regions with their logits and the things known there, regions of two things split."""
        for region in self._regions:
            known = self._known(region)
            if self._first.holds(look.background, region):
                yield region, -math.inf, []
                continue
            if not known and look.time_s - region.since < self._patience_s:
                continue
            for part in self._split(look, region, known):
                here = known if part is region else self._known(part)
                if here and here[0].is_judged(look.time_s, self._holds_s):
                    yield part, here[0].logit, here
                else:
                    (logit,) = look.logits([part])
                    yield part, here[0].judge(look.time_s, logit) if here else logit, here

    def _split(self, look: Look, region: Region, known: Sequence[Settled]) -> list[Region]:
        """The parts of a region that are things of their own; usually the region itself.

        What came to rest beside a known thing, later, is none of it. Elsewhere the whole and its
        parts compete, and the more likely thing wins.
        """
        if not known and look.logits([region])[0] >= _SURE_LOGIT:
            return [region]
        parts = look.background.parts(region, self.min_side_px * self.scale)
        if known:
            own = [part for part in parts if known[0].has_most_of(part)]
            if own and len(own) < len(parts):
                return [merged(own), *(part for part in parts if not known[0].has_most_of(part))]
        elif parts and max(look.logits(parts)) > look.logits([region])[0]:
            return parts
        return [region]

    def _explain(self, background: Background, detections: sv.Detections) -> None:
        shape = background.is_background.shape
        boxes = detections.xyxy.astype(np.float32)
        self._named = covered(boxes, self.scale, shape)
        people = covered(people_in(detections), self.scale, shape)
        self._first.named(background, self._named, people)
        still = [stands(background, tuple(box)) for box in (boxes * self.scale).tolist()]
        standing = covered(boxes[np.array(still, np.bool_)], self.scale, shape)
        explained = standing | (self._named & ~self._known_well(background))
        self._explained_s = background.time_s
        self._explained = np.where(
            explained & background.settled, background.candidate_since, np.nan
        )
        assert self._open is not None
        # Found again, since the last explanation hid a part of the picture as of another moment.
        self._regions = self._fresh(background, self._open & ~explained)

    def _known_well(self, background: Background) -> Mask:
        """Pixels of things that the detector did not name several times."""
        pixels = np.zeros(background.candidate_since.shape, np.bool_)
        for thing in self._things:
            if thing.is_well_known:
                x1, y1, x2, y2 = (thing.box * self.scale).round().astype(int).tolist()
                window = (slice(max(0, y1), y2), slice(max(0, x1), x2))
                pixels[window] |= background.candidate_since[window] <= thing.seen
        return pixels

    def _follow(
        self,
        look: Look,
        region: Region,
        logit: float,
        known: Sequence[Settled],
        detections: sv.Detections | None,
    ) -> None:
        """Follows a region that shows a thing; pieces known at its place become one."""
        background = look.background
        box = np.array(region.box, np.float32) / np.float32(self.scale)
        thing = known[0] if known else self._new(box, region, look.time_s)
        if not known:
            thing.judge(look.time_s, logit)
        self._replace(known, thing)
        whole = None if detections is None else self._is_whole(background, region)
        if detections is not None and is_attended(box, detections):
            thing.attended = look.time_s
        thing.see(background, region, box, self._shown(background, thing.pixels.window), whole)

    def _take(self, background: Background, track: Still, detections: sv.Detections | None) -> None:
        """Follows what the detector names as a thing, under the number that its place has."""
        if track.began <= max(background.first_s, self.from_s):
            return  # belongs to the view
        known = [thing for thing in self._things if thing.track == track.id]
        known += [
            thing for thing in self._things if thing.track != track.id and thing.is_at(track.box)
        ]
        if known:
            thing = known[0]
        else:
            shape = background.is_background.shape
            region = filled(track.box * self.scale, track.began, shape)
            thing = self._new(track.box, region, track.seen)
        self._replace(known, thing)
        thing.name(track)
        if detections is not None and is_attended(track.box, detections):
            thing.attended = background.time_s

    def _new(self, box: NDArray[np.float32], region: Region, time_s: float) -> Settled:
        self._next_id += 1
        return Settled(self._next_id - 1, box, region, region.since, time_s)

    def _replace(self, known: Sequence[Settled], thing: Settled) -> None:
        """Keeps a thing in place of all that was known at its place."""
        others = [each for each in self._things if all(each is not piece for piece in known)]
        self._things = [*others, thing]

    def _shown(self, background: Background, window: tuple[slice, slice]) -> Mask:
        """Unexplained pixels in a window."""
        since = background.candidate_since[window]
        assert self._open is not None and self._dismissed is not None
        shown: Mask = self._open[window] & (since != self._dismissed[window])
        if self._explained is not None:
            shown &= since != self._explained[window]
        return shown

    def _is_whole(self, background: Background, region: Region) -> bool:
        """Whether no part of a region is hidden, and nothing beside the region is in doubt."""
        x1, y1, x2, y2 = region.box
        around = (slice(max(0, y1 - 2), y2 + 2), slice(max(0, x1 - 2), x2 + 2))
        hidden = self._named is not None and bool(self._named[around].any())
        return not hidden and not bool(self._dismissed_now(background)[around].any())

    def _dismiss(self, background: Background, region: Region, logit: float) -> None:
        """Ignores light and ground for a while, and absorbs them into the background if they last.

        Absorbing waits, unless light has changed far from every person: the first glimpse of a
        thing beside a person can look like anything.
        """
        assert self._dismissed is not None
        self._dismissed[region.window][region.mask] = background.candidate_since[region.window][
            region.mask
        ]
        lasted_s = background.time_s - region.since
        is_ground = logit == -math.inf  # what stood before it at first is gone, and does not matter
        beside = self._named is not None and is_beside(region, self._named)
        sure = not is_ground and logit < -_SURE_LOGIT and not beside
        if lasted_s >= self._belongs_after_s or sure:
            if is_ground:
                background.absorb(region)
            else:
                self._absorbed.absorb(background, region)
            self._first.found(background, region)
