"""Logging in at the city's own provider, by OpenID Connect (authorization code with PKCE).

What the browser has to bring back (state, nonce, verifier) is in a cookie of its own for some
minutes, so that nothing is kept here of people who never come back.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
from authlib.integrations.base_client import OAuthError
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cv_engine.service.accounts.secret import new_secret
from cv_engine.service.errors import ServiceError

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

_DISCOVERY = "/.well-known/openid-configuration"
_TIMEOUT_S = 10.0
_LEEWAY_S = 60  # between the provider's clock and ours
# Signatures with a key that only the provider has.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a browser brings back from the provider.

    Attributes:
        state: Ties the answer to this browser.
        nonce: Ties the identity to this attempt.
        verifier: Proves to the provider that the code was asked for here (RFC 7636).
    """

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Attempt:
        """An attempt with random values."""
        return cls(new_secret(), new_secret(), new_secret())

    @classmethod
    def read(cls, text: str) -> Attempt | None:
        """The attempt that a cookie holds; ``None`` where it holds none."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    def __str__(self) -> str:
        return ".".join((self.state, self.nonce, self.verifier))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has logged in at the provider.

    Attributes:
        subject: Issuer and subject, which never change.
        name: The name that the provider gives.
    """

    subject: str
    name: str


@dataclass
class Provider:
    """The city's provider.

    Attributes:
        issuer: The provider's address.
        client_id: The name of this service there.
        client_secret: The secret of this service there.
        redirect: Where browsers come back to.
        name_claim: The claim with the person's name.
        clock: Returns the present time (timezone-aware).
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect: str
    name_claim: str
    clock: Callable[[], datetime]
    _metadata: dict[str, Any] = field(default_factory=dict, init=False)

    def begin(self, attempt: Attempt) -> str:
        """The address at which the person logs in.

        Raises:
            ServiceError: The provider does not answer.
        """
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._about("authorization_endpoint"),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(address)

    def finish(self, attempt: Attempt, state: str, code: str) -> Identity:
        """Who has logged in, by the code that the browser has brought back.

        Raises:
            ServiceError: The answer is not one to this attempt, or the provider does not confirm
                it.
        """
        if not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise _refused("the answer belongs to another attempt")
        try:
            with self._client() as client:
                token = client.fetch_token(
                    self._about("token_endpoint"), code=code, code_verifier=attempt.verifier
                )
            keys = KeySet.import_key_set(self._get(self._about("jwks_uri")))
            claims = jwt.decode(token["id_token"], keys, algorithms=_ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                now=int(self.clock().timestamp()),
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.client_id},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": attempt.nonce},
            ).validate(claims)
        except (OAuthError, JoseError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ServiceError):
                raise
            raise _refused(f"the provider does not confirm it ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise _away(self.issuer, error) from error
        name = claims.get(self.name_claim)
        if not isinstance(name, str) or not name.strip():
            raise _refused(f"the provider gives no {self.name_claim}")
        return Identity(f"{self.issuer} {claims['sub']}", name)

    def _client(self) -> OAuth2Client:
        from authlib.integrations.httpx_client import OAuth2Client  # slow to import

        return OAuth2Client(
            self.client_id,
            self.client_secret,
            scope="openid profile",
            redirect_uri=self.redirect,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )

    def _about(self, name: str) -> str:
        """What the provider says of itself; asked for once.

        Raises:
            ServiceError: The provider does not answer, or is another one.
        """
        if not self._metadata:
            found = self._get(self.issuer.rstrip("/") + _DISCOVERY)
            if found.get("issuer") != self.issuer:
                raise _refused(f"{self.issuer} calls itself {found.get('issuer')!r}")
            self._metadata = found
        return str(self._metadata[name])

    def _get(self, address: str) -> Any:
        try:
            answer = httpx.get(address, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _away(self.issuer, error) from error


def _refused(why: str) -> ServiceError:
    return ServiceError(f"logging in failed: {why}; try again", HTTPStatus.FORBIDDEN)


def _away(issuer: str, error: Exception) -> ServiceError:
    return ServiceError(
        f"the provider {issuer} does not answer ({type(error).__name__}): log in with a password, "
        "or later",
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
