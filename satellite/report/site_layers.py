"""The changed buildings as layers for a GIS and a table for spreadsheets, with their verdicts."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import partial
from pathlib import Path

from cv_engine.cases.export.spreadsheet import code_cell, safe_cell
from satellite.detection.measured import accuracy
from satellite.records.judge import Verdict
from satellite.report.categories import BY_CHANGE_TYPE, BY_REASON, BY_VERDICT
from satellite.report.qgis_style import qgis_style
from satellite.report.section import ReportedSite, ReportSection
from satellite.vector.gis_files import (
    CHANGES,
    NOT_COMPARED,
    Feature,
    Value,
    write_geojson,
    write_geopackage,
    write_whole,
)

_OF_VERDICT = (
    *("outcome", "verdict", "permit", "expired_permit", "outside_permit_m2"),
    *("planning_zone", "planning_building"),
)
#: The fields of a site in every layer, in their order; see :func:`site_properties`.
FIELDS = (
    *("site", "sort", *_OF_VERDICT, "case", "area_m2", "width_m", "confidence"),
    *("uncertain_share", "before", "after", "detector", "detector_f1", "detector_accuracy"),
)
# Those that a spreadsheet keeps as text: a permit's number may begin with zeros.
_CODES = frozenset({"permit", "expired_permit"})


def write_site_layers(section: ReportSection) -> None:
    """Writes the changed buildings and what was not compared to the comparison's folder.

    Written are ``changes.geojson``, ``changes.gpkg``, ``changes.csv`` (UTF-8 with BOM) and
    ``not_compared.geojson``; ``changes.qml`` and ``not_compared.qml`` are their styles in QGIS,
    which the GeoPackage holds too.

    Raises:
        SatelliteError: A file cannot be written.
    """
    comparison = section.comparison
    folder, crs = comparison.folder, comparison.grid.crs
    rows = [(each, site_properties(section, number, each)) for number, each in section.numbered()]
    changes = [Feature(each.site.building.polygon, row) for each, row in rows]
    missing = [
        Feature(gap.polygon, {"reason": gap.reason.name.lower(), "area_m2": round(gap.area_m2, 1)})
        for gap in comparison.gaps
    ]
    styles = {
        CHANGES: _style(section),
        NOT_COMPARED: qgis_style("reason", BY_REASON.values()),
    }
    write_geojson(folder / "changes.geojson", changes, crs)
    write_geojson(folder / "not_compared.geojson", missing, crs)
    write_geopackage(folder / "changes.gpkg", changes, missing, crs, styles)
    for name, style in styles.items():
        write_whole(folder / f"{name}.qml", partial(_write_text, style))
    table = _csv(section, [row for _, row in rows])
    write_whole(
        folder / "changes.csv",
        lambda part: part.write_text(table, encoding="utf-8-sig", newline=""),
    )


def site_properties(
    section: ReportSection, number: int, reported: ReportedSite
) -> dict[str, Value]:
    """The properties of a site in every layer; those of a verdict are ``None`` without records.

    Args:
        section: The comparison.
        number: The site's number.
        reported: The site.
    """
    comparison, building = section.comparison, reported.site.building
    return {
        "site": number,
        "sort": reported.site.change_type,
        **_verdict_properties(reported.verdict),
        "case": reported.case,
        "area_m2": round(building.area_m2, 1),
        "width_m": round(building.width_m, 1),
        "confidence": round(building.confidence, 3),
        "uncertain_share": round(building.uncertain_share, 3),
        "before": comparison.before.time.astimezone(UTC).isoformat(),
        "after": comparison.after.time.astimezone(UTC).isoformat(),
        "detector": comparison.detector,
        "detector_f1": comparison.detector_f1,
        "detector_accuracy": accuracy(comparison.detector_f1, comparison.grid.resolution_m),
    }


def _verdict_properties(verdict: Verdict | None) -> dict[str, Value]:
    if verdict is None:
        return dict.fromkeys(_OF_VERDICT)
    return {
        "outcome": verdict.outcome,
        "verdict": verdict.reason,
        "permit": _listed(verdict.permits),
        "expired_permit": _listed(verdict.expired),
        "outside_permit_m2": round(verdict.outside_m2, 1) if verdict.needs_permit else None,
        "planning_zone": verdict.planning,
        "planning_building": verdict.building,
    }


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _listed(numbers: Sequence[str]) -> str | None:
    return ", ".join(numbers) or None


def _style(section: ReportSection) -> str:
    if section.judged:
        return qgis_style("outcome", BY_VERDICT.values(), "site")
    return qgis_style("sort", BY_CHANGE_TYPE.values(), "site")


def _csv(section: ReportSection, rows: Sequence[Mapping[str, Value]]) -> str:
    """The table; each site has a point inside it, and empty cells for what is unknown."""
    crs = section.comparison.grid.crs
    text = io.StringIO()
    writer = csv.DictWriter(text, [*FIELDS, "latitude", "longitude"])
    writer.writeheader()
    for reported, row in zip(section.sites, rows, strict=True):
        point = reported.site.building.lonlat(crs).representative_point()
        where = {"latitude": round(point.y, 6), "longitude": round(point.x, 6)}
        writer.writerow({name: _cell(name, value) for name, value in {**row, **where}.items()})
    return text.getvalue()


def _cell(name: str, value: Value) -> object:
    return code_cell(value) if name in _CODES and isinstance(value, str) else safe_cell(value)
