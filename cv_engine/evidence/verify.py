"""Checks that an evidence package is unchanged: every byte, with nothing removed or added."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.keys import KeyRecord
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, Entry, Manifest, parse
from cv_engine.evidence.naming import is_note, key_in, name_in
from cv_engine.evidence.signing import SIGNATURE_BYTES, fingerprint, is_signed
from cv_engine.evidence.timestamp import token
from cv_engine.evidence.timestamp.token import Timestamp
from cv_engine.evidence.validity import Proven, key_statement

_LARGEST_MANIFEST = 16 * 1024 * 1024  # bytes; a real one has a few thousand
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """One defect of a package.

    Attributes:
        where: The file or folder, relative to the package.
        what: What is wrong with the file or folder.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Examination:
    """What a package shows.

    Attributes:
        problems: Everything that was changed, removed or added; empty where the package is intact.
        manifest: The manifest; ``None`` where it cannot be read.
        timestamp: When a third party saw the manifest; ``None`` where the package has no valid
            timestamp.
        notes: What holds although nothing was changed, such as that the key was revoked later.
    """

    problems: list[Problem]
    manifest: Manifest | None = None
    timestamp: Timestamp | None = None
    notes: tuple[str, ...] = ()


def verify(
    folder: Path,
    trusted: str | None = None,
    *,
    name: str | None = None,
    sha256: str | None = None,
) -> list[Problem]:
    """Finds everything that was changed, removed or added since a package was written.

    The folder alone is needed. The key inside the package proves that the package is whole, not
    who made it: anyone can sign a forged package with a key of their own. Pass the fingerprint of
    the station's key, learnt through another channel, to check the signer too, or the digest that
    the queue recorded, to check that this is the package that was filed.

    Args:
        folder: The package.
        trusted: Fingerprint of the key that must have signed the package; case and colons do not
            matter.
        name: Name of the package; that of the folder if left out. Where it is one that
            `naming.package_name` makes, the package must be of the finding that it names.
        sha256: Digest (hex) that the manifest must have.

    Returns:
        The problems found, in a stable order; empty if there is none. No content of the folder
        raises an error.

    Example:
        >>> [str(problem) for problem in verify(Path("no-such-package"))]
        ['.: there is no such folder']
    """
    return examine(folder, trusted, name=name, sha256=sha256).problems


def examine(
    folder: Path,
    trusted: str | None = None,
    *,
    name: str | None = None,
    sha256: str | None = None,
    keys: Sequence[KeyRecord] = (),
    only_these_keys: bool = True,
    filed: datetime | None = None,
) -> Examination:
    """Verifies a package (see `verify`), and says what else it shows.

    Args:
        folder: See `verify`.
        trusted: See `verify`.
        name: See `verify`.
        sha256: See `verify`.
        keys: The station's keys; the one that signed must have held when the package was sealed.
            Where there are none, any key is accepted.
        only_these_keys: Whether any other key is wrong, or only noted.
        filed: When the queue recorded ``sha256``, if it did: a proof that the package is not
            younger.
    """
    if not folder.is_dir():
        return Examination([Problem(".", "there is no such folder")])
    try:
        data = _read_regular(folder / MANIFEST, _LARGEST_MANIFEST)
        manifest = parse(data)
    except EvidenceError as error:
        return Examination([Problem(MANIFEST, str(error))])
    problems = _identity_problems(data, manifest, name or folder.name, sha256)
    problems += _signature_problems(folder, data, manifest, trusted)
    timestamp, notes = None, list[str]()
    if os.path.lexists(folder / token.FOLDER):
        timestamp, wrong = token.problems_in(partial(_read_inside, folder), data)
        problems += [Problem(where, what) for where, what in wrong]
    if keys:
        proven = Proven.of(None if timestamp is None else timestamp.at, filed)
        statement = key_statement(manifest, keys, proven, only_these=only_these_keys)
        problems += [Problem(SIGNATURE, what) for what in statement.wrong]
        notes += statement.notes
    for entry in manifest.files:
        problem = _file_problem(folder, entry)
        if problem is not None:
            problems.append(problem)
    problems += _added(folder, manifest)
    return Examination(problems, manifest, timestamp, tuple(notes))


def manifest_sha256(folder: Path) -> str | None:
    """SHA-256 (hex) of a package's manifest, which holds those of all files; ``None`` without."""
    try:
        return hashlib.sha256(_read_regular(folder / MANIFEST, _LARGEST_MANIFEST)).hexdigest()
    except EvidenceError:
        return None


def _identity_problems(
    data: bytes, manifest: Manifest, name: str, sha256: str | None
) -> list[Problem]:
    """Whether a manifest, be it whole, is that of the package that is asked for."""
    problems = []
    described = name_in(manifest.content)
    is_named = key_in(name) is not None or is_note(name)
    if is_named and described != name:
        other = "of no finding" if described is None else f"of another finding, {described}"
        problems.append(Problem(MANIFEST, f"is {other}: the package was exchanged"))
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        problems.append(
            Problem(MANIFEST, "is not the one that was filed with the case: it was exchanged")
        )
    return problems


def _read_inside(folder: Path, path: str) -> bytes:
    """Reads a file in a regular folder of a package."""
    inside = folder / path.rpartition("/")[0]
    if not stat.S_ISDIR(inside.lstat().st_mode):
        raise EvidenceError(f"its folder {inside.name!r} is not a regular folder")
    return _read_regular(folder / path, _LARGEST_MANIFEST)


def _read_regular(path: Path, largest: int) -> bytes:
    """Reads a file that must be a regular one, not a link to elsewhere."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise EvidenceError("is not a regular file")
        if status.st_size > largest:
            raise EvidenceError(f"has {status.st_size} bytes, more than {largest}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise EvidenceError("is missing") from error
    except OSError as error:
        raise EvidenceError(f"cannot be read: {error.strerror}") from error


def _signature_problems(
    folder: Path, data: bytes, manifest: Manifest, trusted: str | None
) -> list[Problem]:
    problems = []
    try:
        signature = _read_regular(folder / SIGNATURE, _LARGEST_MANIFEST)
        if len(signature) != SIGNATURE_BYTES:
            raise EvidenceError(f"has {len(signature)} bytes, not {SIGNATURE_BYTES}")
        if not is_signed(data, signature, manifest.public_key):
            raise EvidenceError(f"does not match {MANIFEST}: one of the two was changed")
    except EvidenceError as error:
        problems.append(Problem(SIGNATURE, str(error)))
    signer = fingerprint(manifest.public_key)
    if trusted is not None and trusted.replace(":", "").strip().lower() != signer:
        problems.append(Problem(MANIFEST, f"is signed by {signer}, which is not the trusted key"))
    return problems


def _file_problem(folder: Path, entry: Entry) -> Problem | None:
    path = folder
    parts = entry.path.split("/")
    try:
        for part in parts[:-1]:
            path = path / part
            if not stat.S_ISDIR(path.lstat().st_mode):
                return Problem(entry.path, f"its folder {part!r} is not a regular folder")
        path = path / parts[-1]
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return Problem(entry.path, "is not a regular file")
        if status.st_size != entry.size:
            return Problem(entry.path, f"has {status.st_size} bytes, not {entry.size}")
        if _sha256(path) != entry.sha256:
            return Problem(entry.path, "its content was changed")
    except FileNotFoundError:
        return Problem(entry.path, "is missing")
    except (OSError, ValueError) as error:
        return Problem(entry.path, f"cannot be read: {error}")
    return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _added(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    """Yields the files and folders in the package that the manifest does not list."""
    files = {MANIFEST, SIGNATURE, *token.FILES} | {entry.path for entry in manifest.files}
    folders = {
        "/".join(parts[:depth])
        for parts in (path.split("/") for path in files)
        for depth in range(1, len(parts))
    }
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            found = sorted(os.scandir(folder / inside), key=lambda item: item.name)
        except OSError as error:
            yield Problem(inside or ".", f"cannot be read: {error.strerror}")
            continue
        for item in found:
            path = f"{inside}/{item.name}" if inside else item.name
            if item.is_dir(follow_symlinks=False):
                if path in folders:
                    waiting.append(path)
                else:
                    yield Problem(_shown(path), "was added: no such folder is listed")
            elif path not in files:
                yield Problem(_shown(path), "was added: no such file is listed")


def _shown(path: str) -> str:
    """The name of a foreign file, safe to print."""
    return path if path.isprintable() else ascii(path)
