"""Small signed packages, and the content of folders."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from cv_engine.cases import Queue
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, compose
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import manifest_sha256, verify
from tests.evidence.media.scenes import parked

CLIP = "original/clip.mp4"
PICTURE = "original/overview-start.jpg"
PART = 5 * 1024 * 1024  # bytes of one request to object storage


def package(spool: Path, key: SigningKey, source: str = "市场街-03", clip: bytes = b"clip") -> Path:
    """A signed package of plain bytes."""
    finding = parked(source)
    folder = spool / package_name(finding)
    files = {PICTURE: b"picture" * 1000, CLIP: clip}
    listed = []
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        listed.append({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    manifest = compose(finding, listed, [], {}, key.public_key)
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(key.sign(manifest))
    assert verify(folder) == []
    return folder


def content(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def written(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def filed(
    queue: Queue, spool: Path, key: SigningKey, source: str = "市场街-03", clip: bytes = b"clip"
) -> Path:
    """A package that a case names."""
    folder = package(spool, key, source, clip)
    finding = replace(parked(source), evidence=folder.name)
    queue.file(finding, evidence_sha256=manifest_sha256(folder))
    return folder
