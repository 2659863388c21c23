"""How wrong a camera's clock is: what was measured, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

RTCP = "RTCP sender reports"
ONVIF = "ONVIF"
GIVEN = "as the operator states"
ARRIVAL = "this machine's clock"


@dataclass(frozen=True, slots=True)
class ClockError:
    """The error of a clock at one time.

    Attributes:
        error_s: The clock less the reference, seconds: positive where the clock is fast.
        within_s: Half-width of the interval in which the true error lies, seconds; ``None`` where
            that is not known.
        method: How the error was measured: `RTCP`, `ONVIF`, `GIVEN` or `ARRIVAL`.
        at: When, timezone-aware; ``None`` where that is not known.
        reference_s: Largest error of the reference, this machine's clock, as its NTP service states
            it, seconds; ``None`` where the machine knows of no service that keeps its clock.
    """

    error_s: float
    within_s: float | None
    method: str
    at: datetime | None
    reference_s: float | None = None

    @property
    def largest_s(self) -> float:
        """The largest error that is possible by what was measured, seconds."""
        return abs(self.error_s) + (self.within_s or 0.0) + (self.reference_s or 0.0)

    def as_json(self) -> dict[str, Any]:
        """The values as they stand in a manifest."""
        return {
            "error_s": round(self.error_s, 3),
            "within_s": None if self.within_s is None else round(self.within_s, 3),
            "method": self.method,
            "at": None if self.at is None else self.at.astimezone(UTC).isoformat(),
            "reference_s": None if self.reference_s is None else round(self.reference_s, 4),
        }

    @classmethod
    def of_json(cls, row: Mapping[str, Any]) -> ClockError:
        """The values of a manifest or a record.

        Raises:
            ValueError: The values are malformed.
        """
        try:
            at = row["at"]
            time = None if at is None else datetime.fromisoformat(at)
            if time is not None and time.tzinfo is None:
                raise ValueError("a time without time zone")
            numbers = [row[name] for name in ("error_s", "within_s", "reference_s")]
            error, within, reference = (None if n is None else float(n) for n in numbers)
            if error is None:
                raise ValueError("no error")
            return cls(error, within, str(row["method"]), time, reference)
        except (KeyError, TypeError) as error_:
            raise ValueError(str(error_)) from error_


@dataclass(frozen=True, slots=True)
class ClockHistory:
    """What is known of a camera's clock when a package is sealed.

    Attributes:
        latest: The last measurement.
        days: Time between the first and the last measurement that are kept, days.
        largest_s: The largest error that is possible by any of them, seconds.
        measurements: How many are kept.
        widest_gap: The longest time without a measurement among them.
    """

    latest: ClockError
    days: float
    largest_s: float
    measurements: int
    widest_gap: timedelta = timedelta(0)

    @classmethod
    def of(cls, errors: Sequence[ClockError]) -> ClockHistory | None:
        """The history of some measurements in the order of time; ``None`` where there is none."""
        if not errors:
            return None
        times = [error.at for error in errors if error.at is not None]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        days = sum(gaps, timedelta(0)) / timedelta(days=1)
        largest = max(error.largest_s for error in errors)
        return cls(errors[-1], days, largest, len(errors), max(gaps, default=timedelta(0)))

    def as_json(self) -> dict[str, Any]:
        """The values as they stand in a manifest."""
        return {
            **self.latest.as_json(),
            "history": {
                "days": round(self.days, 2),
                "largest_s": round(self.largest_s, 3),
                "measurements": self.measurements,
                "widest_gap_h": round(self.widest_gap / timedelta(hours=1), 2),
            },
        }


def clock_line(error: ClockError | None) -> str:
    """Writes the error of a camera's clock in words, for captions."""
    if error is None:
        return "error of the camera's clock unknown"
    within = "" if error.within_s is None else f" ± {_seconds(error.within_s)}"
    return f"camera's clock {error.error_s:+.1f} s{within} ({error.method})"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 0.1 else f"{value:.3f} s"
