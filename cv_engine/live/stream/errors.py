"""What is wrong with a stream or its address."""

from __future__ import annotations

from cv_engine.errors import EngineError


class AddressError(EngineError):
    """A stream's address cannot be used; the text says why, without secrets."""


class StreamError(Exception):
    """A stream cannot be opened or has broken off; the text says why, without secrets."""


class UndecodableError(StreamError):
    """Pictures arrive, and none can be decoded; the text says why."""


class UnknownFormatError(Exception):
    """A stream is in a format that :mod:`cv_engine.live.stream.rtsp` does not read."""


class RedirectError(Exception):
    """A camera names another address for its stream.

    Attributes:
        url: The other address; may be relative to the present one.
    """

    def __init__(self, url: str) -> None:
        super().__init__("the camera names another address")
        self.url = url
