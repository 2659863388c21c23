"""Fetches the timestamps of sealed packages, in the background and again until they are there.

Nothing waits for the authority: a package is sealed, filed and uploaded without its timestamp,
which is added as soon as the authority gives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import structlog

from cv_engine.evidence.errors import AuthorityError, EvidenceError, StoreError, from_os_error
from cv_engine.evidence.manifest import MANIFEST
from cv_engine.evidence.staging import locked, staged, write_file
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.timestamp import token
from cv_engine.evidence.timestamp.authority import Authority
from cv_engine.evidence.timestamp.waiting import Waiting

# Seconds between two rounds: an authority that is away comes back in minutes.
EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of a round.

    Attributes:
        stamped: Names of the packages that have their timestamp now.
        unstamped: Names of the packages that still wait, each with the reason.
    """

    stamped: list[str] = field(default_factory=list)
    unstamped: dict[str, str] = field(default_factory=dict)


class Stamper:
    """Adds timestamps to packages, in a thread of its own once it is started.

    The thread is a daemon: a program that ends does not wait for an authority, and the next run
    does what is left.

    Args:
        authority: Gives the timestamps; ``None``: none are fetched.
        waiting: The packages that wait; ``None``: none do.
        root: The folder that packages are written to.
        store: Opens the store that packages are sent to.
        every_s: Seconds between two rounds.
    """

    def __init__(
        self,
        authority: Authority | None,
        waiting: Waiting | None,
        root: Path,
        store: Callable[[], Store],
        every_s: float = EVERY_S,
    ) -> None:
        self._authority = authority
        self._waiting = waiting
        self._root = root
        self._store = store
        self._every_s = every_s
        self._requested, self._stopping = Event(), Event()
        self._logged = ""
        self._thread = Thread(target=self._run, name="timestamps", daemon=True)

    def start(self) -> None:
        """Starts the thread, which first does what an earlier run left."""
        if self._authority is not None and self._waiting is not None:
            self._thread.start()

    def soon(self) -> None:
        """Requests a round, since a package was filed; returns at once."""
        self._requested.set()

    def stop(self, timeout_s: float | None = None) -> None:
        """Ends the thread.

        Args:
            timeout_s: How long to wait for the answer that is due, seconds; ``None``: until it is
                there or the authority is given up.
        """
        self._stopping.set()
        self._requested.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def stamp_waiting(self, go_on: Callable[[], bool] = lambda: True) -> Round:
        """Fetches the timestamps of the packages that wait.

        The round ends at the first package for which the authority or the store does not answer.

        Args:
            go_on: Called before each package; the round ends when it returns ``False``.

        Raises:
            EvidenceError: The folder of those that wait cannot be read.
        """
        done, authority, waiting = Round(), self._authority, self._waiting
        if authority is None or waiting is None:
            return done
        names = waiting.names()
        for number, name in enumerate(names):
            if not go_on():
                break
            try:
                if self._stamp(authority, waiting, name):
                    done.stamped.append(name)
            except (AuthorityError, StoreError) as error:
                done.unstamped.update(dict.fromkeys(names[number:], str(error)))
                break
            except EvidenceError as error:
                done.unstamped[name] = str(error)
        return done

    def _stamp(self, authority: Authority, waiting: Waiting, name: str) -> bool:
        """Adds a package's timestamp; ``False`` where there is nothing to do, or not now."""
        wanted = waiting.sha256(name)
        if wanted is None:
            return False
        folder = self._root / name
        manifest = self._manifest(name)
        if manifest is None or (folder / token.FOLDER).exists():
            waiting.remove(name)  # deleted since, or stamped by a run that was killed
            return False
        if hashlib.sha256(manifest).hexdigest() != wanted:
            raise EvidenceError(
                f"{folder}: {MANIFEST} is not the one that was sealed; no timestamp is fetched"
            )
        answer = authority.stamp(manifest)
        certificates = authority.certificates
        contents = (answer, certificates, token.sums(answer, certificates))
        if not self._add(name, dict(zip(token.FILES, contents, strict=True))):
            return False
        waiting.remove(name)
        return True

    def _manifest(self, name: str) -> bytes | None:
        """A package's manifest, ``None`` if the package exists nowhere any more."""
        try:
            return (self._root / name / MANIFEST).read_bytes()
        except OSError:
            # In this order: a package that is sent is in the store before it is gone here.
            return self._store().manifest(name)

    def _add(self, name: str, files: dict[str, bytes]) -> bool:
        """Adds a timestamp's files where the package is, ``False`` while it is being sent."""
        folder = self._root / name
        try:
            with locked(folder) as is_mine:
                if is_mine:
                    with staged(self._root, name) as draft:
                        (draft / token.FOLDER).mkdir()
                        for path, data in files.items():
                            write_file(draft / path, data)
                        (draft / token.FOLDER).rename(folder / token.FOLDER)
                    return True
        except OSError as error:
            raise from_os_error(error, folder) from error
        if folder.exists():
            return False
        self._store().add_timestamp(name, files)
        return True

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._requested.clear()
            try:
                reasons = set(self.stamp_waiting(self._may_go_on).unstamped.values())
            except EvidenceError as error:
                reasons = {str(error)}
            self._log(reasons)
            if reasons:
                self._stopping.wait(self._every_s)
            else:
                self._requested.wait(self._every_s)

    def _may_go_on(self) -> bool:
        return not self._stopping.is_set()

    def _log(self, reasons: set[str]) -> None:
        """Logs a reason once, until it no longer applies."""
        log, reason = structlog.get_logger(__name__), min(reasons, default="")
        if reason and reason != self._logged:
            log.warning("evidence waits for its timestamp", reason=reason)
        if self._logged and not reason:
            log.info("evidence is being timestamped again")
        self._logged = reason
