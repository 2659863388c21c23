"""The ``cases`` section of the configuration."""

from __future__ import annotations

from pathlib import Path

from cv_engine.cases.taxonomy.file_model import RetentionEntry
from cv_engine.section import FilePath, Section

# 30 days leave time to object to a rejection; then no one has a reason to see the pictures.
_RETENTION = RetentionEntry.model_validate({"rejected": "30 days"})


class CasesConfig(Section):
    """How the city names, routes and times its cases."""

    taxonomy: FilePath | None = None
    calendar: FilePath | None = None
    organisation: FilePath | None = None
    retention: RetentionEntry = _RETENTION

    def based(self, base: Path) -> CasesConfig:
        """The same with its relative paths starting at a folder."""
        paths = {
            "taxonomy": self.taxonomy,
            "calendar": self.calendar,
            "organisation": self.organisation,
        }
        return self.model_copy(
            update={key: path and base / path.expanduser() for key, path in paths.items()}
        )
