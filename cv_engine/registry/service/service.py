"""A registry that another authority serves over HTTP, as a source of records.

The service answers GET requests with JSON; docs/registry.md describes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from cv_engine.registry.errors import RegistryError, RegistryUnavailable
from cv_engine.registry.records import Contact, Exemption, Kind, Merchant, Permit, Spot, Vehicle
from cv_engine.registry.service.breaker import Breaker

if TYPE_CHECKING:
    import httpx

_LARGEST_ANSWER = 4 << 20  # bytes; a list of all permits of a zone takes less
_DIGITS = 6  # of a degree: 0.1 m

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a service is asked.

    Attributes:
        url: Address that paths are appended to.
        token: Sent as a bearer token; ``None``: nothing is sent.
        tls_ca: PEM file of the trusted authority; ``None``: those of the operating system.
        timeout_s: Longest wait for a whole answer, seconds.
        cache_s: Seconds for which an answer is used again.
        cache_entries: Most answers that are kept; the oldest is evicted.
        failures: Failures in a row after which the service is left alone.
        pause_s: Seconds for which the service is then left alone.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    timeout_s: float = 2.0
    cache_s: float = 300.0
    cache_entries: int = 10_000
    failures: int = 5
    pause_s: float = 30.0


class Service:
    """A service; see :class:`~cv_engine.registry.source.Source`.

    Args:
        options: How the service is asked.
        clock: Returns steady seconds.

    Raises:
        RegistryError: The file of the authority cannot be used.
    """

    def __init__(self, options: ServiceOptions, clock: Callable[[], float]) -> None:
        from cachetools import TTLCache

        self._options, self._clock = options, clock
        self._breaker = Breaker(options.failures, options.pause_s, clock)
        self._lock = Lock()
        self._cache: TTLCache[Any, Any] = TTLCache(options.cache_entries, options.cache_s, clock)
        _ = self._client  # what is wrong with the settings is reported before the first question

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def vehicle(self, plate: str) -> Vehicle | None:
        """The vehicle of a plate."""
        return self._cached(f"vehicles/{_part(plate)}", {}, Vehicle)

    def merchant(self, merchant_id: str) -> Merchant | None:
        """The merchant of an id."""
        return self._cached(f"merchants/{_part(merchant_id)}", {}, Merchant)

    def merchants(self, spot: Spot, within_m: float) -> Sequence[Merchant]:
        """Merchants near a place."""
        question = {**_place(spot), "within_m": f"{within_m:g}"}
        return self._cached("merchants", question, tuple[Merchant, ...]) or ()

    def permits(
        self, kind: Kind, zone: str | None, spot: Spot | None, plate: str | None, day: date | None
    ) -> Sequence[Permit]:
        """Permits that agree in zone, place or plate."""
        question = {} if day is None else {"day": day.isoformat()}
        if zone is not None:
            question["zone"] = zone
        if plate is not None:
            question["plate"] = plate
        if spot is not None:
            question |= _place(spot)
        return self._cached(f"permits/{kind}", question, tuple[Permit, ...]) or ()

    def exemptions(self, plate: str, day: date | None) -> Sequence[Exemption]:
        """Exemptions of a plate."""
        question = {"plate": plate} | ({} if day is None else {"day": day.isoformat()})
        return self._cached("exemptions", question, tuple[Exemption, ...]) or ()

    def contact(self, kind: Kind, name: str) -> Contact | None:
        """Contact data; asked for each time, and kept nowhere."""
        return self._ask(f"{kind}/{_part(name)}/contact", {}, Contact)

    def _cached(self, path: str, question: Mapping[str, str], form: type[Found]) -> Found | None:
        name = (path, *question.items())
        with self._lock:
            if name in self._cache:
                kept: Found | None = self._cache[name]
                return kept
        found = self._ask(path, question, form)
        with self._lock:
            self._cache[name] = found
        return found

    def _ask(self, path: str, question: Mapping[str, str], form: type[Found]) -> Found | None:
        """The answer; ``None`` where the service says that there is no such record."""
        wait_s = self._breaker.wait_s()
        if wait_s > 0.0:
            raise RegistryUnavailable(
                f"{self._name}: has failed {self._options.failures} times in a row: the next "
                f"attempt is in {wait_s:.0f} s"
            )
        try:
            found = self._read(self._request(path, question), form)
        except RegistryUnavailable:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return found

    def _request(self, path: str, question: Mapping[str, str]) -> bytes:
        import httpx

        until = self._clock() + self._options.timeout_s
        body = bytearray()
        try:
            with self._client.stream("GET", path, params=dict(question)) as response:
                if response.status_code != httpx.codes.OK:
                    raise RegistryUnavailable(_refusal(self._name, response.status_code))
                for part in response.iter_bytes():
                    body += part
                    if self._clock() > until:  # each part came in time, all of them did not
                        raise httpx.ReadTimeout("the answer comes too slowly")
                    if len(body) > _LARGEST_ANSWER:
                        raise RegistryUnavailable(f"{self._name}: the answer is too long")
        except httpx.TimeoutException:
            raise RegistryUnavailable(
                f"{self._name}: gave no answer within {self._options.timeout_s:g} s "
                "(registry.service.timeout_s): try again later"
            ) from None
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"{self._name}: cannot be reached ({error}): check registry.service.url and the "
                "network"
            ) from error
        return bytes(body)

    def _read(self, answer: bytes, form: type[Found]) -> Found | None:
        try:
            found: Found | None = msgspec.json.decode(answer, type=form | None)
        except msgspec.DecodeError as error:
            # The answer may be contact data: only its structure is reported.
            raise RegistryUnavailable(
                f"{self._name}: the answer is not that of docs/registry.md ({error})"
            ) from None
        return found

    @property
    def _name(self) -> str:
        return f"the registry service {self._options.url}"

    @cached_property
    def _client(self) -> httpx.Client:
        import ssl

        import httpx

        try:
            trusted = ssl.create_default_context(cafile=self._options.tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(
                f"registry.service.tls_ca: {self._options.tls_ca} cannot be used ({error})"
            ) from None
        token = self._options.token
        # A redirect is not followed: token and plates go to the address that was configured.
        return httpx.Client(
            base_url=self._options.url,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            timeout=self._options.timeout_s,
            verify=trusted,
            follow_redirects=False,
        )


def _part(name: str) -> str:
    return quote(name, safe="")


def _place(spot: Spot) -> dict[str, str]:
    return {
        "longitude": f"{spot.longitude:.{_DIGITS}f}",
        "latitude": f"{spot.latitude:.{_DIGITS}f}",
        "accuracy_m": f"{spot.accuracy_m:g}",
    }


def _refusal(name: str, status: int) -> str:
    if status in (401, 403):
        return f"{name}: refuses the token (status {status}): check registry.service.token_env"
    if status == 404:  # an unknown record is null: a wrong address must not hide all of them
        return f"{name}: has no such address (status 404): check registry.service.url"
    if 300 <= status < 400:
        return f"{name}: redirects (status {status}): write the new address as registry.service.url"
    return f"{name}: answered with status {status}: try again later"
