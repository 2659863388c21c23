"""Writes the evidence package of a case: pictures, clip, manifest and signature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from itertools import chain
from pathlib import Path
from typing import Any

from cv_engine.evidence.errors import ClipError, EvidenceError
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, compose
from cv_engine.evidence.media.annotate import Zone, annotate, moved
from cv_engine.evidence.media.caption import caption, description, position
from cv_engine.evidence.media.clip import ClipInfo, ClipSource, cut
from cv_engine.evidence.media.exif import jpeg
from cv_engine.evidence.media.redact import Faces, redact
from cv_engine.evidence.media.still import Still, choose, close_up_window, crop
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.publishing import publish_package
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import write_file
from cv_engine.finding import Finding

ORIGINAL = "original"
SHAREABLE = "shareable"
ANNOTATED = "annotated"  # drawn pictures in which nothing is hidden: not to be handed out
_ROLES = ("start", "between", "end", "plate")
_CLOSE_ROLES = frozenset({"plate"})  # stills that are a close-up and nothing else
_ORIGINAL_QUALITY = 97  # of JPEG, in full colour: differs from the frame by rounding only


@dataclass(frozen=True, slots=True)
class Style:
    """How the shareable pictures of a package are made.

    Attributes:
        timezone: Local time zone of the captions.
        redacted: Whether bystanders' heads and other vehicles' plates are hidden; if not, the
            pictures' folder is called ``annotated`` instead of ``shareable``.
        faces: A face model whose faces are hidden too.
        quality: JPEG quality, 1 to 100.
    """

    timezone: tzinfo = UTC
    redacted: bool = True
    faces: Faces | None = None
    quality: int = 92


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file of evidence, kept unchanged.

    Attributes:
        path: Path in the package, in ``original/`` or ``shareable/``.
        role: Moment of the violation, such as ``"start"`` or ``"before"``.
        view: Kind of picture, such as ``"closeup"`` or ``"overlay"``.
        time: When the picture was taken, timezone-aware.
        data: The file's content.
    """

    path: str
    role: str
    view: str
    time: datetime
    data: bytes

    def __post_init__(self) -> None:
        folder, _, name = self.path.partition("/")
        if folder not in (ORIGINAL, SHAREABLE, ANNOTATED) or not name or "/" in name:
            raise EvidenceError(
                f"the exhibit {self.path!r} must be a file in {ORIGINAL}/ or {SHAREABLE}/"
            )
        if self.time.tzinfo is None:
            raise EvidenceError(f"the exhibit {self.path!r} has a time without time zone")


def write(
    root: Path,
    finding: Finding,
    stills: Sequence[Still],
    *,
    key: SigningKey,
    clips: Sequence[ClipSource] = (),
    zone: Zone | None = None,
    provenance: Mapping[str, Any] | None = None,
    style: Style | None = None,
    exhibits: Sequence[Exhibit] = (),
) -> Path:
    """Writes the evidence package of a finding, whole or not at all.

    ::

        <root>/<name>/manifest.json                     every file's size and SHA-256, origin
                      manifest.sig                      Ed25519 over the manifest's bytes
                      original/overview-start.jpg ...   the frame, nothing drawn on it
                      original/closeup-start.jpg ...    the thing and what is around it
                      original/clip.mp4                 or .mkv: packets as the camera sent them
                      shareable/overview-start.jpg ...  redacted, with box, zone and caption

    The clip is among the originals only: hiding anything would require encoding it again, which
    would change the camera's own pictures. A source that yields no clip is noted in the manifest;
    the pictures are written nevertheless.

    A package of the same finding that verifies is returned untouched, so that a run may be
    repeated after a crash. A damaged one is set aside as ``<name>.damaged-N``.

    Args:
        root: The folder of all packages; made if missing.
        finding: The finding to prove.
        stills: Candidates, one or more for each role; the best of each role is kept. May be empty
            if there are exhibits.
        key: Signs the manifest.
        clips: Parts of recordings to keep.
        zone: The zone in which the violation lies, in pixels of the stills.
        provenance: JSON values on the origin: digests of model and configuration, software
            version, name and SHA-256 of the source file, basis of the frame clock.
        style: How the shareable pictures are made.
        exhibits: Finished files, kept unchanged.

    Returns:
        The package's folder.

    Raises:
        EvidenceError: There is no picture, a value is not JSON, or the disk cannot be written or
            is full. Nothing half-written is left behind.
    """

    def fill(folder: Path) -> None:
        chosen = _best_of_each_role(stills) if stills or not exhibits else []
        drawing = style or Style()
        pictures = chain(_pictures(finding, chosen, zone, drawing), exhibits)
        origin = {"redacted": drawing.redacted} if chosen else {}
        _fill(folder, finding, pictures, key, clips, {**origin, **(provenance or {})})

    return publish_package(root, package_name(finding), fill)


def _best_of_each_role(stills: Sequence[Still]) -> list[Still]:
    if not stills:
        raise EvidenceError("evidence needs at least one still")
    groups = ([still for still in stills if still.role == role] for role in _ROLES)
    return [choose(group) for group in groups if group]


def _fill(
    folder: Path,
    finding: Finding,
    pictures: Iterable[Exhibit],
    key: SigningKey,
    clips: Sequence[ClipSource],
    provenance: Mapping[str, Any],
) -> None:
    (folder / ORIGINAL).mkdir()
    files: list[dict[str, Any]] = []
    for picture in pictures:
        (folder / picture.path).parent.mkdir(exist_ok=True)
        write_file(folder / picture.path, picture.data)
        digest = hashlib.sha256(picture.data).hexdigest()
        entry = _entry(picture.path, len(picture.data), digest, picture.view)
        files.append(entry | {"role": picture.role, "time": picture.time.isoformat()})
    copies = [
        _clip(folder, clip, name, span) for clip in clips for name, span in clip.spans().items()
    ]
    files += [file for file, _ in copies if file is not None]
    noted = [note for _, note in copies]
    manifest = compose(finding, files, noted, provenance, key.public_key)
    write_file(folder / MANIFEST, manifest)
    write_file(folder / SIGNATURE, key.sign(manifest))


def _drawn_folder(style: Style) -> str:
    return SHAREABLE if style.redacted else ANNOTATED


def _pictures(
    finding: Finding, stills: Sequence[Still], zone: Zone | None, style: Style
) -> Iterator[Exhibit]:
    place = position(finding.place)
    for still in stills:
        lines = caption(finding, still, style.timezone)
        about = description(finding, still)
        shared = still
        if style.redacted:
            hidden = redact(still.image, still.box, still.others, style.faces)
            shared = replace(still, image=hidden)
        window = close_up_window(still)
        views = {
            "closeup": (
                crop(still, window),
                annotate(crop(shared, window), moved(zone, window), lines),
            ),
        }
        if still.role not in _CLOSE_ROLES:
            views = {"overview": (still, annotate(shared, zone, lines))} | views
        for view, (plain, drawn) in views.items():
            for folder, image, quality in (
                (ORIGINAL, plain.image, _ORIGINAL_QUALITY),
                (_drawn_folder(style), drawn, style.quality),
            ):
                yield Exhibit(
                    path=f"{folder}/{view}-{still.role}.jpg",
                    role=still.role,
                    view=view,
                    time=still.time.astimezone(UTC),
                    data=jpeg(image, still.time, place, about, quality=quality),
                )


def _clip(
    folder: Path, source: ClipSource, name: str, span: tuple[float, float]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Cuts one clip; returns its entry in the list of files, if it was cut, and a note on it."""
    note: dict[str, Any] = {"name": name, "asked_start_s": span[0], "asked_end_s": span[1]}
    try:
        info = cut(source.path, *span, folder / ORIGINAL / name, source.settings)
    except ClipError as error:
        return None, note | {"path": None, "missing": str(error)}
    path = f"{ORIGINAL}/{info.path.name}"
    with info.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _entry(path, info.path.stat().st_size, digest, "clip"), note | _noted(info, path)


def _noted(info: ClipInfo, path: str) -> dict[str, Any]:
    return {
        "path": path,
        "codec": info.codec,
        "start_s": info.start_s,
        "end_s": info.end_s,
        "pictures": info.pictures,
        "mended_timestamps": info.repaired,  # codespell:ignore
        "stopped": info.stopped,
    }


def _entry(path: str, size: int, digest: str, view: str) -> dict[str, Any]:
    return {"path": path, "size": size, "sha256": digest, "view": view}
