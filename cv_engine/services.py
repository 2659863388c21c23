"""The composition root: opens what a command needs from its configuration, each part once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from cv_engine.cases import Queue, open_queue
from cv_engine.cases.taxonomy import Taxonomy, check_departments, load_taxonomy
from cv_engine.sealing import Sealing

if TYPE_CHECKING:
    from cv_engine.cases.deadlines import Deadlines
    from cv_engine.cases.dispatch import Organisation
    from cv_engine.cases.outbox.relays import Relays
    from cv_engine.cases.removal.retention import Rules
    from cv_engine.config import Config
    from cv_engine.evidence.attaching import Attacher
    from cv_engine.evidence.filing import CaseFiler
    from cv_engine.evidence.stamping import Stamper
    from cv_engine.evidence.storage.outbox import Outbox
    from cv_engine.evidence.storage.store import Store
    from cv_engine.evidence.storage.uploader import Uploader
    from cv_engine.notices.gateways.gateway import Gateway
    from cv_engine.notices.rounds import Rounds
    from cv_engine.pipeline.plates import StayPlates
    from cv_engine.registry import Registry
    from models.detector import Detector
    from models.verifier import Verifier


def _now() -> datetime:
    return datetime.now(UTC)


# How long a command that ends waits for the package that is being sent, seconds.
_UPLOAD_END_S = 1.0


class Services(Sealing):
    """What the commands of one configuration share.

    A part is opened when it is first used and stays open until the end of the ``with`` block, so a
    command that only lists cases loads no detector.

    Args:
        config: Settings.
        clock: Returns the present time (timezone-aware).
    """

    def __init__(self, config: Config, clock: Callable[[], datetime] = _now) -> None:
        super().__init__(config)
        self.clock = clock

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
        _ = self.cases, self.uploader, self.stamper
        if self.signer is not None:
            self.signer(self.key)

    def close(self, timeout_s: float = _UPLOAD_END_S) -> None:
        """Stops uploader and relays, and closes registries and queue, where they were opened.

        Args:
            timeout_s: How long to wait for the package that is being sent, seconds; what is not
                sent by then is sent by the next run.
        """
        opened = vars(self)
        if "uploader" in opened:
            self.uploader.stop(timeout_s)
        if "stamper" in opened:
            self.stamper.stop(timeout_s)
        if "relays" in opened:
            self.relays.stop()
        if "registry" in opened:
            self.registry.close()
        if "notices" in opened:
            self.notices.close()
        if "queue" in opened:
            self.queue.close()

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The classes of cases, the city's own or the packaged ones.

        Raises:
            QueueError: The city's file cannot be used.
        """
        return load_taxonomy(self.config.cases.taxonomy)

    @property
    def retention(self) -> Rules:
        """How long evidence is kept, by the taxonomy and the configuration.

        Raises:
            QueueError: The city's file cannot be used.
        """
        from cv_engine.cases.removal.retention import Rules

        return Rules(self.taxonomy, self.config.cases.retention.values())

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
    def city_zone(self) -> tzinfo:
        """The city's time zone: of its calendar, or the only one of its cameras, else UTC.

        Raises:
            QueueError: The city's calendar cannot be used.
        """
        from zones.schedule import time_zone

        if self.config.cases.calendar is not None:
            from cv_engine.cases.deadlines import load_calendar

            return load_calendar(self.config.cases.calendar).zone
        of_cameras = {camera.timezone for camera in self.config.cameras}
        return time_zone(of_cameras.pop()) if len(of_cameras) == 1 else UTC

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
            clock=self.clock,
            taxonomy=self.taxonomy,
            limits=self.deadlines,
            organisation=self.organisation,
        )

    @cached_property
    def stamper(self) -> Stamper:
        """Fetches timestamps in a thread of its own, once it is started.

        Raises:
            EvidenceError: The authority's certificate cannot be read.
        """
        from cv_engine.evidence.stamping import Stamper

        root = self.config.evidence_root
        return Stamper(self.authority, self.waiting, root, lambda: self.store)

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
        return CaseFiler(
            self.queue,
            self.key,
            self.config.evidence_root,
            waiting=self.waiting,
            signer=self.signer,
            clocks=self.clocks,
        )

    @cached_property
    def attacher(self) -> Attacher:
        """Adds people's photos to cases.

        Raises:
            EvidenceError: The key cannot be read or made.
            QueueError: The queue cannot be opened.
        """
        from cv_engine.evidence.attaching import Attacher

        return Attacher(self.queue, self.key, self.config.evidence_root, self.waiting)

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

        outlets = self.config.outlets.open(os.environ, self.clock, self.taxonomy)
        return Relays(self.queue.store, outlets, self.clock)

    @cached_property
    def registry(self) -> Registry:
        """Vehicles, merchants, permits and exemptions; accesses to contact data are logged.

        Raises:
            RegistryError: The token or the certificates of a service cannot be read.
        """
        from cv_engine.cases.looks import Look, record_look

        def log(look: Look) -> None:
            record_look(self.queue.store, look)

        settings = self.config.registry
        return settings.open(self.config.data, os.environ, log, self.clock, time.monotonic)

    @cached_property
    def gateway(self) -> Gateway:
        """The gateway of the notices; nothing is connected yet.

        Raises:
            NoticeError: There is none, or it cannot be used.
        """
        return self.config.notices.open(os.environ, self.clock)

    @cached_property
    def notices(self) -> Rounds:
        """Asks drivers to leave, and follows what they do.

        Raises:
            NoticeError: There is no gateway, or it cannot be used.
            QueueError: The queue cannot be opened.
            RegistryError: The token or the certificates of a service cannot be read.
        """
        from cv_engine.notices.rounds import open_rounds

        config = self.config.notices
        return open_rounds(
            self.queue,
            self.registry,
            self.gateway,
            config.policy(),
            config.wording(),
            None if config.car_parks is None else config.car_parks.open(),
            self.clock,
        )

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
        if not self.config.plates.enabled:
            return None
        from cv_engine.pipeline.plates import StayPlates
        from cv_engine.pipeline.registered import Registered
        from models.plates.voting import Knowledge

        return StayPlates(
            self.config.plates, Knowledge(known=Registered(lambda: self.registry).has)
        )

    def send_evidence(self) -> dict[str, str]:
        """Fetches the timestamps that are missing, and sends the evidence packages that wait.

        A timestamping authority that does not answer is asked once, and delays nothing else.

        Returns:
            The packages that could not be sent, each with the reason.

        Raises:
            EvidenceError: The folder of the packages cannot be read.
            QueueError: The queue cannot be read.
        """
        self.stamper.stop()
        for reason in set(self.stamper.stamp_waiting().unstamped.values()):
            structlog.get_logger(__name__).warning(
                "evidence waits for its timestamp", reason=reason
            )
        self.uploader.stop()
        return self.outbox.send_waiting().unsent
