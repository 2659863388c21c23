"""What evidence packages are sealed with, opened from the configuration, each part once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cv_engine.config import Config
    from cv_engine.evidence.clock_record import ClockRecord
    from cv_engine.evidence.keys import KeyRing
    from cv_engine.evidence.media.credentials import Signer
    from cv_engine.evidence.signing import SigningKey
    from cv_engine.evidence.timestamp.authority import Authority
    from cv_engine.evidence.timestamp.waiting import Waiting


def _now() -> datetime:
    return datetime.now(UTC)


class Sealing:
    """Keys, certificates and the timestamping authority of one configuration.

    Args:
        config: Settings.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    @cached_property
    def key(self) -> SigningKey:
        """Signs evidence packages.

        Raises:
            EvidenceError: The key cannot be read or made.
        """
        return self.keys.load_or_create(_now())

    @cached_property
    def keys(self) -> KeyRing:
        """The register of the station's keys."""
        from cv_engine.evidence.keys import KeyRing

        return KeyRing(self.config.data)

    @cached_property
    def clocks(self) -> ClockRecord:
        """The measured errors of the cameras' clocks."""
        from cv_engine.evidence.clock_record import ClockRecord

        return ClockRecord(self.config.data / "clocks")

    @cached_property
    def authority(self) -> Authority | None:
        """The timestamping authority, ``None`` where there is none.

        Raises:
            EvidenceError: The authority's certificate cannot be read.
        """
        from cv_engine.evidence.timestamp.authority import Authority

        stamp = self.config.evidence.timestamp
        if stamp.url is None or stamp.certificate is None:
            return None
        return Authority.of(stamp.url, stamp.certificate)

    @cached_property
    def waiting(self) -> Waiting | None:
        """The packages that wait for their timestamp; ``None`` without an authority.

        Raises:
            EvidenceError: The authority's certificate cannot be read.
        """
        from cv_engine.evidence.timestamp.waiting import Waiting

        authority = self.authority
        return None if authority is None else Waiting(self.config.data / "unstamped", authority.url)

    @cached_property
    def signer(self) -> Callable[[SigningKey], Signer] | None:
        """Gives what signs content credentials, by the station's key; ``None`` if they are off.

        Raises:
            EvidenceError: The city's certificate cannot be used.
        """
        from importlib import metadata

        from cv_engine.evidence.certificate import given_signer, own_signer

        settings, version = self.config.evidence.credentials, metadata.version("cv-engine")
        if not settings.enabled:
            return None
        if settings.certificate is not None and settings.key is not None:
            given = given_signer(settings.certificate, settings.key, version)
            return lambda key: given

        @lru_cache(maxsize=1)
        def certified(fingerprint: str, key: SigningKey) -> Signer:
            return own_signer(self.config.data, key, _now(), version)

        return lambda key: certified(key.fingerprint, key)
