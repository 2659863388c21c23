"""Disclosure: all that is held about a vehicle, as one file for the person who asks for it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cv_engine.cases import Actor, Queue, Role
from cv_engine.cases.export.geojson import feature
from cv_engine.cases.looks import LoggedLook, Look, each_look, record_look
from cv_engine.cases.plates import cases_of_plate
from cv_engine.errors import EngineError
from cv_engine.evidence.manifest import MANIFEST, parse
from cv_engine.evidence.package import ORIGINAL, SHAREABLE
from cv_engine.evidence.storage.store import Store
from cv_engine.files import atomic_file
from cv_engine.privacy.errors import PrivacyError
from cv_engine.privacy.holder import Holder
from cv_engine.privacy.originals import package_folder

#: What the log calls an access to all that is held about a plate.
DISCLOSURE = "all data of a plate"

#: Makes the copy of a clip that may be handed out: source, target, and the package's manifest.
CopyClip = Callable[[Path, Path, Mapping[str, Any]], None]

#: Endings of clips.
CLIPS = (".mp4", ".mkv")
_NO_COPIES = (
    "the package has no pictures that may be handed out: show the originals in person "
    "(cv-engine privacy originals)"
)


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a disclosure holds.

    Attributes:
        cases: Numbers of the cases.
        pictures: Number of pictures and clips.
        records: Number of records of each holder, by its name.
        missing: What could not be added, each with the reason.
    """

    cases: tuple[int, ...]
    pictures: int
    records: Mapping[str, int]
    missing: Mapping[str, str]


@dataclass(frozen=True)
class Disclosing:
    """Writes disclosures.

    Attributes:
        queue: The cases.
        store: The store of their evidence.
        spool: The folder that packages are written to.
        holders: What else holds data about vehicles.
        copy_clip: Makes the copies of clips; without it they are left out.
    """

    queue: Queue
    store: Store
    spool: Path
    holders: Sequence[Holder] = ()
    copy_clip: CopyClip | None = None

    def write(self, plate: str, file: Path, by: Actor, why: str, now: datetime) -> Disclosed:
        """Write all that is held about a plate to a ZIP file, after the access is logged.

        ::

            cases.json            the cases, with their histories and places
            looks.json            who has seen originals and data of the vehicle, by role, and why
            <holder>.json         what each holder holds
            pictures/<package>/   the copies that may be handed out: other people and plates hidden
            README.txt            what this is, and what is missing

        Args:
            plate: The plate, as :func:`cv_engine.plate.normal_plate` writes it.
            file: The file; it appears whole or not at all.
            by: Who discloses: a supervisor.
            why: The reason, such as the number of the person's request.
            now: Present time (timezone-aware).

        Raises:
            ForbiddenError: The person's role does not allow it.
            QueueError: The queue cannot be read, or the log cannot be written.
            RegistryError: A registry does not answer; no file is written.
            OSError: The file cannot be written.
        """
        by.need(Role.SUPERVISOR, "disclose what is held about a plate")
        with self.queue.store.reading() as connection:
            numbers = cases_of_plate(connection, plate)
            found = chain(
                each_look(connection, plate=plate),
                *(each_look(connection, case_id=number) for number in numbers),
            )
            looks = [_look(each) for each in sorted(found, key=lambda each: each.seq)]
        look = Look(by.name, by.role, DISCLOSURE, why, now, plate=plate)
        record_look(self.queue.store, look)
        held = {holder.name: list(holder.held(plate, by, why)) for holder in self.holders}
        with (
            atomic_file(file, sync=True) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            _add_json(archive, "cases.json", [self._case(number) for number in numbers])
            _add_json(archive, "looks.json", looks)
            for name, records in held.items():
                _add_json(archive, f"{name}.json", records)
            pictures, missing = self._add_pictures(archive, numbers)
            archive.writestr("README.txt", _readme(plate, now, held, missing))
        counts = {name: len(records) for name, records in held.items()}
        return Disclosed(tuple(numbers), pictures, counts, missing)

    def _case(self, number: int) -> dict[str, Any]:
        """A case as the person may see it: without the names of officers."""
        found = feature(self.queue.get(number))
        found["properties"].pop("officer")
        entries = [
            {
                "at": entry.at.isoformat(),
                "event": entry.event.value,
                "by": entry.role or "engine",
                "note": entry.note,
                "to_state": entry.to_state,
                "data": {k: v for k, v in entry.data.items() if k != "officer"},
                "hash": entry.hash,
            }
            for entry in self.queue.history(number)
        ]
        return {**found, "history": entries}

    def _add_pictures(
        self, archive: zipfile.ZipFile, numbers: Sequence[int]
    ) -> tuple[int, dict[str, str]]:
        """Add the copies of all packages; returns their number, and what is missing, with why."""
        count, missing = 0, dict[str, str]()
        names = dict.fromkeys(name for number in numbers for name in self.queue.evidence(number))
        for name in names:
            with TemporaryDirectory(prefix="cv-engine-") as scratch:
                try:
                    folder = package_folder(self.queue, self.store, self.spool, name, Path(scratch))
                    for path in copies_of(folder, Path(scratch), self.copy_clip):
                        archive.write(path, f"pictures/{name}/{path.name}")
                        count += 1
                except EngineError as error:
                    missing[name] = str(error)
        return count, missing


def copies_of(folder: Path, scratch: Path, copy_clip: CopyClip | None) -> Iterator[Path]:
    """The pictures of a package that may be handed out, and copies of its clips.

    Args:
        folder: The package.
        scratch: Where the copies of the clips are written.
        copy_clip: Makes them; without it there are none.

    Raises:
        PrivacyError: The package has no such pictures.
        EngineError: A clip cannot be copied.
    """
    pictures = sorted((folder / SHAREABLE).glob("*"))
    if not pictures:
        raise PrivacyError(_NO_COPIES)
    yield from pictures
    if copy_clip is None:
        return
    manifest = parse((folder / MANIFEST).read_bytes()).content
    for clip in sorted((folder / ORIGINAL).iterdir()):
        if clip.suffix in CLIPS:
            copy = scratch / clip.with_suffix(".mp4").name
            copy_clip(clip, copy, manifest)
            yield copy


def _look(logged: LoggedLook) -> dict[str, Any]:
    """An access as the person may see it: by role, not by name."""
    look = logged.look
    return {
        "at": look.at.isoformat(),
        "role": look.role.value,
        "what": look.what,
        "why": look.why,
        "case": look.case_id,
    }


def _add_json(archive: zipfile.ZipFile, name: str, content: object) -> None:
    archive.writestr(name, json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n")


def _readme(plate: str, now: datetime, holders: Iterable[str], missing: Mapping[str, str]) -> str:
    at = now.isoformat(timespec="minutes")
    lines = [
        f"All that cv-engine holds about the vehicle {plate}, on {at}.",
        "",
        "cases.json     the cases, with their histories",
        "looks.json     who has seen pictures and data of the vehicle, by role, and why",
        *(f"{name + '.json':<14} records of the {name}" for name in holders),
        "pictures/      the pictures, in which other people and other plates are hidden",
        "",
        "The names of officers are left out: they are data of other people.",
    ]
    if missing:
        lines += ["", "Missing:", *(f"  {name}: {why}" for name, why in missing.items())]
    return "\n".join(lines) + "\n"
