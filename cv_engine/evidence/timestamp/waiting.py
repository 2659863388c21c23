"""The packages that are sealed and still without a timestamp."""

from __future__ import annotations

from pathlib import Path

from cv_engine.evidence.errors import from_os_error
from cv_engine.evidence.timestamp.token import FOLDER
from cv_engine.files import write_atomically


class Waiting:
    """A folder with one small file for each package that waits: its name, and the digest in it.

    The file is written before the case is filed, and removed once the timestamp is kept. A run
    that is killed at any moment leaves a package that waits, or one that has its timestamp.

    Args:
        folder: The folder; made when it is needed.
        authority: Address of the authority that gives the timestamps.

    Attributes:
        folder: As given.
        authority: As given.
    """

    def __init__(self, folder: Path, authority: str) -> None:
        self.folder = folder
        self.authority = authority

    def add(self, name: str, sha256: str) -> None:
        """Notes that a package needs a timestamp; idempotent.

        Args:
            name: The package.
            sha256: Digest (hex) of its manifest.

        Raises:
            EvidenceError: The disk cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / name, sha256.encode(), sync=True)
        except OSError as error:
            raise from_os_error(error, self.folder) from error

    def add_unless_stamped(self, root: Path, name: str, sha256: str) -> None:
        """Notes that a package needs a timestamp, unless it has one already.

        Args:
            root: The folder of all packages.
            name: See `add`.
            sha256: See `add`.

        Raises:
            EvidenceError: The disk cannot be written.
        """
        if not (root / name / FOLDER).exists():
            self.add(name, sha256)

    def names(self) -> list[str]:
        """The packages that wait, the longest waiting first.

        Raises:
            EvidenceError: The folder cannot be read.
        """
        try:
            found = [
                (path.stat().st_mtime_ns, path.name)
                for path in self.folder.iterdir()
                if "." not in path.name  # a file that is being written
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error, self.folder) from error
        return [name for _, name in sorted(found)]

    def sha256(self, name: str) -> str | None:
        """The digest of a package that waits; ``None`` if it does not wait any more."""
        try:
            return (self.folder / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def remove(self, name: str) -> None:
        """Notes that a package has its timestamp, or does not exist any more; idempotent."""
        (self.folder / name).unlink(missing_ok=True)
