"""A small OpenID Connect provider: a real HTTP server with a key of its own."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.http_server import Answering, LocalServer

CLIENT, SECRET = "cv-engine", "a secret of the client"


@dataclass
class TestProvider(LocalServer):
    """The provider, as long as its ``with`` block runs.

    Attributes:
        name: The name that the person has there.
        claims: Claims of the identity that differ from the right ones.
        now: Present time, seconds since 1970.
    """

    __test__ = False

    name: str
    now: int
    claims: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1"}))
    signing_key: RSAKey | None = None
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log_in(self, address: str) -> dict[str, str]:
        """What a person does at the address: the query with which the browser comes back."""
        asked = {key: value[0] for key, value in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return {"state": asked["state"], "code": code}

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        proven = asked is not None and asked["code_challenge"] == challenge
        if authorization != f"Basic {expected}" or asked is None or not proven:
            return 400, {"error": "invalid_grant"}
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "4711",
            "exp": self.now + 300,
            "iat": self.now,
            "nonce": asked["nonce"],
            "preferred_username": self.name,
            **self.claims,
        }
        header = {"alg": "RS256", "kid": "1"}
        token = jwt.encode(header, claims, self.signing_key or self.key)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": token}

    def handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(Answering):
            def do_GET(self) -> None:
                issuer = provider.issuer
                about = {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                }
                keys = {"keys": [provider.key.as_dict(private=False)]}
                self._json(200, keys if self.path == "/keys" else about)

            def do_POST(self) -> None:
                form = {key: value[0] for key, value in parse_qs(self.body().decode()).items()}
                self._json(*provider._token(form, self.headers.get("Authorization", "")))

            def _json(self, status: int, content: dict[str, Any]) -> None:
                self.answer(status, "application/json", json.dumps(content).encode())

        return Handler
