"""What a run tells while it goes on and at its end."""

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
    """What became of one video.

    Attributes:
        path: The file.
        status: Whether it was analysed, had been before, or failed.
        message: Why it failed, or what else is worth saying.
        looks: Frames looked at.
        detections: Looks in which the detector was asked.
        skipped: Stretches that could not be looked at, and timestamps that were mended.
        camera_events: When the camera was moved, covered, dark or frozen.
        cases: Numbers of its cases.
        cases_new: How many findings opened a case.
        cases_known: How many findings belonged to a case that was there.
        seen_s: Media seconds looked at in this run.
    """

    path: Path
    status: Literal["done", "already done", "failed"] = "done"
    message: str = ""
    samples: int = 0
    detections: int = 0
    skipped: list[str] = field(default_factory=list)
    camera_events: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)
    cases_new: int = 0
    cases_known: int = 0
    seen_s: float = 0.0

    def say(self, text: str) -> None:
        """Adds something worth saying."""
        self.message = f"{self.message}; {text}" if self.message else text


@dataclass(slots=True)
class Summary:
    """What came of a run: of each video, and of the evidence that is kept elsewhere.

    Attributes:
        videos: What became of each video.
        cpu_s: Processor time that it took, seconds.
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
        """How many findings belonged to a case that was there before."""
        return sum(video.cases_known for video in self.videos)

    @property
    def media_s(self) -> float:
        """Media seconds looked at."""
        return sum(video.seen_s for video in self.videos)
