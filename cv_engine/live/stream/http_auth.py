"""HTTP authentication, which RTSP shares: Basic (RFC 7617) and Digest (RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.request import parse_http_list, parse_keqv_list

from cv_engine.live.stream.errors import StreamError

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_OF_SESSION = "-SESS"  # ending of an algorithm that hashes both sides' nonces with the password


@dataclass(slots=True)
class HttpAuth:
    """A server's challenge, and the client's responses to it.

    Attributes:
        realm: Protection space that the password is for.
        algorithm: Algorithm of the digest; empty for Basic, which sends the password itself.
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
        """The safest of a server's ``WWW-Authenticate`` headers; ``None`` where there is none.

        Raises:
            StreamError: None of them is known here.
        """
        parsed = [cls._parsed(header) for header in headers if header.strip()]
        known = [each for each in parsed if isinstance(each, cls)]
        if parsed and not known:
            raise StreamError(
                f"the camera asks for an unknown authentication ({', '.join(map(str, parsed))}); "
                "set it to Digest with MD5 or SHA-256"
            )
        return max(known, key=lambda auth: auth._strength, default=None)

    @classmethod
    def required(cls, headers: Sequence[str], user: str, *, is_retry: bool) -> HttpAuth:
        """The way to log in where a server has refused a request.

        Args:
            headers: The server's ``WWW-Authenticate`` headers.
            user: User name; empty where none is set.
            is_retry: Whether the request was made with the password.

        Raises:
            StreamError: There is no way to log in.
        """
        if not user:
            raise StreamError("the camera asks for a user and a password; set user and password")
        auth = cls.of(headers)
        if auth is None or is_retry:
            raise StreamError("the camera refuses user or password")
        return auth

    @classmethod
    def _parsed(cls, header: str) -> HttpAuth | str:
        """A challenge, or the name of one that is not known."""
        scheme, _, rest = header.strip().partition(" ")
        try:
            given = {
                name.lower(): value
                for name, value in parse_keqv_list(parse_http_list(rest)).items()
            }
        except (ValueError, IndexError):
            return scheme
        realm = given.get("realm", "")
        if scheme.lower() == "basic":
            return cls(realm)
        algorithm = given.get("algorithm", "MD5").upper()
        offered = {each.strip().lower() for each in given.get("qop", "").split(",")} - {""}
        if scheme.lower() != "digest" or "nonce" not in given:
            return scheme
        if algorithm.removesuffix(_OF_SESSION) not in _HASHES:
            return f"{scheme} {given['algorithm']}"
        if offered and "auth" not in offered:
            return f"{scheme} qop={given['qop']}"
        return cls(realm, algorithm, given["nonce"], bool(offered), given.get("opaque", ""))

    @property
    def _strength(self) -> int:
        return ["", *_HASHES].index(self.algorithm.removesuffix(_OF_SESSION))

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
        unquoted = {"algorithm": self.algorithm.replace(_OF_SESSION, _OF_SESSION.lower())}
        cnonce = random(8)
        if self.algorithm.endswith(_OF_SESSION):
            secret = self._hash(f"{secret}:{self.nonce}:{cnonce}")
            fields["cnonce"] = cnonce
        if self.qop:
            self._count += 1
            count = f"{self._count:08x}"
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
        name = self.algorithm.removesuffix(_OF_SESSION)
        return _HASHES[name](text.encode()).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
