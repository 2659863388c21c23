"""A file in place of a gateway, for trials: no phone gets a message."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cv_engine.cases.outbox.errors import RetryLater
from cv_engine.notices.gateways.gateway import Message, Outcome, Report


@dataclass(frozen=True, slots=True)
class FileGateway:
    """Appends each message to a file, one JSON object a line; each key once.

    Attributes:
        path: The file; a lock lies beside it while a line is written.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return str(self.path)

    @property
    def is_idempotent(self) -> bool:
        """``True``: a key that the file has is not added again."""
        return True

    @property
    def reports(self) -> bool:
        """``False``: no phone gets the message."""
        return False

    def send(self, message: Message) -> str | None:
        """See :meth:`cv_engine.notices.gateways.gateway.Gateway.send`."""
        from filelock import FileLock

        line = {"key": message.key, "to": message.to, "text": message.text}
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"):
                self._append(message.key, data)
        except OSError as error:
            raise RetryLater(f"{self.path} cannot be written ({error.strerror})") from error
        return None

    def report(self, message_id: str) -> Report:
        """Nothing: there are no reports."""
        return Report(Outcome.PENDING, "")

    def close(self) -> None:
        """Without effect: the file is open only while a line is written."""

    def _append(self, key: str, data: bytes) -> None:
        """Append a line unless the file has its key; a line that a kill cut off is removed."""
        with self.path.open("a+b") as file:
            file.seek(0)
            whole = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                if _key_of(line) == key:
                    return
            file.truncate(whole)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _key_of(line: bytes) -> str | None:
    """The key in a line; ``None`` in a line that somebody else has written."""
    try:
        found = json.loads(line)["key"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
