"""What of a stream is held for the stays that may become cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from cv_engine.live.buffer.capture_clock import CaptureClock
from cv_engine.live.buffer.ring_buffer import RingBuffer
from cv_engine.pipeline.footage import Footage
from cv_engine.rules.dwell import Phase
from cv_engine.rules.stays import Violation, ZoneDwell

# Part of the ring's length at which the beginning of a stay is put aside: most of what stops at a
# light has gone on by then, and the ring still reaches back to before it came.
_PUT_ASIDE = 0.5
# Part of the stay that is allowed after which a picture of it is put aside: proof that it stood.
_BETWEEN = 0.5


class ClipRetention:
    """Holds stretches of one camera's stream.

    Args:
        ring: The stream's last seconds.
        before_s: Seconds before its beginning that a clip of a stay shows.
        ring_s: Length of the ring's ring, seconds.
    """

    def __init__(self, ring: RingBuffer, before_s: float, ring_s: float) -> None:
        self._ring_buffer = ring
        self._before_s = before_s
        self._aside_s = _PUT_ASIDE * ring_s
        self._begun: frozenset[str] = frozenset()
        self._between: frozenset[str] = frozenset()

    @property
    def tags(self) -> frozenset[str]:
        """The stays of which something is held."""
        return self._begun

    def sample(
        self, now_s: float, dwells: Iterable[ZoneDwell], waiting: Sequence[Violation]
    ) -> None:
        """After a look: puts aside what will be needed, and throws away what will not.

        Args:
            now_s: Steady time of the look.
            dwells: The stays of everything in every zone.
            waiting: Stays over their limit that are still to be filed.
        """
        begun = {_tag_of(violation) for violation in waiting}
        between = set(begun)
        for dwell in dwells:
            for thing, (stay, _) in dwell.stays.items():
                age_s = now_s - stay.began
                if stay.phase is not Phase.IN or age_s < self._aside_s:
                    continue
                tag = _tag(dwell.kind, dwell.zone.name, thing, stay.began)
                begun.add(tag)
                if tag not in self._begun and not self._ring_buffer.keeps(tag):
                    self._keep(tag, stay.began - self._before_s)
                if age_s >= _BETWEEN * dwell.limits.dwell_s > self._aside_s:
                    between.add(tag)
                    if tag not in self._between:
                        self._keep(tag, now_s)
        if self._begun - begun:
            self._ring_buffer.release_all_but(sorted(begun))
        self._begun, self._between = frozenset(begun), frozenset(between)

    def put_aside(self, violation: Violation) -> None:
        """Keeps what shows a stay that is over its limit now and will be filed in a moment."""
        tag, start_s = _tag_of(violation), violation.began - self._before_s
        if self._ring_buffer.reaches(start_s):
            self._ring_buffer.release(tag)
            self._keep(tag, start_s)
        else:
            self._keep(tag, violation.observed - self._before_s)

    def footage(self, violation: Violation, clock: CaptureClock) -> Footage:
        """What shows a stay; empty where nothing could be kept."""
        return self._ring_buffer.footage(_tag_of(violation), clock)

    def release(self, violation: Violation) -> None:
        """Throws away what was held for a stay that is filed now."""
        self._ring_buffer.release(_tag_of(violation))

    def _keep(self, tag: str, from_s: float) -> None:
        try:
            self._ring_buffer.keep(tag, from_s)
        except OSError as error:
            structlog.get_logger(__name__).warning(
                "a part of the stream could not be kept for a case", reason=str(error)
            )


def _tag_of(violation: Violation) -> str:
    return _tag(violation.kind, violation.zone, violation.thing, violation.began)


def _tag(kind: str, zone: str, thing: int, began: float) -> str:
    return f"{kind} {zone} {thing} {began:.3f}"
