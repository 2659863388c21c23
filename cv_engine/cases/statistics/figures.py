"""Figures: what was received, filed and closed in a period, with the published rates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of cases, median times and rates of a period.

    The package's documentation says which case counts where.

    Attributes:
        received: Cases that were reported.
        filed: Cases that were confirmed.
        rejected: Cases that were rejected.
        withdrawn: Cases that were withdrawn.
        closed: Cases that were closed.
        reworked: Of the closed: returned for rework.
        due: Filed cases whose deadline for closing lies in the period.
        deferred: Of the due: waiting at present.
        settled: Of the due: closed by now.
        on_time: Of the due: closed by their deadlines.
        confirm_s: Median time from report to confirmation, in seconds; ``None`` without cases.
        handle_s: Median time from dispatch to handling, in seconds.
        close_s: Median time from report to closing, in seconds.

    Example:
        >>> month = Figures(received=1054, filed=996, due=972, settled=911, on_time=737)
        >>> f"{month.closing_rate:.2%} {month.on_time_rate:.2%}"
        '93.72% 75.82%'
    """

    received: int = 0
    filed: int = 0
    rejected: int = 0
    withdrawn: int = 0
    closed: int = 0
    reworked: int = 0
    due: int = 0
    deferred: int = 0
    settled: int = 0
    on_time: int = 0
    confirm_s: float | None = None
    handle_s: float | None = None
    close_s: float | None = None

    @property
    def filing_rate(self) -> float | None:
        """Filed / received; ``None`` where nothing was received."""
        return _rate(self.filed, self.received)

    @property
    def closing_rate(self) -> float | None:
        """Settled / (due - deferred); ``None`` where nothing was due."""
        return _rate(self.settled, self.due - self.deferred)

    @property
    def on_time_rate(self) -> float | None:
        """On time / (due - deferred); ``None`` where nothing was due."""
        return _rate(self.on_time, self.due - self.deferred)

    @property
    def rework_rate(self) -> float | None:
        """Reworked / closed; ``None`` where nothing was closed."""
        return _rate(self.reworked, self.closed)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
