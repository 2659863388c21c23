"""Proof of a password by HTTP's ways, which RTSP shares: Basic (RFC 7617) and Digest (RFC 7616)."""

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
    """What a server wants to see before it answers.

    Attributes:
        realm: For which a password is asked.
        algorithm: Of the digest; empty for Basic, which sends the password itself.
        nonce: What makes each digest another.
        qop: Whether each request is numbered.
        opaque: To be repeated; empty where nothing is.
    """

    realm: str
    algorithm: str = ""
    nonce: str = ""
    qop: bool = False
    opaque: str = ""
    _count: int = 0

    @classmethod
    def of(cls, headers: Sequence[str]) -> HttpAuth | None:
        """The safest challenge among a server's ``WWW-Authenticate``; ``None`` where none is known."""
        known = [challenge for challenge in map(cls._parsed, headers) if challenge is not None]
        return max(known, key=lambda challenge: challenge._strength, default=None)

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

    def answer(
        self,
        method: str,
        uri: str,
        user: str,
        password: str,
        *,
        random: Callable[[int], str] = secrets.token_hex,
    ) -> str:
        """The ``Authorization`` of a request.

        Args:
            method: Of the request.
            uri: Of the request.
            user: Who asks.
            password: Their password.
            random: Makes so many random bytes, in hexadecimal digits.
        """
        if not self.algorithm:
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        who = self._hash(f"{user}:{self.realm}:{password}")
        what = self._hash(f"{method}:{uri}")
        fields = {"username": user, "realm": self.realm, "nonce": self.nonce, "uri": uri}
        bare = {"algorithm": self.algorithm}
        if self.qop:
            self._count += 1
            count, own = f"{self._count:08x}", random(8)
            fields["response"] = self._hash(f"{who}:{self.nonce}:{count}:{own}:auth:{what}")
            fields["cnonce"] = own
            bare |= {"qop": "auth", "nc": count}
        else:
            fields["response"] = self._hash(f"{who}:{self.nonce}:{what}")
        if self.opaque:
            fields["opaque"] = self.opaque
        quoted = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        return "Digest " + ", ".join([*quoted, *(f"{n}={v}" for n, v in bare.items())])

    def _hash(self, text: str) -> str:
        return _HASHES[self.algorithm](text.encode()).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
