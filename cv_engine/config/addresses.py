"""Addresses of the configuration."""

from __future__ import annotations

from urllib.parse import urlsplit


def split_address(url: str) -> tuple[str, str] | None:
    """Scheme and host of an address; ``None`` where it has none or a malformed port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    if not parts.hostname or any(character.isspace() for character in url):
        return None
    return parts.scheme, parts.hostname


def check_web_address(url: str, example: str) -> str:
    """The address of a web service, as it is.

    Args:
        url: The address.
        example: A right one, for the message.

    Raises:
        ValueError: The address has no host, or is not one of HTTP.
    """
    parts = split_address(url)
    if parts is None or parts[0] not in ("http", "https"):
        raise ValueError(f"this is no web address; write one such as {example}")
    return url
