"""Evidence packages as they are served: which files there are, and where each lies."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import Any

from cv_engine.cases.removal.purging import Purged
from cv_engine.evidence.manifest import MANIFEST, parse
from cv_engine.evidence.package import SHAREABLE
from cv_engine.privacy.originals import package_folder
from cv_engine.service.errors import ServiceError, missing
from cv_engine.services import Services

_KEPT = 100  # packages of object storage; some megabytes each
_TYPES = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
}
_ANY_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ServedFile:
    """One file of a package.

    Attributes:
        path: Relative to the package, such as ``"shareable/overview-start.jpg"``.
        size: Bytes.
        sha256: Hex digest.
        about: What the manifest says of it: ``view``, ``role``, ``time``.
    """

    path: str
    size: int
    sha256: str
    about: Mapping[str, Any]

    @property
    def is_shareable(self) -> bool:
        """Whether other people and plates are hidden in it; everything else is an original."""
        return self.path.startswith(f"{SHAREABLE}/")

    @property
    def media_type(self) -> str:
        """The media type, by the ending."""
        return _TYPES.get(Path(self.path).suffix.lower(), _ANY_TYPE)


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a case.

    Attributes:
        name: The package's name.
        purged: What is left of it, where it was deleted.
        files: The files that its manifest lists; none where it was deleted.
    """

    name: str
    purged: Purged | None
    files: tuple[ServedFile, ...]


class Packages:
    """The packages of a configuration; those of object storage are copied here to be served.

    Args:
        services: Queue and store.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._scratch: Path | None = None
        self._fetched: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def of_case(self, case_id: int) -> Iterator[Package]:
        """The packages of a case, those of its findings first.

        Raises:
            QueueError: There is no such case.
            StoreError: The store does not answer, or refuses.
        """
        queue = self._services.queue
        for name in queue.evidence(case_id):
            purged = queue.purged(name)
            files = () if purged is not None else self._files(self._folder(name))
            yield Package(name, purged, files)

    def file(self, case_id: int, name: str, path: str) -> tuple[Path, ServedFile]:
        """A file of a case's package, where the manifest lists it.

        Raises:
            QueueError: There is no such case.
            ServiceError: The case has no such package, the package no such file, or its evidence
                was deleted.
            StoreError: The store does not answer, or refuses.
        """
        queue = self._services.queue
        if name not in queue.evidence(case_id):
            raise missing(f"case {case_id} has no evidence package {name!r}")
        purged = queue.purged(name)
        if purged is not None:
            raise ServiceError(
                f"{name} was deleted at {purged.at.isoformat()} ({purged.rule}); only its digest "
                "is left, in the case's history",
                HTTPStatus.GONE,
            )
        folder = self._folder(name)
        for file in self._files(folder):
            if file.path == path:
                found = (folder / path).resolve()
                if found.is_relative_to(folder.resolve()) and found.is_file():
                    return found, file
        raise missing(f"{name} has no file {path!r}: see /api/cases/{case_id}/evidence")

    def close(self) -> None:
        """Delete the copies."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _folder(self, name: str) -> Path:
        services = self._services
        spool = services.config.evidence_root
        if services.store.in_place or (spool / name).is_dir():
            return package_folder(services.queue, services.store, spool, name, spool)
        with self._lock:  # also so that no package is fetched twice at once
            if self._scratch is None:
                self._scratch = Path(mkdtemp(prefix="cv-engine-"))
            self._fetched[name] = None
            self._fetched.move_to_end(name)
            if len(self._fetched) > _KEPT:
                oldest, _ = self._fetched.popitem(last=False)
                shutil.rmtree(self._scratch / oldest, ignore_errors=True)
            folder = self._scratch / name
            if folder.is_dir():  # verified when it was fetched
                return folder
            return package_folder(services.queue, services.store, spool, name, self._scratch)

    def _files(self, folder: Path) -> tuple[ServedFile, ...]:
        try:
            manifest = parse((folder / MANIFEST).read_bytes())
        except OSError as error:
            raise missing(
                f"the package {folder.name} is not there ({error.strerror}): `cv-engine evidence "
                "verify` says more"
            ) from None
        about = {each["path"]: each for each in manifest.content["files"]}
        told = ("view", "role", "time")
        return tuple(
            ServedFile(
                *(entry.path, entry.size, entry.sha256),
                {key: about[entry.path].get(key) for key in told},
            )
            for entry in manifest.files
        )
