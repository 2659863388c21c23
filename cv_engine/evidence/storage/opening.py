"""Opens the evidence store at an address: a folder, or a bucket of object storage."""

from __future__ import annotations

from pathlib import Path

from cv_engine.evidence.storage.address import is_address, read_address
from cv_engine.evidence.storage.store import LocalStore, Store

PATIENCE_S = 20.0  # a restart of a server or of a router's line takes less


def open_store(address: str | Path, patience_s: float = PATIENCE_S) -> Store:
    """Opens the store at an address; no request is sent yet.

    Args:
        address: A folder, or ``s3://bucket/prefix``.
        patience_s: How long an answer may take, and how long a failing request is repeated, with
            growing pauses, in seconds. A store that is away is given up after that time, after
            twice that at worst; a large file takes as long as it needs while its parts (5 MiB)
            get through.

    Raises:
        EvidenceError: The address is malformed, its extra is not installed, or the environment
            holds no credentials.
    """
    if not is_address(str(address)):
        return LocalStore(Path(address))
    from cv_engine.evidence.storage.object_store import ObjectStore

    return ObjectStore(read_address(str(address)), patience_s)
