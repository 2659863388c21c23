"""The address of a stream and the credentials for it, with the secret kept out of every text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from cv_engine.live.stream.errors import AddressError

Transport = Literal["tcp", "udp"]

_HIDDEN = "***"
# Secrets shorter than this are not searched for in messages: hiding every "a" would help no one.
_SHORTEST_SECRET = 3


@dataclass(frozen=True, slots=True)
class Address:
    """A stream's address.

    Attributes:
        url: Address without user and password; safe to show.
        user: User name; empty where none is needed.
        transport: How RTP packets are transported.
        password: Password of the user; never shown.
    """

    url: str
    user: str = ""
    transport: Transport = "tcp"
    password: str = field(default="", repr=False)

    @classmethod
    def of(
        cls,
        url: str,
        user: str | None = None,
        password: str | None = None,
        password_env: str | None = None,
        transport: Transport = "tcp",
        environment: Mapping[str, str] = os.environ,
    ) -> Address:
        """An address from settings; user and password may also be part of the URL.

        Raises:
            AddressError: The URL is invalid, or the variable named by ``password_env`` is not set.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise AddressError("the url is not an address; check its port and brackets") from None
        if not parts.hostname:
            raise AddressError("the url names no host")
        if password_env is not None:
            password = environment.get(password_env)
            if password is None:
                raise AddressError(
                    f"the environment variable {password_env} is not set; "
                    "it should hold the camera's password"
                )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        bare = parts._replace(netloc=host if port is None else f"{host}:{port}")
        return cls(
            bare.geturl(),
            user or unquote(parts.username or ""),
            transport,
            password or unquote(parts.password or ""),
        )

    @property
    def scheme(self) -> str:
        """The protocol, in lower case."""
        return urlsplit(self.url).scheme.lower()

    @property
    def host(self) -> str:
        """The host name or IP address."""
        return urlsplit(self.url).hostname or ""

    @property
    def with_credentials(self) -> str:
        """The URL with user and password: only for the library that opens the stream."""
        if not self.user and not self.password:
            return self.url
        parts = urlsplit(self.url)
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()

    def hide(self, text: str) -> str:
        """A library's message, with the credentials that it repeats removed."""
        text = text.replace(self.with_credentials, self.url)
        for secret in {self.password, quote(self.password, safe="")}:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, _HIDDEN)
        return re.sub(r"://[^/@\s]*@", "://", text)
