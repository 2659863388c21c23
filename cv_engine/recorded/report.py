"""What a run reports during its work and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: the video, media seconds done and in all, cases so far."""

    video: Path
    done_s: float
    total_s: float | None
    cases: int


@dataclass(slots=True)
class VideoReport:
    """The result of one video.

    Attributes:
        path: The file.
        status: Whether the video was analysed, had been before, or failed.
        message: Why the video failed, or what else the user should know.
        samples: Frames sampled.
        detections: Samples at which the detector was asked.
        skipped: Stretches that could not be sampled, and timestamps that were repaired.
        camera_events: When the camera was moved, covered, dark or frozen.
        cases: Numbers of the cases.
        why_none: Where there are none, what is known of the reason.
        cases_new: How many findings opened a case.
        cases_known: How many findings belonged to an earlier case.
        seen_s: Media seconds analysed in this run.
    """

    path: Path
    status: Literal["done", "already done", "failed"] = "done"
    message: str = ""
    samples: int = 0
    detections: int = 0
    skipped: list[str] = field(default_factory=list)
    camera_events: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    why_none: list[str] = field(default_factory=list)
    cases_new: int = 0
    cases_known: int = 0
    seen_s: float = 0.0

    def say(self, text: str) -> None:
        """Adds to the message."""
        self.message = f"{self.message}; {text}" if self.message else text


@dataclass(slots=True)
class Summary:
    """The result of a run.

    Attributes:
        videos: The result of each video.
        cpu_s: Processor time that the run took, seconds.
        unsent: Evidence packages that wait here for the store, and why.
    """

    videos: list[VideoReport] = field(default_factory=list)
    cpu_s: float = 0.0
    unsent: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> list[int]:
        """Numbers of the cases, old and new."""
        return sorted({case for video in self.videos for case in video.cases})

    @property
    def cases_new(self) -> int:
        """How many cases the run opened."""
        return sum(video.cases_new for video in self.videos)

    @property
    def cases_known(self) -> int:
        """How many findings belonged to an earlier case."""
        return sum(video.cases_known for video in self.videos)

    @property
    def media_s(self) -> float:
        """Media seconds analysed."""
        return sum(video.seen_s for video in self.videos)
