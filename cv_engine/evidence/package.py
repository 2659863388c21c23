"""Writes the evidence package of a case: pictures, clip, manifest and signature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv

from cv_engine.evidence.clips import Cuts, FrameNumbers, cut_clips
from cv_engine.evidence.clock_error import ClockError
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, Sealed, compose, file_entry
from cv_engine.evidence.media.annotate import Zone, annotate, moved
from cv_engine.evidence.media.caption import caption, description, position
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.credentials import Signer
from cv_engine.evidence.media.exif import jpeg
from cv_engine.evidence.media.redact import VEHICLES, Finders, Quad, redact
from cv_engine.evidence.media.still import (
    Box,
    Image,
    Still,
    around,
    choose,
    choose_first,
    choose_last,
    close_up_window,
    crop,
)
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.publishing import publish_package
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import write_file
from cv_engine.finding import Finding

ORIGINAL = "original"
SHAREABLE = "shareable"
PLAYABLE = "playable"  # copies of clips that browsers do not play
ANNOTATED = "annotated"  # drawn pictures in which nothing is hidden: not to be handed out
_ROLES = ("start", "between", "limit", "end", "plate")
_CLOSE_ONLY = "plate"  # the role whose still is cut out only: the plate, to be read
# A citation needs two pictures of what stands still this far apart (GA/T 832-2014, by secondary
# copies), and every dwell that is enforced is longer.
SPACING_S = 10.0
_ORIGINAL_QUALITY = 97  # of JPEG, in full colour: differs from the frame by rounding only


@dataclass(frozen=True, slots=True)
class Style:
    """How the shareable pictures of a package are made.

    Attributes:
        timezone: Local time zone of the captions.
        redacted: Whether bystanders' heads and other vehicles' plates are hidden; if not, the
            pictures' folder is called ``annotated`` instead of ``shareable``.
        finders: What finds the people and plates to hide, beside the stills' own detections.
        quality: JPEG quality, 1 to 100.
        spacing_s: Time between the stills of the start and of the end, seconds, where the stay
            gives it.
        clock: The error of the camera's clock, drawn in the captions; ``None``: not measured.
        playable: Whether clips that browsers do not play are also copied in a form that they do.
        credentials: Signs the content credentials of the shareable pictures; ``None``: they have
            none.
    """

    timezone: tzinfo = UTC
    redacted: bool = True
    finders: Finders | None = None
    quality: int = 92
    spacing_s: float = SPACING_S
    clock: ClockError | None = None
    playable: bool = False
    credentials: Signer | None = None


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
    sealed: Sealed | None = None,
) -> Path:
    """Writes the evidence package of a finding, whole or not at all.

    ::

        <root>/<name>/manifest.json                     every file's size and SHA-256, origin
                      manifest.sig                      Ed25519 over the manifest's bytes
                      original/overview-start.jpg ...   the frame, nothing drawn on it
                      original/closeup-start.jpg ...    the thing and what is around it
                      original/clip.mp4                 or .mkv: packets as the camera sent them
                      playable/clip.mp4                 H.264, if asked and if the clip is not
                      original/clip-frames.csv          number, date and time of each picture
                      original/closeup-plate.jpg        the plate, if it was read
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
        exhibits: Finished files, kept unchanged, except for the content credentials of shareable
            pictures.
        sealed: When the package is sealed, which the manifest says.

    Returns:
        The package's folder.

    Raises:
        EvidenceError: There is no picture, a value is not JSON, or the disk cannot be written or
            is full. Nothing half-written is left behind.
    """

    def fill(folder: Path) -> None:
        drawing = style or Style()
        spacing = timedelta(seconds=drawing.spacing_s)
        chosen = _best_of_each_role(stills, spacing) if stills or not exhibits else []
        origin: dict[str, Any] = {"redacted": drawing.redacted} if chosen else {}
        if chosen and drawing.redacted and drawing.finders is not None:
            origin["redaction"] = dict(drawing.finders.about)
        sources = {**origin, **(provenance or {})}
        (folder / ORIGINAL).mkdir()
        cuts = cut_clips(folder, ORIGINAL, clips, playable=PLAYABLE if drawing.playable else None)
        pictures: Iterator[Exhibit] = chain(
            _pictures(finding, chosen, zone, drawing, cuts.frames), exhibits
        )
        if drawing.credentials is not None:
            pictures = _with_credentials(finding, pictures, drawing.credentials)
        _fill(folder, finding, pictures, key, cuts, sources, sealed)

    return publish_package(root, package_name(finding), fill)


def _best_of_each_role(stills: Sequence[Still], spacing: timedelta) -> list[Still]:
    """The best still of each role; those of start and end are as far apart as they can be asked."""
    if not stills:
        raise EvidenceError("evidence needs at least one still")
    groups = {role: [still for still in stills if still.role == role] for role in _ROLES}
    for later in ("limit", "end"):
        starts, ends = groups["start"], groups[later]
        if starts and ends:
            last = max(still.time for still in ends)
            groups["start"] = [s for s in starts if last - s.time >= spacing] or starts[:1]
            start = choose(groups["start"])
            far = [still for still in ends if still.time - start.time >= spacing]
            groups[later] = far or ends[-1:]
    ways = {"limit": choose_first, "end": choose_last}
    return [ways.get(role, choose)(group) for role, group in groups.items() if group]


def _fill(
    folder: Path,
    finding: Finding,
    pictures: Iterable[Exhibit],
    key: SigningKey,
    cuts: Cuts,
    provenance: Mapping[str, Any],
    sealed: Sealed | None,
) -> None:
    files = list(cuts.files)
    for picture in pictures:
        (folder / picture.path).parent.mkdir(exist_ok=True)
        write_file(folder / picture.path, picture.data)
        digest = hashlib.sha256(picture.data).hexdigest()
        entry = file_entry(picture.path, len(picture.data), digest, picture.view)
        files.append(entry | {"role": picture.role, "time": picture.time.isoformat()})
    manifest = compose(finding, files, cuts.notes, provenance, key.public_key, sealed)
    write_file(folder / MANIFEST, manifest)
    write_file(folder / SIGNATURE, key.sign(manifest))


def _drawn_folder(style: Style) -> str:
    return SHAREABLE if style.redacted else ANNOTATED


def _pictures(
    finding: Finding,
    stills: Sequence[Still],
    zone: Zone | None,
    style: Style,
    frames: FrameNumbers,
) -> Iterator[Exhibit]:
    place = position(finding.place)
    for still in stills:
        lines = caption(finding, still, style.timezone, style.clock, frames.of(still.time))
        about = description(finding, still)
        shared = still
        if style.redacted:
            others, finders = _strangers(still, still.others), _finders(still, style.finders)
            hidden = redact(still.image, still.box, others, finders)
            shared = replace(still, image=hidden)
        window = close_up_window(still)
        views = {
            "overview": (still, annotate(shared, zone, lines)),
            "closeup": (
                crop(still, window),
                annotate(crop(shared, window), moved(zone, window), lines),
            ),
        }
        if still.role == _CLOSE_ONLY:
            del views["overview"]
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


def _finders(still: Still, finders: Finders | None) -> Finders | None:
    """The finders for a still, which leave a plate that is to be read and its vehicle alone."""
    if still.role != _CLOSE_ONLY:
        return finders
    given = finders or Finders()

    def people(image: Image) -> sv.Detections:
        found = sv.Detections.empty() if given.people is None else given.people(image)
        return _strangers(still, found)

    def plates(image: Image) -> list[Quad]:
        x1, y1, x2, y2 = still.box
        found = () if given.plates is None else given.plates(image)
        others = [quad for quad in found if not _is_centred_in(still.box, quad)]
        return [np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32), *others]

    return replace(given, people=people, plates=plates)


def _is_centred_in(box: Box, quad: Quad) -> bool:
    x, y = quad.mean(axis=0)
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _strangers(still: Still, found: sv.Detections) -> sv.Detections:
    """What may have to be hidden: of a plate that is to be read, not the vehicle that it is on."""
    if still.role != _CLOSE_ONLY:
        return found
    names = found.data.get("class_name", np.full(len(found), ""))
    own = around(still.box, found) & np.isin(names, sorted(VEHICLES))
    kept = found[~own]
    assert isinstance(kept, sv.Detections)
    return kept


def _with_credentials(
    finding: Finding, pictures: Iterable[Exhibit], signer: Signer
) -> Iterator[Exhibit]:
    """Signs the shareable pictures; each says which original it is a copy of."""
    originals: dict[str, str] = {}
    for picture in pictures:
        inside, _, name = picture.path.partition("/")
        if inside == ORIGINAL:
            originals[name] = hashlib.sha256(picture.data).hexdigest()
        if inside == SHAREABLE and name.endswith(".jpg"):
            facts = {
                "package": package_name(finding),
                "file": picture.path,
                "camera": finding.source,
                "time": picture.time.isoformat(),
                "original_sha256": originals.get(name),
            }
            picture = replace(picture, data=signer.sign(picture.data, name, facts))
        yield picture
