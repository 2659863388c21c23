"""Photos of people: sealed before the case names them, and never without a step."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from cv_engine.cases import Action, Actor, Assignment, Case, Event, Queue, QueueError, open_queue
from cv_engine.cases.dispatch.attachment import Attachment
from cv_engine.evidence.attaching import Attacher, remove_unrecorded
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.manifest import MANIFEST
from cv_engine.evidence.media.photo import Photo, read_photo
from cv_engine.evidence.naming import is_note, key_in
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import manifest_sha256, verify
from tests.evidence.media.photos import exif_of, photo
from tests.evidence.packages import filed

_LI = Actor("Li Wei")
_AT = datetime(2026, 5, 1, 10, 20, tzinfo=UTC)
_LONGEST_S = 120.0


@pytest.fixture
def photos(tmp_path: Path) -> list[Photo]:
    paths = [tmp_path / "before.jpg", tmp_path / "after.png"]
    paths[0].write_bytes(photo(exif=exif_of()))
    paths[1].write_bytes(photo("PNG"))
    return [read_photo(path) for path in paths]


@pytest.fixture
def attacher(queue: Queue, key: SigningKey, spool: Path) -> Attacher:
    """An attacher beside a queue whose case 1 was dispatched."""
    filed(queue, spool, key)
    queue.confirm(1, _LI)
    queue.move(1, Action.DISPATCH, _LI, to=Assignment("sanitation"))
    return Attacher(queue, key, spool)


def _handle(attacher: Attacher, photos: list[Photo], note: str = "taken away") -> Case:
    def record(package: Attachment) -> Case:
        return attacher.queue.move(1, Action.HANDLE, _LI, note, evidence=package)

    return attacher.attach(1, "handled", _LI, note, photos, _AT, record)


def _note(queue: Queue, text: str, package: Attachment) -> Case:
    return queue.note(1, _LI, text, evidence=package)


def _notes(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.iterdir() if is_note(folder.name))


def test_photos_are_sealed_named_by_the_case_and_found_by_the_queue(
    attacher: Attacher, photos: list[Photo]
) -> None:
    case = _handle(attacher, photos)
    first, name = attacher.queue.evidence(1)
    assert key_in(first) is not None
    assert name.startswith("case-1-handled-1-")
    assert case.evidence == first, "the case's own evidence stays the camera's"
    folder = attacher.root / name
    entry = attacher.queue.history(1)[-1]
    assert entry.data["evidence"] == name
    assert entry.data["evidence_sha256"] == manifest_sha256(folder)
    recorded = attacher.queue.attachment(name)
    assert recorded is not None
    assert (recorded.case_id, recorded.sha256) == (1, manifest_sha256(folder))
    assert verify(folder, attacher.key.fingerprint, sha256=recorded.sha256) == []
    assert (folder / "original/photo-1.jpg").read_bytes() == photos[0].data
    assert (folder / "original/photo-2.png").read_bytes() == photos[1].data


def test_the_manifest_says_who_when_what_and_what_the_camera_wrote(
    attacher: Attacher, photos: list[Photo]
) -> None:
    _handle(attacher, photos)
    (name,) = _notes(attacher.root)
    manifest = json.loads((attacher.root / name / MANIFEST).read_text())
    note = manifest["note"]
    assert (note["case"], note["by"], note["text"]) == (1, "Li Wei", "taken away")
    assert note["at"] == _AT.isoformat()
    assert manifest["files"][0]["exif"]["taken"] == "2026-05-01T10:15:00+08:00"
    assert manifest["files"][0]["name"] == "before.jpg"


def test_a_package_under_the_name_of_another_is_noticed(
    attacher: Attacher, photos: list[Photo]
) -> None:
    _handle(attacher, photos)
    (name,) = _notes(attacher.root)
    other = attacher.root / "case-1-handled-1-0123456789abcdef"
    (attacher.root / name).rename(other)
    assert ["exchanged" in str(problem) for problem in verify(other)] == [True]
    sha256 = attacher.queue.attachment(name)
    assert sha256 is not None


def test_each_package_has_a_name_of_its_own(attacher: Attacher, photos: list[Photo]) -> None:
    _handle(attacher, photos)
    for text in ("first", "second"):
        attacher.attach(
            *(1, "noted", _LI, text, photos, _AT),
            partial(_note, attacher.queue, text),
        )
    numbers = [name.rsplit("-", 1)[0] for name in _notes(attacher.root)]
    assert numbers == ["case-1-handled-1", "case-1-noted-2", "case-1-noted-3"]
    assert len(attacher.queue.evidence(1)) == 4


def test_a_step_that_is_refused_leaves_no_package(attacher: Attacher, photos: list[Photo]) -> None:
    _handle(attacher, photos)
    before = _notes(attacher.root)
    with pytest.raises(QueueError, match="case 1 is handled: it cannot take the step handle"):
        _handle(attacher, photos)
    assert _notes(attacher.root) == before
    assert not list(attacher.root.glob(".partial/*"))
    assert [entry.event for entry in attacher.queue.history(1)].count(Event.STATE) == 3


def test_a_package_that_cannot_be_written_leaves_the_case_as_it_was(
    attacher: Attacher, photos: list[Photo], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = Attacher(attacher.queue, attacher.key, tmp_path / "file" / "evidence")
    with pytest.raises(EvidenceError, match="file"):
        _handle(blocked, photos)
    assert attacher.queue.get(1).state == "dispatched"


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.evidence import test_attaching as t
where, root, key, *paths = sys.argv[1:]
with t.open_queue(where) as queue:
    attacher = t.Attacher(queue, t.SigningKey.load_or_create(Path(key)), Path(root))
    photos = [t.read_photo(Path(path)) for path in paths]
    die = lambda package: os.kill(os.getpid(), signal.SIGKILL)
    attacher.attach(1, "handled", t._LI, "taken away", photos, t._AT, die)
"""


def test_a_process_killed_between_sealing_and_recording_leaves_nothing_that_counts(
    tmp_path: Path, photos: list[Photo]
) -> None:
    where, spool = tmp_path / "queue.db", tmp_path / "spool"
    key = SigningKey.load_or_create(tmp_path / "key.pem")
    with open_queue(where) as queue:
        filed(queue, spool, key)
        queue.confirm(1, _LI)
        queue.move(1, Action.DISPATCH, _LI, to=Assignment("sanitation"))
        paths = [tmp_path / photo.name for photo in photos]
        arguments = (where, spool, tmp_path / "key.pem", *paths)
        command = [sys.executable, "-c", _KILLED, *map(str, arguments)]
        done = subprocess.run(command, timeout=_LONGEST_S, check=False)
        assert done.returncode == -signal.SIGKILL
        (left,) = _notes(spool)
        assert verify(spool / left) == []
        assert queue.get(1).state == "dispatched"
        assert queue.attachment(left) is None
        attacher = Attacher(queue, key, spool)
        _handle(attacher, photos, "taken away, said again")
        remove_unrecorded(spool, queue)
        (kept,) = _notes(spool)
        assert kept != left
        assert queue.evidence(1)[1:] == [kept]


def test_a_package_that_another_process_is_about_to_record_is_left_alone(
    attacher: Attacher, photos: list[Photo]
) -> None:
    def record(package: Attachment) -> Case:
        remove_unrecorded(attacher.root, attacher.queue)
        assert (attacher.root / package.name).is_dir()
        return attacher.queue.move(1, Action.HANDLE, _LI, evidence=package)

    attacher.attach(1, "handled", _LI, "", photos, _AT, record)
    (name,) = _notes(attacher.root)
    assert verify(attacher.root / name) == []


def test_packages_of_findings_are_never_removed(queue: Queue, key: SigningKey, spool: Path) -> None:
    folder = filed(queue, spool, key)
    remove_unrecorded(spool, queue)
    assert verify(folder) == []
    remove_unrecorded(spool / "missing", queue)
