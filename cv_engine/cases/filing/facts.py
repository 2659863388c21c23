"""Facts of a case that its findings give: since when, until when, how surely, with what ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any, Self

from sqlalchemy.engine import Row

from cv_engine.cases.filing.overlap import SENSOR_BASIS
from cv_engine.cases.filing.site import area_m2, is_site, joined
from cv_engine.cases.rows import place_of

_AREA = "area_m2"  # the attribute with a site's area
_OUTSIDE = "outside_permit_m2"  # the attribute with the area that no permit covers
#: The attribute with the number of the earlier case of a problem that is back.
EARLIER = "earlier_case"
_PLACE = ("geometry", "accuracy_m", "basis", "box_x1", "box_y1", "box_x2", "box_y2")


@dataclass(frozen=True, slots=True)
class Facts:
    """When and how surely a thing was there; the same in whatever order findings are added.

    Attributes:
        began: When it began (UTC).
        observed: When it was last seen (UTC).
        gone_at: ``observed``, if it is known to have left then; else ``None``.
        confidence: 0 to 1, the highest.
        evidence: Name of the first evidence folder.
    """

    began: datetime
    observed: datetime
    gone_at: datetime | None
    confidence: float
    evidence: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The facts in a row of table ``cases`` or ``findings``."""
        gone = row.gone_at if row.gone_at is not None and row.gone_at >= row.observed else None
        return cls(row.began, row.observed, gone, row.confidence, row.evidence)

    def __add__(self, other: Facts) -> Facts:
        observed = max(self.observed, other.observed)
        return Facts(
            began=min(self.began, other.began),
            observed=observed,
            # Who saw the thing last knows whether it is gone.
            gone_at=observed if observed in (self.gone_at, other.gone_at) else None,
            confidence=max(self.confidence, other.confidence),
            evidence=self.evidence or other.evidence,
        )

    def seen(self, at: datetime) -> Facts:
        """The facts once the thing was seen at another time."""
        return self + Facts(self.began, at, None, self.confidence, None)

    def gone(self, at: datetime) -> Facts:
        """The facts once the thing is known to have left at a time."""
        return self + Facts(self.began, at, at, self.confidence, None)

    def columns(self) -> dict[str, Any]:
        """The facts as columns of table ``cases``."""
        return {
            "began": self.began,
            "observed": self.observed,
            "gone_at": self.gone_at,
            "confidence": self.confidence,
            "evidence": self.evidence,
        }


def facts_of(findings: Sequence[Row[Any]]) -> Facts:
    """The facts of a case from its findings, in the order of their start."""
    return reduce(lambda one, other: one + other, map(Facts.of, findings))


def columns_of(findings: Sequence[Row[Any]], key: str | None) -> dict[str, Any]:
    """The columns of table ``cases`` that a case's findings give.

    Camera, zone, place and attributes are those of the finding that opened the case; if that one is
    in another case, those of the first finding.

    Args:
        findings: All findings of the case, in the order of their start.
        key: The case's key.
    """
    first = next((each for each in findings if each.key == key), findings[0])
    return {
        "source": first.source,
        "zone": first.zone,
        "attributes": first.attributes,
        **{name: getattr(first, name) for name in _PLACE},
        **bounds_of(first.geometry),
        **facts_of(findings).columns(),
        **grown(findings, first.attributes),
    }


def grown(findings: Sequence[Row[Any]], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of table ``cases`` that several findings give together.

    They are the ground of a building site, and the attributes of a sensor's latest finding, since a
    fault of a device becomes worse.

    Args:
        findings: All findings of the case, in the order of their start.
        attributes: Attributes of the case.

    Returns:
        Columns of table ``cases``; none unless there are several findings, all of sites or all of
        sensors.
    """
    if len(findings) > 1 and all(each.basis == SENSOR_BASIS for each in findings):
        latest = dict(attributes)
        for each in findings:
            latest |= each.attributes
        return {"attributes": latest}
    if len(findings) < 2 or not all(is_site(place_of(each)) for each in findings):
        return {}
    geometry, outside = findings[0].geometry, findings[0].attributes.get(_OUTSIDE)
    for each in findings[1:]:
        before_m2, geometry = area_m2(geometry), joined(geometry, each.geometry)
        more = each.attributes.get(_OUTSIDE)
        if more is not None:  # the share that was known before is counted already
            share = (area_m2(geometry) - before_m2) / max(area_m2(each.geometry), 1e-9)
            outside = (outside or 0.0) + more * min(max(share, 0.0), 1.0)
    areas = {_AREA: round(area_m2(geometry), 1)}
    if outside is not None:
        areas[_OUTSIDE] = round(outside, 1)
    return {"geometry": geometry, "attributes": {**attributes, **areas}, **bounds_of(geometry)}


def bounds_of(geometry: Mapping[str, Any] | None) -> dict[str, float | None]:
    """The box of a GeoJSON geometry, as columns of table ``cases``; ``None`` without a geometry."""
    names = ("min_lon", "min_lat", "max_lon", "max_lat")
    if geometry is None:
        return dict.fromkeys(names)
    from shapely.geometry import shape

    return dict(zip(names, shape(dict(geometry)).bounds, strict=True))
