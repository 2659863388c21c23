"""The address of a stream and the credentials for it, with the secret kept out of every text."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from cv_engine.credentials import without_credentials, without_secret
from cv_engine.live.stream.errors import AddressError
from cv_engine.live.stream.tls import Trust
from cv_engine.stream_url import split_url

Transport = Literal["tcp", "udp", "http"]

_HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class Address:
    """A stream's address.

    Attributes:
        url: Address without user and password; safe to show.
        user: User name; empty where none is needed.
        transport: How RTP packets are transported; ``http``: over TCP, through HTTP or HTTPS.
        password: Password of the user; never shown.
        trust: Which certificate of the camera is trusted.
        allow_hosts: Other hosts that the camera may name for its stream; they are trusted with user
            and password.
    """

    url: str
    user: str = ""
    transport: Transport = "tcp"
    password: str = field(default="", repr=False)
    trust: Trust = field(default_factory=Trust)
    allow_hosts: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        url: str,
        user: str | None = None,
        password: str | None = None,
        password_env: str | None = None,
        transport: Transport = "tcp",
        environment: Mapping[str, str] = os.environ,
        *,
        trust: Trust | None = None,
        allow_hosts: Iterable[str] = (),
    ) -> Address:
        """An address from settings; user and password may also be part of the URL.

        Raises:
            AddressError: The URL is invalid, or the variable named by ``password_env`` is not set.
        """
        try:
            parts = split_url(url)
        except ValueError as error:
            raise AddressError(f"url: {error}") from None
        if password_env is not None:
            password = environment.get(password_env)
            if password is None:
                raise AddressError(
                    f"the environment variable {password_env} is not set; "
                    "it should hold the camera's password"
                )
        name = parts.hostname or ""
        host = f"[{name}]" if ":" in name else name
        bare = parts._replace(netloc=host if parts.port is None else f"{host}:{parts.port}")
        return cls(
            bare.geturl(),
            user or unquote(parts.username or ""),
            transport,
            password or unquote(parts.password or ""),
            trust or Trust(),
            frozenset(host.strip("[]").lower() for host in allow_hosts),
        )

    @property
    def scheme(self) -> str:
        """The protocol, in lower case."""
        return urlsplit(self.url).scheme.lower()

    @property
    def host(self) -> str:
        """The host name or IP address."""
        return urlsplit(self.url).hostname or ""

    def allows(self, host: str) -> bool:
        """Whether the camera may name this host for its stream."""
        return host.lower() in {self.host, *self.allow_hosts}

    @property
    def with_credentials(self) -> str:
        """The URL with user and password: only for the library that opens the stream."""
        if not self.user and not self.password:
            return self.url
        parts = urlsplit(self.url)
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return parts._replace(netloc=f"{credentials}@{parts.netloc}").geturl()

    def hide(self, text: str) -> str:
        """A library's or a camera's message, with the credentials that it repeats removed."""
        text = text.replace(self.with_credentials, self.url)
        if self.password:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            text = text.replace(pair, _HIDDEN)
        return without_credentials(without_secret(text, self.password))
