"""What is wrong with a cluster."""

from __future__ import annotations


class ClusterError(ValueError):
    """The cluster cannot be used; the message says what to do."""
