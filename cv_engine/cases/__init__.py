"""The case queue: one entry point, states, an append-only history, filters and exports."""

from __future__ import annotations

from cv_engine.cases.case import Case, Entry, Event
from cv_engine.cases.errors import ConflictError, ForbiddenError, QueueError
from cv_engine.cases.filing.filed import Filed, FiledEvidence, FiledFinding
from cv_engine.cases.filter import Filter
from cv_engine.cases.lifecycle import Action, Actor, Role, State, state_named
from cv_engine.cases.moves import Assignment
from cv_engine.cases.queue import Queue, open_queue

__all__ = [
    "Action",
    "Actor",
    "Assignment",
    "Case",
    "ConflictError",
    "Entry",
    "Event",
    "Filed",
    "FiledEvidence",
    "FiledFinding",
    "Filter",
    "ForbiddenError",
    "Queue",
    "QueueError",
    "Role",
    "State",
    "open_queue",
    "state_named",
]
