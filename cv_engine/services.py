"""The composition root: opens what a command needs from its configuration, each part once."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cv_engine.cases import Queue, open_queue
from cv_engine.cases.taxonomy import Taxonomy, check_departments, load_taxonomy

if TYPE_CHECKING:
    from cv_engine.cases.deadlines import Deadlines
    from cv_engine.cases.dispatch import Organisation
    from cv_engine.cases.outbox.relays import Relays
    from cv_engine.config import Config
    from cv_engine.evidence.attaching import Attacher
    from cv_engine.evidence.filing import CaseFiler
    from cv_engine.evidence.signing import SigningKey
    from cv_engine.evidence.storage.outbox import Outbox
    from cv_engine.evidence.storage.store import Store
    from cv_engine.evidence.storage.uploader import Uploader
    from cv_engine.pipeline.plates import StayPlates
    from models.detector import Detector
    from models.verifier import Verifier

# How long a command that ends waits for the package that is being sent, seconds.
_UPLOAD_END_S = 1.0


class Services:
    """What the commands of one configuration share.

    A part is opened when it is first used and stays open until the end of the ``with`` block, so a
    command that only lists cases loads no detector.

    Args:
        config: Settings.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open(self, *, detector: bool) -> None:
        """Opens every part now, so that what is wrong is reported before any work is done.

        Args:
            detector: Whether the detector and the verifier are needed.

        Raises:
            EvidenceError, ModelError, QueueError: Settings are wrong, or the data folder cannot be
                written.
        """
        _ = self.store, self.key
        if detector:
            _ = self.detector, self.verifier
        _ = self.cases, self.uploader

    def close(self, timeout_s: float = _UPLOAD_END_S) -> None:
        """Stops the uploader and the relays, and closes the queue, where they were opened.

        Args:
            timeout_s: How long to wait for the package that is being sent, seconds; what is not
                sent by then is sent by the next run.
        """
        opened = vars(self)
        if "uploader" in opened:
            self.uploader.stop(timeout_s)
        if "relays" in opened:
            self.relays.stop()
        if "queue" in opened:
            self.queue.close()

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes of cases, the city's own or the packaged ones.

        Raises:
            QueueError: The city's file cannot be used.
        """
        return load_taxonomy(self.config.cases.taxonomy)

    @cached_property
    def deadlines(self) -> Deadlines:
        """When the stages of cases are due, by the city's taxonomy and working calendar.

        Raises:
            QueueError: A file of the city cannot be used, or the taxonomy has limits in working
                time and the configuration names no calendar.
        """
        from cv_engine.cases.deadlines import Deadlines, load_calendar

        calendar = self.config.cases.calendar
        return Deadlines(self.taxonomy, None if calendar is None else load_calendar(calendar))

    @cached_property
    def organisation(self) -> Organisation | None:
        """The departments, officers and areas of responsibility; ``None`` if there are none.

        Raises:
            QueueError: The city's files cannot be used, or a class of the taxonomy names a
                department that the organisation does not list.
        """
        path = self.config.cases.organisation
        if path is None:
            return None
        from cv_engine.cases.dispatch import read_organisation

        organisation = read_organisation(path, self.taxonomy.kinds)
        check_departments(self.taxonomy, self.config.cases.taxonomy, organisation.departments)
        return organisation

    @cached_property
    def queue(self) -> Queue:
        """The cases.

        Raises:
            QueueError: The queue cannot be opened, or a file of the city cannot be used.
        """
        return open_queue(
            self.config.queue,
            taxonomy=self.taxonomy,
            limits=self.deadlines,
            organisation=self.organisation,
        )

    @cached_property
    def key(self) -> SigningKey:
        """Signs evidence packages.

        Raises:
            EvidenceError: The key cannot be read or made.
        """
        from cv_engine.evidence.signing import SigningKey

        return SigningKey.load_or_create(self.config.data / "signing-key.pem")

    @cached_property
    def cases(self) -> CaseFiler:
        """Files findings as cases, with their evidence.

        Raises:
            EvidenceError: The key cannot be read or made.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.evidence.attaching import remove_unrecorded
        from cv_engine.evidence.filing import CaseFiler
        from cv_engine.evidence.staging import sweep

        sweep(self.config.evidence_root)
        remove_unrecorded(self.config.evidence_root, self.queue)
        return CaseFiler(self.queue, self.key, self.config.evidence_root)

    @cached_property
    def attacher(self) -> Attacher:
        """Adds people's photos to cases.

        Raises:
            EvidenceError: The key cannot be read or made.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.evidence.attaching import Attacher

        return Attacher(self.queue, self.key, self.config.evidence_root)

    @cached_property
    def store(self) -> Store:
        """Where evidence packages are kept; nothing is asked of the store yet.

        Raises:
            EvidenceError: The store's address, extra or credentials are wrong.
        """
        from cv_engine.evidence.storage.opening import open_store

        return open_store(self.config.evidence.store or self.config.evidence_root)

    @cached_property
    def outbox(self) -> Outbox:
        """The evidence packages that wait to be sent to the store.

        Raises:
            EvidenceError: The store's address, extra or credentials are wrong.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.evidence.storage.outbox import Outbox

        return Outbox(self.config.evidence_root, self.store, self.queue)

    @cached_property
    def uploader(self) -> Uploader:
        """Sends evidence packages in a thread of its own, once it is started.

        Raises:
            EvidenceError: The store's address, extra or credentials are wrong.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.evidence.storage.uploader import Uploader

        return Uploader(self.outbox)

    @cached_property
    def relays(self) -> Relays:
        """Sends events to the outlets, in threads of their own once they are started.

        Raises:
            OutletError: A secret of an outlet cannot be read or used.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.cases.outbox.relays import Relays

        def clock() -> datetime:
            return datetime.now(UTC)

        outlets = self.config.outlets.open(os.environ, clock, self.taxonomy)
        return Relays(self.queue.store, outlets, clock)

    @cached_property
    def detector(self) -> Detector:
        """The detector of persons and vehicles.

        Raises:
            ModelError: The detector cannot be opened.
        """
        from cv_engine.pipeline.camera_setup import detector_of

        return detector_of(self.config)

    @cached_property
    def verifier(self) -> Verifier:
        """Judges whether what has come to rest is a thing.

        Raises:
            ModelError: The verifier cannot be opened.
        """
        from models.verifier import open_verifier

        return open_verifier()

    @cached_property
    def plates(self) -> StayPlates | None:
        """Reads number plates; ``None`` where the configuration turns that off."""
        from cv_engine.pipeline.plates import StayPlates

        return StayPlates(self.config.plates) if self.config.plates.enabled else None

    def send_evidence(self) -> dict[str, str]:
        """Sends the evidence packages that wait, after those that the uploader is sending.

        Returns:
            The packages that could not be sent, each with the reason.

        Raises:
            EvidenceError: The folder of the packages cannot be read.
            QueueError: The queue cannot be read.
        """
        self.uploader.stop()
        return self.outbox.send_waiting().unsent
