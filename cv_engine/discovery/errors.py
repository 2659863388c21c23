"""The error of camera discovery."""

from __future__ import annotations

from cv_engine.errors import EngineError


class DiscoveryError(EngineError):
    """Discovery cannot run, or a device gives no streams; the message says why."""


def not_installed(package: str) -> DiscoveryError:
    """Return the error for a missing package of the extra ``onvif``."""
    return DiscoveryError(
        f"camera discovery needs the package {package}: install cv-engine with its extra "
        "`onvif`, pip install 'cv-engine[onvif]'"
    )
