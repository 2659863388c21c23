"""HTTP authentication, which RTSP shares: Basic (RFC 7617) and Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.request import parse_http_list, parse_keqv_list

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(slots=True)
class HttpAuth:
    """A server's challenge, and the client's responses to it.

    Attributes:
        realm: Protection space that the password is for.
        algorithm: Hash of the digest; empty for Basic, which sends the password itself.
        nonce: Value of the server that makes each digest different.
        qop: Whether requests are numbered (quality of protection ``auth``).
        opaque: Value that the client returns unchanged; empty where there is none.
    """

    realm: str
    algorithm: str = ""
    nonce: str = ""
    qop: bool = False
    opaque: str = ""
    _count: int = 0

    @classmethod
    def of(cls, headers: Sequence[str]) -> HttpAuth | None:
        """The safest of a server's ``WWW-Authenticate`` headers; ``None`` where none is known."""
        known = [auth for auth in map(cls._parsed, headers) if auth is not None]
        return max(known, key=lambda auth: auth._strength, default=None)

    @classmethod
    def _parsed(cls, header: str) -> HttpAuth | None:
        scheme, _, rest = header.strip().partition(" ")
        try:
            given = {
                name.lower(): value
                for name, value in parse_keqv_list(parse_http_list(rest)).items()
            }
        except (ValueError, IndexError):
            return None
        if scheme.lower() == "basic":
            return cls(given.get("realm", ""))
        algorithm = given.get("algorithm", "MD5").upper()
        if scheme.lower() != "digest" or algorithm not in _HASHES or "nonce" not in given:
            return None
        offered = {each.strip().lower() for each in given.get("qop", "").split(",")}
        return cls(
            given.get("realm", ""),
            algorithm,
            given["nonce"],
            "auth" in offered,
            given.get("opaque", ""),
        )

    @property
    def _strength(self) -> int:
        return ["", *_HASHES].index(self.algorithm)

    def authorization(
        self,
        method: str,
        uri: str,
        user: str,
        password: str,
        *,
        random: Callable[[int], str] = secrets.token_hex,
    ) -> str:
        """The ``Authorization`` header of a request.

        Args:
            method: Method of the request.
            uri: Address of the request.
            user: User name.
            password: Password of the user.
            random: Returns this many random bytes, in hexadecimal digits.
        """
        if not self.algorithm:
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        secret = self._hash(f"{user}:{self.realm}:{password}")
        request = self._hash(f"{method}:{uri}")
        fields = {"username": user, "realm": self.realm, "nonce": self.nonce, "uri": uri}
        unquoted = {"algorithm": self.algorithm}
        if self.qop:
            self._count += 1
            count, cnonce = f"{self._count:08x}", random(8)
            fields["response"] = self._hash(
                f"{secret}:{self.nonce}:{count}:{cnonce}:auth:{request}"
            )
            fields["cnonce"] = cnonce
            unquoted |= {"qop": "auth", "nc": count}
        else:
            fields["response"] = self._hash(f"{secret}:{self.nonce}:{request}")
        if self.opaque:
            fields["opaque"] = self.opaque
        quoted = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{n}={v}" for n, v in unquoted.items())])

    def _hash(self, text: str) -> str:
        return _HASHES[self.algorithm](text.encode()).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
