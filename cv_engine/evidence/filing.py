"""Evidence first, then the case that names it: how every finding reaches the queue.

A package is written whole or not at all, and only then the case that names it is filed: a run that
is killed in between leaves a package that the next run uses. What a case names may be sent to a
store and removed here (see `evidence.storage.outbox`); filing never asks a store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from cv_engine.cases import Filed, Queue
from cv_engine.cases.filing.site import SITE_GAP_M
from cv_engine.evidence.clock_record import ClockRecord
from cv_engine.evidence.manifest import Sealed
from cv_engine.evidence.media.credentials import Signer
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.timestamp.waiting import Waiting
from cv_engine.evidence.verify import manifest_sha256, verify
from cv_engine.finding import Finding


@dataclass(frozen=True, slots=True)
class Seal:
    """What one package is sealed with.

    Attributes:
        key: Signs the manifest.
        sealed: The present time, and who is to confirm it.
        credentials: Signs the shareable pictures, if they are signed.
    """

    key: SigningKey
    sealed: Sealed
    credentials: Signer | None = None


@dataclass(frozen=True, slots=True)
class CaseFiler:
    """Files findings as cases, each with its evidence.

    Attributes:
        queue: Where cases go.
        key: Signs the packages.
        root: Folder of the packages.
        waiting: Where packages wait for their timestamp; ``None``: none is fetched.
        signer: Gives what signs content credentials, for the key that signs a package; ``None``:
            pictures have none.
        clocks: The measured errors of the cameras' clocks; ``None``: none is kept.
    """

    queue: Queue
    key: SigningKey
    root: Path
    waiting: Waiting | None = None
    signer: Callable[[SigningKey], Signer] | None = None
    clocks: ClockRecord | None = None

    def file(
        self,
        finding: Finding,
        write_evidence: Callable[[], object] | None,
        *,
        missed: timedelta = timedelta(0),
        gap_m: float = SITE_GAP_M,
    ) -> Filed:
        """Writes a finding's evidence where that is missing, and files its case.

        Args:
            finding: The finding.
            write_evidence: Writes the finding's package below `root`, signed with `key`; called
                only where the package is missing. Without it the case has no evidence.
            missed: See `Queue.file`.
            gap_m: See `Queue.file`.

        Raises:
            EvidenceError: The evidence cannot be written.
            QueueError: The case cannot be filed.
        """
        if write_evidence is not None:
            if self._is_evidence_missing(finding):
                write_evidence()
            finding = replace(finding, evidence=package_name(finding))
        # ``None`` for a package that was sent to a store: its digest was recorded before.
        digest = None if finding.evidence is None else manifest_sha256(self.root / finding.evidence)
        if self.waiting is not None and finding.evidence is not None and digest is not None:
            self.waiting.add_unless_stamped(self.root, finding.evidence, digest)
        return self.queue.file(finding, missed=missed, gap_m=gap_m, evidence_sha256=digest)

    def seal(self) -> Seal:
        """What the next package is sealed with: ask for each package.

        Raises:
            EvidenceError: The key cannot be read.
        """
        now = self.queue.now()  # before the key is read: one that is replaced meanwhile held then
        key = self.key.current()
        sealed = Sealed(now, None if self.waiting is None else self.waiting.authority)
        return Seal(key, sealed, None if self.signer is None else self.signer(key))

    def _is_evidence_missing(self, finding: Finding) -> bool:
        """Whether a finding's package is neither sound here nor sent to a store.

        A run that resumes after a kill files the same findings again: a sound package is kept, and
        one that a case names and that is not here has been sent.
        """
        folder = self.root / package_name(finding)
        if not verify(folder):
            return False
        # In this order: a package that is being sent meanwhile is removed here in one step, and
        # never comes back.
        return folder.is_dir() or self.queue.evidence_of(finding.key) is None
