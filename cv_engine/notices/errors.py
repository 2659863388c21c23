"""What goes wrong with notices: their set-up, and the sending of one."""

from __future__ import annotations

from cv_engine.cases.errors import QueueError


class NoticeError(QueueError):
    """Notices cannot be used as they are configured, or there is none such."""


class InDoubt(Exception):
    """The gateway may or may not have taken the message; the text says why that is not known."""
