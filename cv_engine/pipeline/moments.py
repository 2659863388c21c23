"""The moments of a stay that its evidence shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cv_engine.evidence.media.still import Role, Still

# Candidates for each still, this far apart; the sharpest and least hidden one is kept.
_CANDIDATES = 3
_STEP = timedelta(seconds=1)
# Where between the start and the limit the middle still lies, for the kinds that have one.
_BETWEEN = 0.5
# A stay that lasts so much longer than its limit has a still of its end, beside that of the limit.
_LEAST_REST = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Moments:
    """When a stay began, reached its limit, and was last seen.

    Attributes:
        began: Start of the stay.
        limit: When the limit was reached; not later than ``seen``.
        seen: When the thing was last seen.
    """

    began: datetime
    limit: datetime
    seen: datetime

    @classmethod
    def of(cls, began: datetime, seen: datetime, limit_s: float | None) -> Moments:
        """The moments of a stay; without a known limit, the end is all that is known."""
        limit = seen if limit_s is None else began + timedelta(seconds=limit_s)
        return cls(began, min(limit, seen), seen)

    def candidates(self, *, between: bool) -> dict[datetime, list[Role]]:
        """When to take candidates for the stills, and for which roles; in order of time.

        Those of the limit and of the end lie at the limit or after it: a picture from before the
        limit proves nothing.

        Args:
            between: Whether there is a still between start and limit.
        """
        step = min(_STEP, (self.limit - self.began) / (2 * _CANDIDATES))
        half = self.began + _BETWEEN * (self.limit - self.began)
        wanted: dict[Role, list[datetime]] = {
            "start": [self.began + i * step for i in range(_CANDIDATES)]
        }
        if between:
            wanted["between"] = [half + (i - _CANDIDATES // 2) * step for i in range(_CANDIDATES)]
        after = [self.limit + i * _STEP for i in range(_CANDIDATES)]
        wanted["limit"] = [time for time in after if time < self.seen]
        if self.seen - self.limit < _LEAST_REST:
            wanted["limit"].append(self.seen)
        else:
            last = [self.seen - i * _STEP for i in reversed(range(_CANDIDATES))]
            wanted["end"] = [time for time in last if time >= self.limit]
        moments: dict[datetime, list[Role]] = {}
        for role, times in wanted.items():
            for time in times:
                roles = moments.setdefault(time, [])
                roles += [] if role in roles else [role]
        return dict(sorted(moments.items()))

    def proven(self, stills: Sequence[Still]) -> list[Still]:
        """Leaves out stills of the limit from before it, where there is a later one.

        The picture that is shown at a moment was taken a little earlier.
        """
        if not any(still.role in ("limit", "end") and still.time >= self.limit for still in stills):
            return list(stills)
        return [still for still in stills if still.role != "limit" or still.time >= self.limit]

    def named(self) -> dict[str, datetime]:
        """The moments by name, in order of time."""
        named = {"stay begins": self.began, "limit reached": self.limit}
        return named if self.seen == self.limit else named | {"last seen": self.seen}
