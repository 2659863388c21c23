"""Photos that people add to a case: sealed first, then recorded with what the person does.

The package is finished and in its place before the case names it; while the queue records it, its
folder is locked. A process that is killed in between leaves a package that no case names, which
the next clean-up removes: nothing refers to it, and its photos are still where they came from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cv_engine.cases import Actor, Queue, QueueError
from cv_engine.cases.dispatch.attachment import Attachment
from cv_engine.errors import EngineError
from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, Sealed, compose
from cv_engine.evidence.media.photo import Photo
from cv_engine.evidence.naming import Note, is_note, package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import locked, publish, staged, write_file
from cv_engine.evidence.timestamp.waiting import Waiting

#: What people do when they add photos, and the word for it in the names of packages.
STEPS = {"handle": "handled", "verify": "verified", "note": "noted"}
_FOLDER = "original"
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Attacher:
    """Adds people's photos to cases, each time as a package of its own.

    Attributes:
        queue: Where the cases are.
        key: Signs the packages.
        root: Folder of the packages.
        waiting: Where packages wait for their timestamp; ``None``: none is fetched.
    """

    queue: Queue
    key: SigningKey
    root: Path
    waiting: Waiting | None = None

    def attach(
        self,
        case_id: int,
        step: str,
        by: Actor,
        text: str,
        photos: Sequence[Photo],
        at: datetime,
        record: Callable[[Attachment], _Result],
    ) -> _Result:
        """Seals photos and a note as a package, and records the package with a step.

        ::

            <root>/case-<case>-<step>-<number>-<key>/manifest.json, manifest.sig
                                                     original/photo-1.jpg ...   as they were given

        Args:
            case_id: The case's number.
            step: What was done, in one word, such as ``"handled"``.
            by: Who did it.
            text: The person's note.
            photos: The photos, one at least.
            at: The present time, timezone-aware.
            record: Takes the step with the package; where it fails, the package is removed again.

        Returns:
            What ``record`` returned.

        Raises:
            EvidenceError: The disk cannot be written or is full.
            QueueError: There is no such case, or ``record`` raised it.
        """
        case = self.queue.get(case_id)
        remove_unrecorded(self.root, self.queue, case_id)
        number = 1 + sum(map(is_note, self.queue.evidence(case_id)))
        pictures = tuple(photo.sha256 for photo in photos)
        note = Note(*(case.id, case.key, step, number, by.name, by.role.value, at, text, pictures))
        name = package_name(note)
        try:
            return self._sealed(name, note, photos, record)
        except OSError as error:
            raise from_os_error(error, self.root) from error
        except EngineError:
            with suppress(QueueError):  # the queue is away: the next clean-up decides
                remove_unrecorded(self.root, self.queue, case_id)
            raise

    def _sealed(
        self,
        name: str,
        note: Note,
        photos: Sequence[Photo],
        record: Callable[[Attachment], _Result],
    ) -> _Result:
        with staged(self.root, name) as folder:
            authority = None if self.waiting is None else self.waiting.authority
            _fill(folder, note, photos, self.key.current(), Sealed(self.queue.now(), authority))
            digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
            if not publish(folder, self.root / name):
                raise EvidenceError(f"{self.root / name}: exists already; try again")
            if self.waiting is not None:
                self.waiting.add(name, digest)
            # The folder stays locked until the case names it: no one removes it meanwhile.
            return record(Attachment(name, digest))


def remove_unrecorded(root: Path, queue: Queue, case_id: int | None = None) -> None:
    """Removes packages of people's photos that no case names: their step was never recorded.

    Those that another process is about to record are locked, and left alone.

    Args:
        root: Folder of the packages.
        queue: Knows which packages are named.
        case_id: Only those of this case; of all cases if left out.

    Raises:
        QueueError: The queue cannot be read; nothing is removed then.
    """
    start = re.compile(r"case-\d+-" if case_id is None else rf"case-{case_id}-", re.ASCII)
    try:
        found = [each for each in root.iterdir() if start.match(each.name) and is_note(each.name)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in found:
        with locked(folder) as is_mine:
            if is_mine and queue.attachment(folder.name) is None:
                with staged(root, folder.name) as discarded:  # in one step: never half a package
                    folder.rename(discarded / folder.name)


def _fill(
    folder: Path, note: Note, photos: Sequence[Photo], key: SigningKey, sealed: Sealed
) -> None:
    """Writes a package's files into an empty folder."""
    (folder / _FOLDER).mkdir()
    files: list[dict[str, Any]] = []
    for number, photo in enumerate(photos, start=1):
        path = f"{_FOLDER}/photo-{number}.{photo.suffix}"
        write_file(folder / path, photo.data)
        files.append(
            {
                "path": path,
                "size": len(photo.data),
                "sha256": photo.sha256,
                "view": "photo",
                "role": note.step,
                "name": photo.name,
                "width": photo.width,
                "height": photo.height,
                "exif": dict(photo.exif),
            }
        )
    manifest = compose(note, files, [], {}, key.public_key, sealed)
    write_file(folder / MANIFEST, manifest)
    write_file(folder / SIGNATURE, key.sign(manifest))
