"""What goes wrong when cameras are looked for, said so that the user knows what to do."""

from __future__ import annotations

from cv_engine.errors import EngineError


class DiscoveryError(EngineError):
    """Cameras cannot be looked for, or one does not tell its streams; the message says why."""


def not_installed(package: str) -> DiscoveryError:
    """The error to raise where ``package`` of the extra is not there."""
    return DiscoveryError(
        f"looking for cameras needs the package {package}: install cv-engine with its extra "
        "`onvif`, pip install 'cv-engine[onvif]'"
    )
