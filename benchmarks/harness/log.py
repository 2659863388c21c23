"""The destination of log lines while a benchmark runs."""

from __future__ import annotations

import logging
import sys

import structlog


def warnings_to_stderr() -> None:
    """Keeps stdout for the figures; called in each process."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
