"""The pictures and clips of an evidence package, as the report shows them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.manifest import MANIFEST, parse
from cv_engine.evidence.package import SHAREABLE

# Longer side of a picture in the report, pixels, and its JPEG quality: the caption is legible, and
# a case of six pictures takes half a megabyte. The file in the package opens in full size.
_LARGEST_PX = 960
_QUALITY = 80
_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
# Views of images from above that another picture of the package shows beside each other.
_BOTH = "before-after"
_SINGLE = frozenset({"before", "after"})
# Roles of images from above: their date counts, not the time of day.
_OF_IMAGES = frozenset({"before", "after", "both"})
_CLOSE = "closeup"  # shown after the views of the whole


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the report.

    Attributes:
        title: What the picture shows, and when.
        source: The picture as a ``data:`` address, at most 960 pixels wide or high.
        link: Address of the file in full size, from the report's folder; ``None`` where the
            package is not on this machine.
    """

    title: str
    source: str
    link: str | None


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file of a package that the report links, and does not contain.

    Attributes:
        name: The file's path in the package.
        link: Address of the file, from the report's folder.
        is_original: Whether other people are visible in it.
    """

    name: str
    link: str
    is_original: bool


@dataclass(frozen=True, slots=True)
class Package:
    """What the report shows of a package.

    Attributes:
        where: Folder or address of the package.
        pictures: The pictures that may be shared, those of the whole view first.
        clips: The clips on this machine; what may be shared comes first.
        photos: Photos of officers on this machine, in which no one is hidden.
        site: Camera and zone in degrees, as a manifest holds them.
        problem: Why nothing can be shown; empty where something can.
    """

    where: str
    pictures: Sequence[Picture] = ()
    clips: Sequence[LinkedFile] = ()
    photos: Sequence[LinkedFile] = ()
    site: Mapping[str, Any] | None = None
    problem: str = ""


def read_package(folder: Path, where: str, beside: Path | None, zone: tzinfo) -> Package:
    """Reads a package for the report.

    The package is not verified: that is what ``cv-engine evidence verify`` is for.

    Args:
        folder: The package.
        where: Folder or address of the package, as people know it.
        beside: Folder of the report, from which files are linked; ``None`` to link none.
        zone: Time zone of the camera.
    """
    try:
        content = parse((folder / MANIFEST).read_bytes()).content
    except OSError as error:
        return Package(where, problem=f"cannot be read: {error.strerror}")
    except EvidenceError as error:
        return Package(where, problem=f"{MANIFEST} {error}")
    files = [file for file in content["files"] if isinstance(file, dict)]
    provenance = content.get("provenance")
    site = provenance.get("site") if isinstance(provenance, dict) else None
    return Package(
        where,
        tuple(_pictures(folder, files, beside, zone)),
        tuple(_linked(folder, files, beside, "clip")),
        tuple(_linked(folder, files, beside, "photo")),
        site if isinstance(site, dict) else None,
    )


def _pictures(
    folder: Path, files: Sequence[Mapping[str, Any]], beside: Path | None, zone: tzinfo
) -> Iterator[Picture]:
    chosen = [
        file
        for file in files
        if Path(file["path"]).parts[0] == SHAREABLE and Path(file["path"]).suffix in _PICTURES
    ]
    if any(file.get("view") == _BOTH for file in chosen):
        chosen = [file for file in chosen if file.get("view") not in _SINGLE]
    chosen.sort(key=lambda file: (file.get("view") == _CLOSE, str(file.get("time", ""))))
    for file in chosen:
        path = folder / file["path"]
        try:
            source = _embedded(path)
        except OSError:
            continue  # missing or no picture: verification names the file
        yield Picture(_title(file, zone), source, _link(path, beside))


def _linked(
    folder: Path, files: Sequence[Mapping[str, Any]], beside: Path | None, view: str
) -> Iterator[LinkedFile]:
    """The files of a view that are on this machine, those that may be shared first.

    Of a clip that browsers do not play, the copy that they do is taken, where there is one.
    """
    copies = {file["copy_of"]: file for file in files if "copy_of" in file}
    named = (file for file in files if str(file.get("view", "")).startswith(view))
    found = [copies.get(file["path"], file) for file in named]
    for file in sorted(found, key=lambda file: Path(file["path"]).parts[0] != SHAREABLE):
        path = folder / file["path"]
        link = _link(path, beside)
        if link is not None and path.is_file():
            yield LinkedFile(file["path"], link, Path(file["path"]).parts[0] != SHAREABLE)


def _title(file: Mapping[str, Any], zone: tzinfo) -> str:
    view, role = str(file.get("view", "")), str(file.get("role", ""))
    words = [view, *([role] if role and role not in ("both", view) else [])]
    try:
        at = datetime.fromisoformat(str(file.get("time"))).astimezone(zone)
    except ValueError:
        return ", ".join(words)
    form = "%Y-%m-%d" if role in _OF_IMAGES else "%H:%M:%S"
    return f"{', '.join(words)}, {at:{form}}"


def _link(path: Path, beside: Path | None) -> str | None:
    if beside is None:
        return None
    return quote(Path(os.path.relpath(path.absolute(), beside.absolute())).as_posix())


def _embedded(path: Path) -> str:
    """A picture as a ``data:`` address.

    Raises:
        OSError: The file cannot be read, or is no picture.
    """
    from PIL import Image

    with Image.open(path) as image:
        image.draft("RGB", (_LARGEST_PX, _LARGEST_PX))  # decodes no more than is shown
        shown = image.convert("RGB")
    shown.thumbnail((_LARGEST_PX, _LARGEST_PX))
    data = io.BytesIO()
    shown.save(data, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
