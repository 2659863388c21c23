"""What courts ask of a package, and which of it a package meets."""

from cv_engine.evidence.profiles.facts import CaseFacts, Facts, facts_of
from cv_engine.evidence.profiles.judging import Judged, PointResult, judge
from cv_engine.evidence.profiles.reading import Profile, load_profiles

__all__ = [
    "CaseFacts",
    "Facts",
    "Judged",
    "PointResult",
    "Profile",
    "facts_of",
    "judge",
    "load_profiles",
]
