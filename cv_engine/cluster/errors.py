"""What is wrong with a cluster."""

from __future__ import annotations

from cv_engine.errors import EngineError


class ClusterError(EngineError):
    """The cluster cannot be used; the message says what to do."""
