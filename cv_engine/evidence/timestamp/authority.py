"""A timestamping authority: asks it, over HTTP, for the timestamp of a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.errors import Failure
from cv_engine.evidence.errors import AuthorityError, EvidenceError
from cv_engine.evidence.timestamp.token import check_token, read_certificates

if TYPE_CHECKING:
    import httpx

# An authority answers within a second; one that needs longer is overloaded, and is asked again.
_ANSWER_S, _CONNECT_S = 10.0, 5.0
_LARGEST_ANSWER = 1 << 20  # bytes; an answer with a chain of certificates takes ten thousand
_LARGEST_FILE = 1 << 20  # bytes
_REQUEST, _RESPONSE = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Authority:
    """A timestamping authority.

    Attributes:
        url: The authority's address, over which RFC 3161, section 3.4, is spoken.
        certificates: The certificates to trust, PEM.
    """

    url: str
    certificates: bytes

    @classmethod
    def of(cls, url: str, certificates: Path) -> Authority:
        """The authority of a configuration.

        Raises:
            EvidenceError: The file cannot be read, or holds no certificate.
        """
        try:
            with certificates.open("rb") as file:
                data = file.read(_LARGEST_FILE)
            read_certificates(data)
        except OSError as error:
            raise EvidenceError(
                f"{certificates}: the timestamping authority's certificate cannot be read "
                f"({error.strerror}); correct evidence.timestamp.certificate",
                Failure.WRONG_INPUT,
            ) from error
        except EvidenceError as error:
            raise EvidenceError(f"{certificates}: {error}", Failure.WRONG_INPUT) from error
        return cls(url, data)

    def stamp(self, manifest: bytes) -> bytes:
        """Asks for the timestamp of a manifest, and verifies the answer.

        Args:
            manifest: The sealed bytes; only their SHA-256 is sent.

        Returns:
            The authority's answer, DER.

        Raises:
            AuthorityError: The authority does not answer, refuses, or its answer does not verify.
        """
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        request = TimestampRequestBuilder(
            data=manifest, hash_algorithm=HashAlgorithm.SHA256
        ).build()
        answer = self._ask(request.as_bytes())
        try:
            check_token(answer, self.certificates, manifest, request.nonce)
        except EvidenceError as error:
            raise AuthorityError(f"{self.url}: the authority's answer {error}") from error
        return answer

    def _ask(self, request: bytes) -> bytes:
        import httpx

        limits = httpx.Timeout(_ANSWER_S, connect=_CONNECT_S)
        headers = {"Content-Type": _REQUEST, "Accept": _RESPONSE}
        try:
            with (
                httpx.Client(timeout=limits, follow_redirects=False) as client,
                client.stream("POST", self.url, content=request, headers=headers) as response,
            ):
                return self._read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AuthorityError(
                f"{self.url}: the timestamping authority does not answer "
                f"({str(error) or type(error).__name__})"
            ) from error

    def _read(self, response: httpx.Response) -> bytes:
        if not response.is_success:
            raise AuthorityError(
                f"{self.url}: the timestamping authority answers {response.status_code} "
                f"{response.reason_phrase}; check evidence.timestamp.url"
            )
        data = b""
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > _LARGEST_ANSWER:
                raise AuthorityError(f"{self.url}: the answer is too long for a timestamp")
        return data
