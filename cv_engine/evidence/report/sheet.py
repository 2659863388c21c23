"""What stands on the sheet of a package."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from cv_engine.cases.taxonomy import CaseClass
from cv_engine.evidence.clock_error import ClockError, clock_line
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, Manifest
from cv_engine.evidence.media.caption import place_line, title
from cv_engine.evidence.package import ANNOTATED, SHAREABLE
from cv_engine.evidence.profiles import Judged
from cv_engine.evidence.profiles.facts import local_zone
from cv_engine.evidence.report.sketch import Site
from cv_engine.evidence.timestamp.token import Timestamp
from cv_engine.finding import Place
from cv_engine.wording import duration

_WIDE, _CLOSE = "overview", "closeup"


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the sheet.

    Attributes:
        title: What the picture shows.
        data: The JPEG file, as it is in the package.
    """

    title: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on the sheet.

    Attributes:
        name: The package's name.
        case: Number of the case; ``None`` where the queue does not know the package.
        heading: What was violated.
        wide: Pictures of the whole view: at the start, and after the dwell.
        close: The picture of the plate, or of the thing.
        facts: Names and values, in the order shown.
        site: The map.
        digest: SHA-256 (hex) of the manifest.
        signature: The signature in base 64.
        signer: Fingerprint of the key.
        profiles: What courts ask, and what the package comes to.
        notes: What is said below.
        printed: When the sheet was made.
    """

    name: str
    case: int | None
    heading: str
    wide: Sequence[Shown]
    close: Shown | None
    facts: Sequence[tuple[str, str]]
    site: Site | None
    digest: str
    signature: str
    signer: str
    profiles: Sequence[Judged]
    notes: Sequence[str]
    printed: datetime


@dataclass(frozen=True, slots=True)
class Context:
    """What the package itself does not say.

    Attributes:
        case: Number of the case, if it is known.
        of_class: The class of the violation, if the taxonomy has one.
        timestamp: The package's timestamp, if it has a valid one.
        profiles: What courts ask, and what the package comes to.
        notes: What else was found.
        printed: The present time, timezone-aware.
    """

    case: int | None
    of_class: CaseClass | None
    timestamp: Timestamp | None
    profiles: Sequence[Judged]
    notes: Sequence[str]
    printed: datetime


def sheet_of(folder: Path, name: str, manifest: Manifest, context: Context) -> Sheet:
    """Reads what stands on the sheet of a package.

    Args:
        folder: The package; it verifies.
        name: The package's name.
        manifest: The package's manifest.
        context: What the package itself does not say.

    Raises:
        EvidenceError: The package is not one of a violation, or has no picture to be handed out.
    """
    content = manifest.content
    finding = content.get("finding")
    if not isinstance(finding, dict):
        raise EvidenceError(f"{folder}: holds a person's note, not the evidence of a violation")
    wide, close = _pictures(folder, content)
    place = Place(**{key: finding["place"][key] for key in ("geometry", "accuracy_m", "basis")})
    return Sheet(
        name=name,
        case=context.case,
        heading=_heading(finding["kind"], context.of_class),
        wide=wide,
        close=close,
        facts=_facts(content, finding, place, context),
        site=Site.of(place, content.get("provenance", {}).get("site", {})),
        digest=hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest(),
        signature=base64.b64encode((folder / SIGNATURE).read_bytes()).decode(),
        signer=content["signature"]["fingerprint"],
        profiles=context.profiles,
        notes=context.notes,
        printed=context.printed,
    )


def _heading(kind: str, of_class: CaseClass | None) -> str:
    if of_class is None:
        return title(kind)
    name = of_class.name[:1].upper() + of_class.name[1:]
    return f"{name} {of_class.name_zh}".strip()


def _pictures(folder: Path, content: Mapping[str, Any]) -> tuple[list[Shown], Shown | None]:
    """The pictures that may be handed out; drawn ones where nothing was hidden."""
    inside = next(
        (
            name
            for name in (SHAREABLE, ANNOTATED)
            if any(file["path"].startswith(f"{name}/") for file in content["files"])
        ),
        None,
    )
    if inside is None:
        raise EvidenceError(f"{folder}: has no picture that may be handed out")
    drawn = {
        (file.get("view"), file.get("role")): file["path"]
        for file in content["files"]
        if file["path"].startswith(f"{inside}/") and file["path"].endswith(".jpg")
    }

    def shown(words: str, view: str, role: str) -> list[Shown]:
        path = drawn.get((view, role))
        return [] if path is None else [Shown(words, (folder / path).read_bytes())]

    def after(view: str) -> list[Shown]:
        """The picture at the limit or after it; packages of earlier releases call it the end."""
        over = shown("Over the limit", view, "limit")
        return over or shown("When last seen", view, "end")

    wide = [*shown("At the start", _WIDE, "start"), *after(_WIDE)]
    if not wide:  # satellite images: before and after, side by side
        others = [path for (view, _), path in drawn.items() if view not in (_WIDE, _CLOSE)]
        wide = [Shown(Path(path).stem, (folder / path).read_bytes()) for path in others[:2]]
    close = [*shown("Plate", _CLOSE, "plate"), *after(_CLOSE)]
    close += shown("Close-up", _CLOSE, "start")
    return wide, close[0] if close else None


def _facts(
    content: Mapping[str, Any], finding: Mapping[str, Any], place: Place, context: Context
) -> list[tuple[str, str]]:
    zone = local_zone(content)
    began, observed = (datetime.fromisoformat(finding[key]) for key in ("began", "observed"))
    named = f" · zone {finding['zone']}" if finding.get("zone") else ""
    address = finding["attributes"].get("address")
    facts = [
        ("Law", "" if context.of_class is None else context.of_class.law),
        ("Class", _class_line(finding["kind"], context.of_class)),
        ("Plate", _plate_line(finding["attributes"].get("plate"))),
        ("Address", str(address or "")),
        ("Place", place_line(place)),
        ("Camera", f"{finding['source']}{named}"),
        ("From", _both_times(began, zone)),
        ("To", f"{_both_times(observed, zone)} · {duration((observed - began).total_seconds())}"),
        ("Clock", _clock(content.get("provenance", {}))),
        ("Sealed", _sealed(content, context.timestamp, zone)),
    ]
    return [(name, value) for name, value in facts if value]


def _class_line(kind: str, of_class: CaseClass | None) -> str:
    if of_class is None:
        return title(kind)
    doubt = " (code from secondary copies)" if of_class.provisional else ""
    return f"{of_class.standard} · {of_class.code} {of_class.name_zh or of_class.name}{doubt}"


def _plate_line(plate: object) -> str:
    if not isinstance(plate, dict) or not plate.get("text"):
        return "not read"
    sure = plate.get("confidence")
    read = f" · read with {float(sure):.1%} confidence" if isinstance(sure, float) else ""
    layout = f" · {plate['layout']}" if plate.get("layout") else ""
    return f"{plate['text']}{layout}{read}"


def _clock(provenance: Mapping[str, Any]) -> str:
    row = provenance.get("clock_error")
    try:
        error = None if row is None else ClockError.of_json(row)
    except ValueError:
        error = None
    line = clock_line(error)
    return f"{line[:1].upper()}{line[1:]}; time from: {provenance.get('clock', 'unknown')}"


def _sealed(content: Mapping[str, Any], timestamp: Timestamp | None, zone: tzinfo) -> str:
    sealed = content.get("sealed")
    if not isinstance(sealed, dict):
        return ""
    line = _both_times(datetime.fromisoformat(sealed["at"]), zone)
    if timestamp is not None:
        return f"{line} · timestamp {_utc(timestamp.at)} by {timestamp.authority}"
    if sealed.get("timestamp_by"):
        return f"{line} · still without the timestamp of {sealed['timestamp_by']}"
    return f"{line} · no timestamp"


def _both_times(at: datetime, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    if local.utcoffset() == at.astimezone(UTC).utcoffset():
        return _utc(at)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.isoformat()[-6:]} ({_utc(at)})"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
