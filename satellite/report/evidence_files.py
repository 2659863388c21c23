"""The files that make up the evidence of a changed building."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from rasterio.crs import CRS
from shapely.geometry import MultiPolygon, Polygon

from cv_engine.evidence.media.caption import place_line, position, title
from cv_engine.evidence.media.exif import jpeg
from cv_engine.evidence.package import ORIGINAL, SHAREABLE, Exhibit
from cv_engine.finding import Finding
from satellite.detection.measured import short_accuracy
from satellite.imagery.acquisition import Acquisition
from satellite.records.judge import Verdict
from satellite.report.chips import Chips, draw, geotiff
from satellite.vector.change_types import CHANGE_TYPE_NAMES

_ORIGINAL_QUALITY = 97  # of JPEG, with full colour: differs from the image by rounding only
_QUALITY = 92


def evidence_files(
    finding: Finding, verdict: Verdict, before: Acquisition, after: Acquisition, chips: Chips
) -> list[Exhibit]:
    """Makes the files of a case's evidence: unchanged windows of both dates, and drawn pictures.

    Args:
        finding: The changed building.
        verdict: The verdict by the city's records.
        before: The earlier image.
        after: The later image.
        chips: The building's pictures; permitted ground is outlined on them.
    """
    if verdict.allowed is not None:
        chips = replace(chips, allowed=placed(verdict.allowed, chips.crs))
    return list(_files(finding, verdict, before, after, chips))


def _files(
    finding: Finding, verdict: Verdict, before: Acquisition, after: Acquisition, chips: Chips
) -> Iterator[Exhibit]:
    place = position(finding.place)

    def picture(folder: str, view: str, role: str, image: Any, quality: int) -> Exhibit:
        time = before.time if role == "before" else after.time
        about = f"{title(finding.kind)}, {view}; {finding.source}; case key {finding.key}"
        data = jpeg(image, time, place, about, quality=quality)
        return Exhibit(f"{folder}/{view}.jpg", role, view, time, data)

    for role, plain, time in (
        ("before", chips.before, before.time),
        ("after", chips.after, after.time),
    ):
        data = geotiff(plain, chips.transform, chips.crs, time)
        yield Exhibit(f"{ORIGINAL}/{role}.tif", role, "window", time, data)
        yield picture(ORIGINAL, role, role, plain[:, :, 2::-1], _ORIGINAL_QUALITY)
    drawn = draw(chips, _caption(finding, verdict, before, after))
    for view, role, image in (
        ("before", "before", drawn.before),
        ("after", "after", drawn.after),
        ("overlay", "after", drawn.overlay),
        ("before-after", "both", drawn.both),
    ):
        yield picture(SHAREABLE, view, role, image, _QUALITY)
    moving = f"{SHAREABLE}/before-after.gif"
    yield Exhibit(moving, "both", "animation", after.time, drawn.animation)


def _caption(
    finding: Finding, verdict: Verdict, before: Acquisition, after: Acquisition
) -> list[str]:
    given = finding.attributes
    zone = f" · zone {finding.zone}" if finding.zone != finding.source else ""
    forbidden = " (building forbidden)" if verdict.building == "forbidden" else ""
    f1 = short_accuracy(given["detector_f1"], given["resolution_m"])
    found = f"{given['detector']} ({f1})" if f1 else given["detector"]
    return [
        f"{title(finding.kind)} · {CHANGE_TYPE_NAMES[given['sort']]} · {given['area_m2']:,.0f} m²",
        f"Area {finding.source}{zone}{forbidden}",
        f"Images of {when(before.time)} and {when(after.time)}",
        place_line(finding.place),
        f"{_permit_line(verdict)} · {_coverage_line(verdict)}",
        f"Pixels of {given['resolution_m']:g} m · found by {found}, "
        f"confidence {finding.confidence:.2f}",
    ]


def _permit_line(verdict: Verdict) -> str:
    if not verdict.permits:
        ended = f"Permit {', '.join(verdict.expired)} had expired"
        return ended if verdict.expired else "No permit"
    return f"{verdict.outside_m2:,.0f} m² outside permit {', '.join(verdict.permits)} (amber)"


def _coverage_line(verdict: Verdict) -> str:
    if verdict.seen_by:
        return f"seen by {', '.join(verdict.seen_by)}"
    if verdict.may_be_seen_by:
        return f"perhaps seen by {', '.join(verdict.may_be_seen_by)}"
    return "seen by no known camera"


def when(at: datetime) -> str:
    """Formats a date, with the time of day unless it is midnight UTC."""
    utc = at.astimezone(UTC)
    midnight = (utc.hour, utc.minute, utc.second) == (0, 0, 0)
    return f"{utc:%Y-%m-%d}" if midnight else f"{utc:%Y-%m-%d %H:%M} UTC"


def placed(polygon: Polygon | MultiPolygon, crs: CRS) -> Polygon | MultiPolygon:
    """Transforms a WGS 84 polygon to another coordinate reference system."""
    transformer = Transformer.from_crs("EPSG:4326", crs.to_wkt(), always_xy=True)
    placed: Polygon | MultiPolygon = shapely.transform(
        polygon, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )
    return placed
