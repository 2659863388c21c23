"""Which clips of a stream are kept for the stays that may become cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.pipeline.footage import Footage
from cv_engine.rules.dwell import Phase
from cv_engine.rules.stays import Violation, ZoneDwell

# Part of the ring buffer's length after which the start of a stay is kept: most vehicles that stop
# at a light have left by then, and the ring still reaches back to before the stay.
_START_KEPT = 0.5
# Part of the allowed stay after which a clip of its middle is kept, as proof of presence.
_MIDDLE_KEPT = 0.5


class ClipRetention:
    """Keeps the clips of one camera's stays, and releases those that no case needs.

    Args:
        ring: Ring buffer of the camera's stream.
        before_s: Seconds before the start of a stay that its clip shows.
        ring_s: Length of the ring buffer, seconds.
    """

    def __init__(self, ring: RingBuffer, before_s: float, ring_s: float) -> None:
        self._ring = ring
        self._before_s = before_s
        self._start_kept_s = _START_KEPT * ring_s
        self._started: frozenset[str] = frozenset()
        self._halfway: frozenset[str] = frozenset()

    @property
    def tags(self) -> frozenset[str]:
        """The tags of the stays whose clips are kept."""
        return self._started

    def update(
        self, now_s: float, dwells: Iterable[ZoneDwell], waiting: Sequence[Violation]
    ) -> None:
        """After a sample: keeps the clips that will be needed, and releases the others.

        Args:
            now_s: Steady time of the sample, seconds.
            dwells: All stays in every zone.
            waiting: Stays over their limit that are still to be filed.
        """
        started = {_tag_of(violation) for violation in waiting}
        halfway = set(started)
        for dwell in dwells:
            for thing, (stay, _) in dwell.stays.items():
                age_s = now_s - stay.began
                if stay.phase is not Phase.IN or age_s < self._start_kept_s:
                    continue
                tag = _tag(dwell.kind, dwell.zone.name, thing, stay.began)
                started.add(tag)
                if tag not in self._started and not self._ring.keeps(tag):
                    self._keep(tag, stay.began - self._before_s)
                if age_s >= _MIDDLE_KEPT * dwell.limits.dwell_s > self._start_kept_s:
                    halfway.add(tag)
                    if tag not in self._halfway:
                        self._keep(tag, now_s)
        if self._started - started:
            self._ring.release_all_but(sorted(started))
        self._started, self._halfway = frozenset(started), frozenset(halfway)

    def keep(self, violation: Violation) -> None:
        """Keeps the clips of a stay that is over its limit and is about to be filed."""
        tag, start_s = _tag_of(violation), violation.began - self._before_s
        if self._ring.reaches(start_s):
            self._ring.release(tag)
            self._keep(tag, start_s)
        else:
            self._keep(tag, violation.observed - self._before_s)

    def footage(self, violation: Violation, clock: CaptureClock) -> Footage:
        """The clips of a stay; empty where none could be kept."""
        return self._ring.footage(_tag_of(violation), clock)

    def release(self, violation: Violation) -> None:
        """Deletes the clips of a stay that has been filed."""
        self._ring.release(_tag_of(violation))

    def _keep(self, tag: str, from_s: float) -> None:
        try:
            self._ring.keep(tag, from_s)
        except OSError as error:
            structlog.get_logger(__name__).warning(
                "a clip could not be kept for a case", reason=str(error)
            )


def _tag_of(violation: Violation) -> str:
    return _tag(violation.kind, violation.zone, violation.thing, violation.began)


def _tag(kind: str, zone: str, thing: int, began: float) -> str:
    return f"{kind} {zone} {thing} {began:.3f}"
