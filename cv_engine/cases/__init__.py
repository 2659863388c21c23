"""The case queue: one entry point, states, an append-only history, filters and exports."""

from __future__ import annotations

from cv_engine.cases.case import Case, Entry, Event, State, state_named
from cv_engine.cases.errors import QueueError
from cv_engine.cases.filed import Filed, FiledEvidence
from cv_engine.cases.filter import Filter
from cv_engine.cases.queue import Queue, open_queue

__all__ = [
    "Case",
    "Entry",
    "Event",
    "Filed",
    "FiledEvidence",
    "Filter",
    "Queue",
    "QueueError",
    "State",
    "open_queue",
    "state_named",
]
