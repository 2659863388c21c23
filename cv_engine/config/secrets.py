"""Secrets, which never stand in the configuration: in environment variables, or alone in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cv_engine.section import Section


class SecretError(ValueError):
    """A secret cannot be read; the text names its key, and never repeats it."""


def read_secret(
    key: str, variable: str | None, file: Path | None, environment: Mapping[str, str]
) -> str | None:
    """The text of an environment variable or of a file, without the space around it.

    Args:
        key: The key of the configuration without its ending, for messages.
        variable: Name of the environment variable.
        file: The file, where no variable is named.
        environment: The environment variables.

    Returns:
        The text; ``None`` where neither is named.

    Raises:
        SecretError: The variable is not set, or the file cannot be read.
    """
    if variable is not None:
        if variable not in environment:
            raise SecretError(f"{key}_env: the environment variable {variable} is not set")
        return environment[variable].strip()
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SecretError(f"{key}_file: {file} cannot be read ({why})") from None


def check_secret(section: Section, key: str, *, needed: bool) -> None:
    """Check that a section names a secret in one way at most.

    Args:
        section: The section.
        key: The key of the secret without its ending.
        needed: Whether the secret must be named.

    Raises:
        ValueError: The secret is named twice, or not at all where it is needed.
    """
    given = [n for n in (f"{key}_env", f"{key}_file") if getattr(section, n) is not None]
    if len(given) == 2:
        raise ValueError(f"{key}_env and {key}_file are both there; one of them is enough")
    if needed and not given:
        raise ValueError(
            f"{key}_env is missing; name the environment variable that holds it, such as "
            f"{key}_env: CITY_{key.upper()}, or a file with {key}_file"
        )
