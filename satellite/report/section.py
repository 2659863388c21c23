"""The content of a report: the changed buildings of comparisons, with their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from satellite.compare.result import Comparison, Site
from satellite.records.judge import Verdict
from satellite.report.categories import BY_CHANGE_TYPE, BY_VERDICT, Category


@dataclass(frozen=True, slots=True)
class ReportedSite:
    """A changed building in the report.

    Attributes:
        site: The changed building.
        verdict: The verdict by the city's records; ``None`` without records.
        case: Number of the building's case, if any.
    """

    site: Site
    verdict: Verdict | None = None
    case: int | None = None

    @property
    def category(self) -> Category:
        """What colours the site: its verdict, or its change type where there are no records."""
        if self.verdict is None:
            return BY_CHANGE_TYPE[self.site.change_type]
        return BY_VERDICT[self.verdict.outcome]


@dataclass(frozen=True, slots=True)
class ReportSection:
    """One comparison in the report.

    Attributes:
        comparison: The comparison.
        sites: The changed buildings.
    """

    comparison: Comparison
    sites: tuple[ReportedSite, ...]

    @property
    def pictures(self) -> Path:
        """Folder of the comparison's pictures."""
        return self.comparison.folder / "pictures"

    @property
    def judged(self) -> bool:
        """Whether the sites were judged by the city's records."""
        return any(reported.verdict is not None for reported in self.sites)

    @property
    def counts(self) -> list[tuple[Category, int]]:
        """The categories that occur, in the order of their keys, with the number of their sites."""
        found = Counter(reported.category for reported in self.sites)
        order = [*BY_VERDICT.values(), *BY_CHANGE_TYPE.values()]
        return [(each, found[each]) for each in order if each in found]

    def numbered(self) -> Iterator[tuple[int, ReportedSite]]:
        """The sites with their numbers, from 1: the same in the table, the map and the layers."""
        return enumerate(self.sites, 1)
