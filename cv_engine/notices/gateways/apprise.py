"""The text message services that apprise knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from cv_engine.cases.outbox.errors import OutletAway, RetryLater
from cv_engine.cases.outbox.people import said_by_apprise
from cv_engine.notices.errors import InDoubt, NoticeError
from cv_engine.notices.gateways.gateway import Message, Outcome, Report

#: What the libraries below apprise say where there was no connection.
_NEVER_REACHED = re.compile(
    r"(?i)failed to establish a new connection|connection refused|name or service not known|"
    r"nameresolution|connect timeout|connecttimeout|no route to host"
)
#: What apprise says where the service has answered that it did not take the message.
_ANSWERED = re.compile(r"(?i)error\s*[=:]\s*4\d\d\b")
_RETRIES = re.compile(r"(?i)[?&]retry=(?!0*(&|$))")
_TO = "{to}"
_A_NUMBER = "+8613000000000"  # to check the address with


@dataclass(frozen=True)
class AppriseGateway:
    """A service of apprise (https://github.com/caronc/apprise).

    apprise passes no idempotency key on and reports no delivery. Its answer is yes or no; a no is
    taken for "not sent" only where its warnings say that the service was not reached or has refused
    the message.

    Attributes:
        address: An address of apprise with ``{to}`` in the place of the phone number, such as
            ``twilio://SID:TOKEN@+15551230000/{to}``.
    """

    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """The service in the address."""
        return self.address.partition("://")[0]

    @property
    def is_idempotent(self) -> bool:
        """``False``: apprise passes no key on."""
        return False

    @property
    def reports(self) -> bool:
        """``False``: apprise passes no reports on."""
        return False

    def check(self) -> None:
        """Read the address.

        Raises:
            NoticeError: The address has no ``{to}``, asks for retries, or is none of apprise; the
                message does not repeat it.
        """
        import apprise

        if _TO not in self.address:
            raise NoticeError(f"the address of the gateway lacks {_TO}, the place of the number")
        if _RETRIES.search(self.address):
            raise NoticeError(
                "the address of the gateway asks apprise to retry, which may send a message twice: "
                "remove retry= from it; what fails is tried again in any case"
            )
        with said_by_apprise():
            known = apprise.Apprise.instantiate(self._addressed(_A_NUMBER))
        if known is None:
            raise NoticeError(
                "the address of the gateway is not one of apprise; write one such as "
                "twilio://SID:TOKEN@+15551230000/{to} (https://github.com/caronc/apprise)"
            )

    def send(self, message: Message) -> str | None:
        """See :meth:`cv_engine.notices.gateways.gateway.Gateway.send`."""
        import apprise

        form = apprise.NotifyFormat.TEXT
        with said_by_apprise(details=True) as said:
            # The service itself: apprise would call it in another thread, whose reasons are lost.
            service = apprise.Apprise.instantiate(self._addressed(message.to))
            taken = service is not None and service.notify(body=message.text, body_format=form)
        if taken:
            return None
        text = "\n".join(said)
        reason = said[-1].replace(message.to, "...") if said else "apprise did not send it"
        if _NEVER_REACHED.search(text):
            raise OutletAway(reason)
        if _ANSWERED.search(text):
            raise RetryLater(reason)
        raise InDoubt(reason)

    def report(self, message_id: str) -> Report:
        """Nothing: there are no reports."""
        return Report(Outcome.PENDING, "")

    def close(self) -> None:
        """Without effect: every message has its own connection."""

    def _addressed(self, to: str) -> str:
        return self.address.replace(_TO, quote(to, safe="+"))
