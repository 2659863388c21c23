"""The store of evidence packages: what every store does, and the store that is a folder."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE
from cv_engine.evidence.publishing import publish_package
from cv_engine.evidence.staging import locked, staged
from cv_engine.evidence.verify import Problem, verify

_NAME = re.compile(r"[\w-]+")  # as `naming.package_name` makes them: no dots, no slashes


class Store(ABC):
    """Keeps finished packages."""

    in_place: bool  # whether packages are written straight into the store, and never sent

    @abstractmethod
    def put(self, folder: Path) -> None:
        """Stores a finished package, and returns once the store holds all of it.

        Only files that are missing in the store, or differ there, are sent.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: The package is damaged, or the store holds another signed package of
                this name, which is never overwritten.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether the store holds a package, signed and with all its files at their sizes.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """Returns the names of all signed packages, sorted; lists every object in the store.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def manifest(self, name: str) -> bytes | None:
        """Returns the manifest of a signed package, ``None`` if the store holds no such package.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def add_timestamp(self, name: str, files: Mapping[str, bytes]) -> None:
        """Adds the timestamp to a package that the store holds.

        Args:
            name: The package.
            files: Content of each file of the timestamp, by path; stored in this order.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Deletes a package, and what was set aside of it; never half of it seems whole.

        Returns:
            Whether nothing is left; ``False`` where another process holds the package now.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: The files cannot be deleted.
        """

    @abstractmethod
    def _copy(self, name: str, folder: Path) -> list[Problem]:
        """Copies a package as it is into ``folder``; returns the files that no folder can hold."""

    def fetch(self, name: str, into: Path) -> Path:
        """Copies a package to a folder of this machine, whole or not at all.

        A package of that name that is there already and verifies is left untouched; a damaged one
        is set aside.

        Returns:
            ``into / name``.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: The package does not verify, or the disk cannot be written.
        """

        def fill(folder: Path) -> None:
            problems = self._copy(name, folder) or verify(folder, name=name)
            if problems:
                raise EvidenceError(f"{name}: the package in the store is damaged: {problems[0]}")

        return publish_package(into, checked_name(name), fill)

    def problems(
        self, name: str, trusted: str | None = None, sha256: str | None = None
    ) -> list[Problem]:
        """Finds whatever was changed, removed or added since a package was written; see `verify`.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: ``name`` is no name of a package.
        """
        with self.opened(name) as (folder, found):
            return [*found, *verify(folder, trusted, name=name, sha256=sha256)]

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[Path, list[Problem]]]:
        """Gives a package as it is in the store, for reading only.

        Yields:
            A folder of this machine, and the files that no folder can hold.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: ``name`` is no name of a package.
        """
        checked_name(name)
        with tempfile.TemporaryDirectory(prefix="cv-engine-") as scratch:
            try:
                found = self._copy(name, Path(scratch))
            except OSError as error:
                raise from_os_error(error, Path(scratch)) from error
            yield Path(scratch), found


class LocalStore(Store):
    """A folder that packages are written straight into.

    Args:
        root: The folder of all packages.
    """

    in_place = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, folder: Path) -> None:
        """Checks only that the package is in its place: see `Store.put`."""
        if folder.parent.resolve() != self._root.resolve():
            raise EvidenceError(
                f"{folder}: lies outside {self._root}; write packages to {self._root}"
            )

    def has(self, name: str) -> bool:
        """Verifies the package with its contents: see `Store.has`."""
        return not self.problems(name)

    def names(self) -> list[str]:
        """See `Store.names`."""
        return [
            name for name in packages_in(self._root) if (self._root / name / SIGNATURE).exists()
        ]

    def manifest(self, name: str) -> bytes | None:
        """See `Store.manifest`."""
        folder = self._root / checked_name(name)
        data = folder / MANIFEST
        return data.read_bytes() if (folder / SIGNATURE).exists() and data.exists() else None

    def add_timestamp(self, name: str, files: Mapping[str, bytes]) -> None:
        """Adds nothing: a package in its place is stamped there, and one that is gone is not."""

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[Path, list[Problem]]]:
        """Gives the package in its place: see `Store.opened`."""
        yield self._root / checked_name(name), []

    def remove(self, name: str) -> bool:
        """Deletes the folder in one step: see `Store.remove`."""
        folder = self._root / checked_name(name)
        try:
            for aside in self._root.glob(f"{name}.damaged-*"):
                shutil.rmtree(aside)
            if not folder.is_dir():
                return True
            with locked(folder) as is_mine:
                if is_mine:
                    with staged(self._root, name) as discarded:
                        folder.rename(discarded / name)
                return is_mine
        except OSError as error:
            raise from_os_error(error, folder) from error

    def _copy(self, name: str, folder: Path) -> list[Problem]:
        shutil.copytree(self._root / name, folder, symlinks=True, dirs_exist_ok=True)
        return []


def checked_name(name: str) -> str:
    """Returns a package's name unchanged.

    Raises:
        EvidenceError: ``name`` is no name of a package.
    """
    if not is_name(name):
        raise EvidenceError(f"{name!r} is no name of an evidence package")
    return name


def is_name(name: str) -> bool:
    """Whether a folder is named like a package, unlike staged and set-aside folders."""
    return _NAME.fullmatch(name) is not None


def packages_in(root: Path) -> list[str]:
    """The names of the packages in a folder, sorted; empty if the folder does not exist.

    Raises:
        EvidenceError: The folder cannot be read.
    """
    try:
        return sorted(
            entry.name for entry in os.scandir(root) if entry.is_dir() and is_name(entry.name)
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EvidenceError(f"{root}: cannot be read ({error.strerror})") from error
