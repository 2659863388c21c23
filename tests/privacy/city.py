"""Cases of vehicles with evidence, and what was found out about them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from cv_engine.cases import Actor, Queue, Role
from cv_engine.cases.audit import audit
from cv_engine.cases.removal.retention import Rules
from cv_engine.cases.taxonomy import Retention, load_taxonomy
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, compose
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.store import LocalStore
from cv_engine.evidence.verify import manifest_sha256
from cv_engine.privacy.purge import Deleter
from tests.cases.made import Clock, finding

PLATE, OTHER = "浙B12345", "浙B99999"
CHIEF = Actor("Chief", Role.SUPERVISOR)
_DAY_S = 86_400


@dataclass
class City:
    """A queue with evidence, and a clock that is set by the tests."""

    queue: Queue
    spool: Path
    key: SigningKey
    clock: Clock
    filed: int = field(default=0)

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.spool)

    @property
    def deleter(self) -> Deleter:
        return Deleter(self.queue, self.store, self.spool)

    def rules(self, **days: int) -> Rules:
        kept = {ended: timedelta(days=number) for ended, number in days.items()}
        return Rules(load_taxonomy(), Retention(**kept))

    def later(self, days: float) -> None:
        self.clock.now += timedelta(days=days)

    def park(self, plate: str | None = PLATE, kind: str = "motor_vehicle_parked") -> int:
        """File a case of a vehicle with its package; every one is elsewhere and later."""
        self.filed += 1
        began = self.filed * _DAY_S
        read = {"text": plate, "confidence": 0.997, "layout": "blue"}
        found = finding(
            *(began, began + 300),
            kind=kind,
            source=f"camera-{self.filed}",
            attributes={} if plate is None else {"plate": read, "colour": "white"},
        )
        name = package_name(found)
        folder = self.spool / name
        listed = []
        for path in ("original/overview-start.jpg", "shareable/overview-start.jpg"):
            data = f"{path} {plate}".encode()
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            listed.append({"path": path, "size": len(data), "sha256": digest})
        manifest = compose(found, listed, [], {}, self.key.public_key)
        (folder / MANIFEST).write_bytes(manifest)
        (folder / SIGNATURE).write_bytes(self.key.sign(manifest))
        filed = self.queue.file(
            replace(found, evidence=name), evidence_sha256=manifest_sha256(folder)
        )
        assert filed.outcome == "new"
        return filed.case_id

    def package(self, case_id: int) -> Path:
        (name,) = self.queue.evidence(case_id)
        return self.spool / name

    def reject(self, case_id: int) -> int:
        self.queue.reject(case_id, "Li", "no violation")
        return case_id

    def cite(self, case_id: int, *, close: bool = False) -> int:
        from cv_engine.cases import Action

        self.queue.confirm(case_id, "Li")
        self.queue.move(case_id, Action.CITE, "Li")
        if close:
            self.queue.move(case_id, Action.CLOSE, "Li")
        return case_id

    def problems(self) -> list[str]:
        with self.queue.store.snapshot() as connection:
            return [str(each) for each in audit(connection) if not each.remark]
