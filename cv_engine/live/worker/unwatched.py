"""The times in which a live camera was not watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta


class UnwatchedTimes:
    """When a camera was not watched, as far as a stay that continues may have begun then.

    A thing first seen soon after such a time may have come at any moment of it, and continues an
    open case of the same thing that was last seen within it.

    Args:
        lost_s: How long a thing may be hidden while the camera is watched, seconds.
        longest_s: Most that is remembered of one such time, seconds.
        times: Times known from an earlier run, each from and to, steady seconds.

    Attributes:
        times: The times, each from and to, in order, steady seconds.
    """

    def __init__(
        self, lost_s: float, longest_s: float, times: Sequence[tuple[float, float]] = ()
    ) -> None:
        self._lost_s = lost_s
        self._longest_s = longest_s
        self.times = list(times)

    def add(self, from_s: float, to_s: float, began_s: Iterable[float]) -> None:
        """Adds a time, and drops earlier ones that no present stay began after.

        Two times with only a moment between them are one: a thing may have been hidden then.

        Args:
            from_s: Start of the gap, steady seconds.
            to_s: End of the gap, steady seconds.
            began_s: When the stays began that continue or are still to be filed, steady seconds.
        """
        earlier = list(self.times)
        if earlier and from_s <= earlier[-1][1] + self._lost_s:
            from_s = max(earlier.pop()[0], to_s - self._longest_s)
        first_s = min(began_s, default=to_s)
        kept = [time for time in earlier if time[1] + self._lost_s >= first_s]
        self.times = [*kept, (from_s, to_s)]

    def missed(self, began_s: float) -> timedelta:
        """How long before its first sighting a thing may have stood there unwatched.

        Args:
            began_s: When the thing was first seen, steady seconds.
        """
        missed_s = (
            began_s - from_s
            for from_s, to_s in self.times
            if from_s < began_s <= to_s + self._lost_s
        )
        return timedelta(seconds=max(missed_s, default=0.0))
