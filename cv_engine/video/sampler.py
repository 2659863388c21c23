"""Chooses which pictures are decoded, so that every ``sample_s`` has a sample at least cost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Decode = Literal["key", "nonref", "all"]
DECODE_CHOICES: tuple[str, ...] = ("auto", "key", "nonref", "all")

# Longest distance of key frames, as a factor of sample_s: encoders set to "2 seconds" produce 60
# pictures at 29.97 Hz, or start a group late after a scene change.
KEY_SPACING_TOLERANCE = 1.25
# Share of the surveyed time that may lie in longer gaps. Such a gap is decoded completely, at ten
# to twenty times the cost of its key frame: above this share, key frames save little.
_LONG_GAP_SHARE = 0.10
# Times that differ by less are equal: some containers round timestamps to milliseconds (Matroska,
# FLV).
_SAME_S = 2e-3


@dataclass(frozen=True, slots=True)
class Survey:
    """Properties of a recording's packets, found without decoding.

    Attributes:
        key_times: Media times of the key frames seen, seconds, ascending.
        until_s: Media time up to which packets were seen.
        complete: Whether the whole recording was seen.
        packets: Number of packets seen.
        reordered: Whether pictures are stored out of display order (B-frames).
    """

    key_times: tuple[float, ...]
    until_s: float
    complete: bool
    packets: int
    reordered: bool

    @property
    def gaps(self) -> tuple[float, ...]:
        """Seconds from each key frame to the next, the last one to the survey's end."""
        return tuple(b - a for a, b in pairwise((*self.key_times, self.until_s)))

    @property
    def spacing_s(self) -> float | None:
        """The longest time from one key frame to the next, ``None`` without a key frame."""
        return max(self.gaps, default=None)


class Surveyed(Protocol):
    """A recording that can be surveyed; :class:`cv_engine.video.source.Video` is one."""

    @property
    def name(self) -> str:
        """The recording's name in the log."""
        ...

    def survey(self) -> Survey:
        """Surveys the recording's packets."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recording is decoded.

    Attributes:
        decode: ``"key"``: key frames only, and complete groups where key frames are too far apart.
            ``"nonref"``: all pictures that others refer to. ``"all"``: every picture.
        sample_s: Longest media time between samples, seconds.
        reason: Reason for the choice, for the log and for people.
    """

    decode: Decode
    sample_s: float
    reason: str


def choose(video: Surveyed, sample_s: float, decode: str = "auto") -> Plan:
    """Chooses the cheapest way of decoding that gives a sample in every ``sample_s``.

    Only key frames are decoded if at most a tenth of the surveyed time lies in key-frame gaps
    longer than 1.25 ``sample_s`` (these gaps are then decoded completely). Otherwise all pictures
    that others refer to are decoded, or every picture if all are referred to.

    Args:
        video: The recording.
        sample_s: Longest media time between samples, seconds; greater than 0.
        decode: ``"auto"``, or one of ``"key"``, ``"nonref"``, ``"all"`` to force it.

    Raises:
        ValueError: ``sample_s`` or ``decode`` is not one of these values.
    """
    if not sample_s > 0:
        raise ValueError(f"sample_s must be greater than 0 seconds, not {sample_s}")
    if decode not in DECODE_CHOICES:
        raise ValueError(f"decode must be one of {', '.join(DECODE_CHOICES)}, not {decode!r}")
    survey = video.survey()
    plan = _planned(survey, sample_s) if decode == "auto" else _forced(sample_s, decode)
    log: FilteringBoundLogger = structlog.get_logger(__name__)
    log.info("decoding plan", video=video.name, decode=plan.decode, reason=plan.reason)
    return plan


def _forced(sample_s: float, decode: str) -> Plan:
    kind: Decode = "key" if decode == "key" else "nonref" if decode == "nonref" else "all"
    return Plan(kind, sample_s, "set by the configuration")


def _planned(survey: Survey, sample_s: float) -> Plan:
    limit = sample_s * KEY_SPACING_TOLERANCE
    extent = "whole recording" if survey.complete else f"first {survey.until_s:.0f} s"
    gaps = survey.gaps
    if not survey.key_times or survey.packets < 1:
        return Plan("all", sample_s, f"no key frame in the {extent}")
    longest = max(gaps)
    if longest <= limit + _SAME_S:
        reason = f"key frames at most {longest:.2f} s apart ({extent}), within {limit:.2f} s"
        return Plan("key", sample_s, reason)
    long_share = sum(g for g in gaps if g > limit + _SAME_S) / max(sum(gaps), _SAME_S)
    if long_share <= _LONG_GAP_SHARE:
        reason = (
            f"{long_share:.0%} of the {extent} lies in key-frame gaps over {limit:.2f} s, "
            "which are decoded completely"
        )
        return Plan("key", sample_s, reason)
    reason = f"key frames up to {longest:.2f} s apart ({extent}), more than {limit:.2f} s"
    if survey.reordered:
        return Plan("nonref", sample_s, f"{reason}; pictures that none refers to are skipped")
    return Plan("all", sample_s, f"{reason}; there are no B-frames to skip")


@dataclass(slots=True)
class Due:
    """Decides when a sample is due.

    Attributes:
        sample_s: Longest media time between samples, seconds.
        step_s: Time from one picture to the next, seconds: half of this is tolerated as delay, so
            that 60 pictures at 29.97 Hz count as 2 seconds.
        last_s: Media time of the last sample, ``None`` before the first.
    """

    sample_s: float
    step_s: float = 0.0
    last_s: float | None = None

    def is_new(self, media_s: float) -> bool:
        """Whether ``media_s`` lies after the last sample."""
        return self.last_s is None or media_s > self.last_s

    def is_last_chance(self, media_s: float) -> bool:
        """Whether a later picture than the one at ``media_s`` would come too late."""
        return self.last_s is None or media_s >= self.last_s + self.sample_s - _SAME_S

    def is_late(self, media_s: float) -> bool:
        """Whether ``media_s`` lies beyond the time by which a sample is due."""
        if self.last_s is None:
            return True
        return media_s > self.last_s + self.sample_s + max(self.step_s / 2, _SAME_S)

    def is_overdue(self, media_s: float) -> bool:
        """Whether ``media_s`` is so late that key frames alone do not suffice."""
        limit_s = self.sample_s * KEY_SPACING_TOLERANCE
        return self.last_s is not None and media_s > self.last_s + limit_s + _SAME_S
