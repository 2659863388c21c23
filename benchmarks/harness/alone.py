"""Runs a part of a benchmark in a process of its own, for its own CPU time and memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

from benchmarks.harness.log import warnings_to_stderr

Result = TypeVar("Result")

_MEGABYTE = 1 << 20


def alone(way: Callable[..., Result], *args: object) -> Result:
    """Runs ``way`` in a fresh process that is bound to one core, for its own CPU and memory."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, initializer=bind_to_one_core) as pool:
        return pool.apply(way, args)


def bind_to_one_core() -> None:
    """Bind this process to one core, and send warnings to stderr."""
    warnings_to_stderr()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def peak_mb() -> float:
    """Most memory that this process has held so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_MEGABYTE if sys.platform == "darwin" else 1024)
