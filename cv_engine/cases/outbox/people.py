"""People: digests by mail, chat or text message, through apprise."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from threading import get_ident
from typing import TYPE_CHECKING

from cv_engine.cases.outbox.digest import Language, digest
from cv_engine.cases.outbox.errors import OutletError, RetryLater
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.outlet import EVERYTHING, Selection
from cv_engine.cases.taxonomy import Taxonomy
from zones.schedule import Schedule

if TYPE_CHECKING:
    from apprise import Apprise

#: The most events in one digest; the rest is in the next one. Far more than a person reads, and
#: some 100 kB of text.
MOST_IN_DIGEST = 1000


@dataclass(frozen=True)
class People:
    """People who are notified, by one rule, of what happened: at most one message per interval.

    The first event is sent at once; what happens in the ``every_s`` seconds after it is one digest
    at their end. What happens in quiet hours is one digest at their end.

    Attributes:
        name: Name of the outlet.
        address: An address of apprise, such as ``mailtos://user:password@mail.example``.
        taxonomy: Where the names of the kinds are read.
        every_s: The least time between two messages, seconds.
        quiet: Hours in which nothing is sent; ``None``: none.
        language: Language of the messages.
        zone: Time zone of the times in the messages.
        selection: Which events they receive.
    """

    name: str
    address: str = field(repr=False)
    taxonomy: Taxonomy = field(repr=False)
    every_s: float
    zone: tzinfo
    quiet: Schedule | None = None
    language: Language = Language.BOTH
    selection: Selection = EVERYTHING
    at_once: int = MOST_IN_DIGEST

    def check(self) -> None:
        """Read the address.

        Raises:
            OutletError: apprise knows no such address; the message does not repeat it.
        """
        _ = self._service

    def is_open(self, now: datetime) -> bool:
        """Whether the moment is not in the quiet hours."""
        return self.quiet is None or not self.quiet.active(now)

    def send(self, events: Sequence[CaseEvent]) -> None:
        """Send one digest; see :class:`~cv_engine.cases.outbox.outlet.Outlet`.

        Mail servers and chats do not say whether the same message may be taken later, or apprise
        does not pass it on: every failure is tried again.
        """
        import apprise

        title, text = digest(events, self.taxonomy, self.language, self.zone)
        form = apprise.NotifyFormat.TEXT
        with said_by_apprise() as reasons:
            taken = self._service.notify(body=text, title=title, body_format=form)
        if not taken:
            raise RetryLater(reasons[-1] if reasons else "the message was not taken")

    def close(self) -> None:
        """Without effect: every message has its own connection."""

    @cached_property
    def _service(self) -> Apprise:
        import apprise

        service = apprise.Apprise()
        with said_by_apprise():
            known = service.add(self.address)
        if not known:
            raise OutletError(
                f"{self.name}: the address of these people is not one of apprise; write one such "
                "as mailtos://user:password@mail.example?to=duty@city.example "
                "(https://github.com/caronc/apprise lists them)"
            )
        return service


@contextmanager
def said_by_apprise(*, details: bool = False) -> Iterator[list[str]]:
    """What apprise says in this thread; it returns no reasons.

    Some of it repeats the address: none gets into the log.

    Args:
        details: Whether messages below a warning are wanted, too; a warning comes last.
    """
    warned: list[str] = []
    said: list[str] = []
    thread = get_ident()

    class Reasons(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                is_warning = record.levelno >= logging.WARNING
                (warned if is_warning else said).append(record.getMessage())

    handler, log = Reasons(), logging.getLogger("apprise")
    log.addHandler(handler)
    log.propagate = False
    if details:
        log.setLevel(logging.DEBUG)  # and stays there: other threads may want them, too
    try:
        yield said
    finally:
        said += warned
        log.removeHandler(handler)
