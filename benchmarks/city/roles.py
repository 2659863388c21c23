"""Processes that work on one queue until they are killed: filing, officers, relay, backup.

Each appends what the queue has acknowledged to a file of its own, after the call has returned.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from PIL import Image

from cv_engine.cases import (
    Action,
    Actor,
    Assignment,
    Case,
    Filter,
    Queue,
    QueueError,
    Role,
    State,
    open_queue,
)
from cv_engine.cases.backup import back_up
from cv_engine.cases.outbox.relay import Relay
from cv_engine.cases.outbox.webhook import Webhook, read_secrets
from cv_engine.evidence.attaching import Attacher
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, compose
from cv_engine.evidence.media.photo import read_photo
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.staging import publish, staged, write_file
from cv_engine.finding import Finding, Place

CAMERAS = 7
OUTLET = "city"
SECRET = "whsec_" + base64.b64encode(b"a secret of the benchmark, 32 B!").decode()
_FIRST = datetime(2026, 5, 1, tzinfo=UTC)
_APART = timedelta(hours=1)
_CHIEF = Actor("Chen", Role.SUPERVISOR)
_NEXT = {
    State.REPORTED: Action.CONFIRM,
    State.CONFIRMED: Action.DISPATCH,
    State.DISPATCHED: Action.HANDLE,
    State.HANDLED: Action.VERIFY,
    State.VERIFIED: Action.CLOSE,
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where the processes work.

    Attributes:
        queue: Path or URL of the queue.
        folder: Folder of the evidence, the backups, and of what was acknowledged.
        url: Address that receives the events.
    """

    queue: str
    folder: Path
    url: str

    @property
    def evidence(self) -> Path:
        """The folder of the evidence packages."""
        return self.folder / "evidence"

    @property
    def backups(self) -> Path:
        """The folder of the backups."""
        return self.folder / "backups"

    def acknowledged(self, role: str) -> Path:
        """The file of what the queue acknowledged to a role."""
        return self.folder / f"{role}.acknowledged"

    def relay(self, queue: Queue) -> Relay:
        """A relay of the events."""
        webhook = Webhook(OUTLET, self.url, read_secrets(SECRET), _now)
        return Relay(queue.store, webhook, _now)


def _now() -> datetime:
    return datetime.now(UTC)


def findings() -> Iterator[Finding]:
    """What the cameras find, always the same: crates that stand for half an hour, without end."""
    for number in count():
        camera, round_ = number % CAMERAS, number // CAMERAS
        began = _FIRST + round_ * _APART
        x = 200.0 * round_  # each crate stands elsewhere: none joins the one before
        yield Finding(
            kind="clutter",
            source=f"camera-{camera}",
            zone="pavement",
            place=Place(None, None, "unknown", (x, 100.0, x + 90.0, 180.0)),
            began=began,
            observed=began + _APART / 2,
            confidence=0.9,
        )


def file_forever(site: Site, seed: int) -> None:
    """File findings with evidence; the last ones of the run before are filed again."""
    done = site.acknowledged("filing")
    start = max(0, len(done.read_text().splitlines()) - 5) if done.exists() else 0
    with open_queue(site.queue) as queue:
        filer = CaseFiler(queue, _key(site), site.evidence)
        for number, finding in enumerate(findings()):
            if number >= start:
                filed = file_one(filer, finding)
                _say(done, f"{finding.key} {filed}")


def file_one(filer: CaseFiler, finding: Finding) -> int:
    """File a finding with its evidence; returns the case's number."""
    return filer.file(finding, lambda: _write_package(filer, finding)).case_id


def decide_forever(site: Site, seed: int) -> None:
    """Take cases that are open a step further, with a photo where one was handled."""
    chance, done = random.Random(seed), site.acknowledged("officers")
    photo = site.folder / f"photo-{os.getpid()}.jpg"
    photo.write_bytes(_picture(seed))
    with open_queue(site.queue) as queue:
        attacher = Attacher(queue, _key(site), site.evidence)
        while True:
            state = chance.choice(list(_NEXT))
            for case in queue.cases(Filter(state=state, limit=5)):
                with suppress(QueueError):  # another officer was faster
                    moved = _step(queue, attacher, case, photo)
                    _say(done, f"{moved.id} {moved.version} {moved.state}")


def _step(queue: Queue, attacher: Attacher, case: Case, photo: Path) -> Case:
    action = _NEXT[case.state]
    if action is not Action.HANDLE:
        return queue.move(case.id, action, _CHIEF, "seen", to=Assignment("sanitation"))
    return attacher.attach(
        case.id,
        "handled",
        _CHIEF,
        "taken away",
        [read_photo(photo)],
        _now(),
        lambda package: queue.move(case.id, action, _CHIEF, "taken away", evidence=package),
    )


def relay_forever(site: Site, seed: int) -> None:
    """Send events to the address."""
    with open_queue(site.queue) as queue:
        relay = site.relay(queue)
        relay.register()
        while True:
            relay.run_once()


def back_up_forever(site: Site, seed: int) -> None:
    """Write one backup after the other."""
    site.backups.mkdir(exist_ok=True)
    with open_queue(site.queue) as queue:
        for number in count():
            file = site.backups / f"backup-{seed}-{number}.db"
            back_up(queue.store, file, _now(), lambda what, done, total: None)
            _say(site.acknowledged("backup"), file.name)


ROLES: dict[str, Callable[[Site, int], None]] = {
    "filing": file_forever,
    "officers": decide_forever,
    "relay": relay_forever,
    "backup": back_up_forever,
}


def _say(path: Path, line: str) -> None:
    """Append a line in one write, which a kill leaves whole or out."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, (line + "\n").encode())
    finally:
        os.close(handle)


def _key(site: Site) -> SigningKey:
    return SigningKey.load_or_create(site.folder / "signing-key.pem")


def _write_package(filer: CaseFiler, finding: Finding) -> None:
    name, data = package_name(finding), _picture(hash(finding.key) % 255)
    digest = hashlib.sha256(data).hexdigest()
    files = [{"path": "crate.jpg", "size": len(data), "sha256": digest, "view": "original"}]
    with staged(filer.root, name) as folder:
        write_file(folder / "crate.jpg", data)
        manifest = compose(finding, files, [], {}, filer.key.public_key)
        write_file(folder / MANIFEST, manifest)
        write_file(folder / SIGNATURE, filer.key.sign(manifest))
        publish(folder, filer.root / name)


def _picture(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (shade % 256, 90, 60)).save(out, "JPEG")
    return out.getvalue()
