"""Keeps credentials out of what is shown: messages of libraries and systems may repeat them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import unquote

_HIDDEN = "***"
# A user with a password may hold spaces where somebody wrote the address by hand.
_USER = re.compile(r"(?<=://)(?:[^\s/?#@:]*:(?:(?!://)[^\n])*|\S*)@")
_PARAMETER = re.compile(
    r"(?i)((?:pass|passwd|password|pwd|secret|token|sig|signature|credential|api_?key)=)"
    r"[^\s&;,'\"<>]+"
)
_NAMES_OF_SECRETS = re.compile(r"(?i)PASSWORD|PASSWD|SECRET|TOKEN|_PW$")
_NAMES_OF_PROXIES = re.compile(r"(?i)_PROXY$")
# Shorter secrets are not searched for: hiding every "a" would help no one.
_SHORTEST = 3


def without_credentials(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text without users and passwords of addresses, and without secrets of the environment.

    Args:
        text: A message.
        environment: Environment variables; those whose name says so hold secrets.
    """
    for secret in _secrets(environment):
        text = without_secret(text, secret)
    return _PARAMETER.sub(rf"\1{_HIDDEN}", _USER.sub("", text))


def without_secret(text: str, secret: str) -> str:
    """A text without a secret, as it is, percent-encoded or quoted; one too short stays."""
    if len(secret) < _SHORTEST:
        return text
    quoted = (repr(secret)[1:-1], json.dumps(secret)[1:-1])
    return re.sub("|".join([*map(re.escape, quoted), _as_written(secret)]), _HIDDEN, text)


def _as_written(secret: str) -> str:
    """Pattern of a secret in an address: each character as it is, or percent-encoded."""
    patterns = []
    for character in secret:
        encoded = "".join(f"%{byte:02x}" for byte in character.encode(errors="surrogatepass"))
        space = r"|\+" if character == " " else ""
        patterns.append(f"(?:{re.escape(character)}|(?i:{encoded}){space})")
    return "".join(patterns)


def hide_credentials(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Processor of structlog that keeps credentials out of the log."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = without_credentials(value)
    return event


def _secrets(environment: Mapping[str, str]) -> list[str]:
    """Secrets of the environment, the longest first."""
    found = set()
    for name, value in environment.items():
        if _NAMES_OF_SECRETS.search(name):
            found |= {value, unquote(value)}
        elif _NAMES_OF_PROXIES.search(name) and "@" in value:
            user = value.rpartition("@")[0].rpartition("//")[2]
            found |= {user, user.partition(":")[2], unquote(user.partition(":")[2])}
    return sorted(found, key=len, reverse=True)
