"""Where evidence packages are kept: a folder on this machine, or S3-compatible object storage."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.evidence.manifest import SIGNATURE
from cv_engine.evidence.staging import publish, set_aside, staged
from cv_engine.evidence.verify import Problem, verify

_NAME = re.compile(r"[\w-]+")  # as `package.package_name` makes them: no dots, no slashes


class Store(ABC):
    """Keeps finished packages."""

    in_place: bool  # whether packages are written straight into it, so that nothing is to be sent

    @abstractmethod
    def put(self, folder: Path) -> None:
        """Keeps a finished package, and returns once it is there whole.

        Put twice, it is sent once. What is missing or differs of it is sent (anew).

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: The folder is no whole package, or the store holds another one of its
                name that is signed: that is never overwritten.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether a package is there, signed and with all its files at their sizes.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """Gives the names of all signed packages, sorted; this looks at every object there is.

        Raises:
            StoreError: The store does not answer, or refuses.
        """

    @abstractmethod
    def _copy(self, name: str, folder: Path) -> list[Problem]:
        """Copies a package as it is into ``folder``; tells what of it no folder can hold."""

    def fetch(self, name: str, into: Path) -> Path:
        """Brings a package to a folder of this machine, whole or not at all.

        One of that name that is there already and verifies is left untouched; one that does not
        is set aside.

        Returns:
            ``into / name``.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: The package does not verify, or the disk cannot be written.
        """
        target = into / checked_name(name)
        try:
            if target.is_dir() and not verify(target):
                return target
            with staged(into, name) as folder:
                problems = self._copy(name, folder) or verify(folder)
                if problems:
                    raise EvidenceError(f"{name}: is not whole in the store: {problems[0]}")
                while not publish(folder, target):
                    if not verify(target):
                        return target  # another run was quicker
                    set_aside(target)
        except OSError as error:
            raise from_os_error(error, into) from error
        return target

    def problems(self, name: str, trusted: str | None = None) -> list[Problem]:
        """Finds whatever was changed, removed or added since a package was written; see `verify`.

        Raises:
            StoreError: The store does not answer, or refuses.
            EvidenceError: That is no name of a package.
        """
        checked_name(name)
        with tempfile.TemporaryDirectory(prefix="cv-engine-") as scratch:
            try:
                found = self._copy(name, Path(scratch))
            except OSError as error:
                raise from_os_error(error, Path(scratch)) from error
            return [*found, *verify(Path(scratch), trusted)]


class LocalStore(Store):
    """A folder that packages are written straight into.

    Args:
        root: The folder of all packages.
    """

    in_place = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, folder: Path) -> None:
        """Has nothing to do: see `Store.put`."""
        if folder.parent.resolve() != self._root.resolve():
            raise EvidenceError(f"{folder}: lies outside {self._root}; write packages there")

    def has(self, name: str) -> bool:
        """Verifies it, with its contents: see `Store.has`."""
        return not self.problems(name)

    def names(self) -> list[str]:
        """See `Store.names`."""
        return [
            name for name in packages_in(self._root) if (self._root / name / SIGNATURE).exists()
        ]

    def problems(self, name: str, trusted: str | None = None) -> list[Problem]:
        """Verifies it where it lies: see `Store.problems`."""
        return verify(self._root / checked_name(name), trusted)

    def _copy(self, name: str, folder: Path) -> list[Problem]:
        shutil.copytree(self._root / name, folder, symlinks=True, dirs_exist_ok=True)
        return []


def checked_name(name: str) -> str:
    """Gives a package's name back.

    Raises:
        EvidenceError: It is none.
    """
    if not is_name(name):
        raise EvidenceError(f"{name!r} is no name of an evidence package")
    return name


def is_name(name: str) -> bool:
    """Whether a folder is named like a package: not what is staged or was set aside."""
    return _NAME.fullmatch(name) is not None


def packages_in(root: Path) -> list[str]:
    """The names of the packages in a folder, sorted; none where it is not there.

    Raises:
        EvidenceError: It cannot be read.
    """
    try:
        return sorted(
            entry.name for entry in os.scandir(root) if entry.is_dir() and is_name(entry.name)
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EvidenceError(f"{root}: cannot be read ({error.strerror})") from error
