"""Replay: what a case's columns must be, by what its history says.

The rules are those of :mod:`cv_engine.cases.moves`, written a second time on purpose: an audit that
called the same code would repeat the same mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cv_engine.cases.case import Event
from cv_engine.cases.lifecycle import OPEN_STATES, Action, State

#: The time of the stage that a change to a state sets, in histories of the first schema, whose
#: entries name no action.
_TIMES_OF_STATES = {
    "confirmed": "confirmed_at",
    "dispatched": "dispatched_at",
    "handled": "handled_at",
    "verified": "verified_at",
    **dict.fromkeys(("rejected", "closed", "withdrawn"), "ended_at"),
}
_OUTCOMES = {State.NOTICED: "left", State.CITED: "cited", State.VERIFIED: "handled"}
_ASSIGNED = ("department", "team", "officer")
_BY_PEOPLE = (Event.STATE, Event.NOTED)
_OPENED = (Event.FILED, Event.JOINED)


@dataclass(slots=True)
class FiledEvidenceSaid:
    """What the history says about the evidence of one finding."""

    name: str | None = None
    sha256: str | None = None


@dataclass(slots=True)
class Replay:
    """The columns of a case after the entries so far.

    Attributes:
        state: The state.
        columns: Columns of table ``cases`` that follow from the history.
        keys: Keys of the findings that the case has.
        evidence: What was said about the evidence of each finding that was filed to this case, by
            the finding's key.
        attached: Digests of the packages that people added, by name.
        purged: Digests of the packages that were deleted, by name.
        divided: Whether findings were split off, so that source and zone may be others than filed.
    """

    state: str | None = None
    columns: dict[str, Any] = field(default_factory=lambda: dict(_INITIAL))
    keys: set[str] = field(default_factory=set)
    evidence: dict[str, FiledEvidenceSaid] = field(default_factory=dict)
    attached: dict[str, str | None] = field(default_factory=dict)
    purged: dict[str, str | None] = field(default_factory=dict)
    divided: bool = False

    def apply(self, entry: Any) -> str | None:
        """Take one entry into account.

        Args:
            entry: A row of table ``history``.

        Returns:
            What is wrong with the entry in this place; ``None`` if nothing.
        """
        event, data = entry.event, entry.data
        wrong = None
        if (event == Event.FILED) != (self.state is None):
            wrong = "is the filing of a case" if self.state else "comes before the case was filed"
        if event == Event.FILED:
            self.state, self.columns["filed_at"] = entry.to_state, entry.at
        elif event == Event.STATE:
            if self.state is not None and entry.from_state != self.state:
                wrong = f"leaves the state {entry.from_state}, the case was {self.state}"
            self.state = entry.to_state
            self._step(entry, data)
        elif event == Event.ASSIGNED:
            self._assign(data)
        elif event == Event.EXTENDED:
            self.columns["extensions"] += 1
        self._take_findings(event, data)
        self._purge(entry)
        if "key" in data and (event in _OPENED or event == Event.EVIDENCE):
            self._remember(event, data)
        elif event in _BY_PEOPLE and "evidence" in data:
            self.attached[data["evidence"]] = data.get("evidence_sha256")
        return wrong

    def _purge(self, entry: Any) -> None:
        if entry.event == Event.PURGED:
            self.columns["purged_at"] = entry.at
            self.purged |= {each["name"]: each["sha256"] for each in entry.data["packages"]}
        elif entry.to_state in OPEN_STATES or entry.data.get("evidence"):
            self.columns["purged_at"] = None

    def _take_findings(self, event: str, data: Mapping[str, Any]) -> None:
        given = {str(key) for key in data.get("keys", ())}
        if event in _OPENED and "key" in data:
            given.add(str(data["key"]))
        if event in (*_OPENED, Event.MERGED):
            self.keys |= given
        elif event == Event.SPLIT:
            self.keys -= given
            self.divided = True

    def _remember(self, event: str, data: Mapping[str, Any]) -> None:
        key, name, sha256 = str(data["key"]), data.get("evidence"), data.get("evidence_sha256")
        if event in _OPENED:
            self.evidence[key] = FiledEvidenceSaid(name, sha256)
        elif key in self.evidence:  # else it was filed to a case that has merged with this one
            said = self.evidence[key]
            said.name, said.sha256 = name or said.name, sha256 or said.sha256

    def _assign(self, data: Mapping[str, Any]) -> None:
        self.columns |= {name: data.get(name) for name in _ASSIGNED}

    def _step(self, entry: Any, data: Mapping[str, Any]) -> None:
        columns, at = self.columns, entry.at
        match data.get("action"):
            case None:
                if entry.to_state in _TIMES_OF_STATES:
                    columns[_TIMES_OF_STATES[entry.to_state]] = at
                if (entry.from_state, entry.to_state) == (State.NOTICED, State.CLOSED):
                    columns["outcome"] = _OUTCOMES[State.NOTICED]
            case Action.CONFIRM:
                columns |= {"confirmed_at": at, "reason": None, "ended_at": None, "outcome": None}
            case Action.REJECT:
                columns |= {"ended_at": at, "reason": data.get("reason"), "confirmed_at": None}
            case Action.WITHDRAW | Action.MERGE:
                columns |= {"ended_at": at, "reason": data.get("reason")}
                if entry.to_state == State.MERGED:  # all findings went to the other case
                    columns["merged_into"] = data.get("into")
                    self.keys.clear()
            case Action.UNDO:
                columns |= {"confirmed_at": None, "reason": None, "ended_at": None}
            case Action.DISPATCH:
                columns["dispatched_at"] = at
                self._assign(data)
            case Action.HANDLE:
                columns["handled_at"] = at
            case Action.VERIFY:
                columns["verified_at"] = at
            case Action.RETURN if entry.from_state == State.DISPATCHED:
                self._assign({})
            case Action.RETURN:
                columns |= {"handled_at": None, "verified_at": None}
                columns["returns"] += 1
            case Action.CLOSE:
                before = columns["outcome"] or "dismissed"
                outcome = data.get("outcome") or _OUTCOMES.get(entry.from_state, before)
                columns |= {"ended_at": at, "outcome": outcome}
            case Action.DEFER:
                columns["deferred_until"] = _time(data.get("until"))
                columns["deferrals"] += 1
            case Action.RESUME:
                columns["deferred_until"] = None
            case Action.REOPEN:
                columns |= {"ended_at": None, "outcome": None}
                columns["reopenings"] += 1
            case Action.APPEAL:
                columns["ended_at"] = None


_INITIAL: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("filed_at", "confirmed_at", "dispatched_at", "handled_at", "verified_at"),
            *("ended_at", "deferred_until", "purged_at", "reason", "outcome", *_ASSIGNED),
        )
    ),
    **dict.fromkeys(("deferrals", "extensions", "returns", "reopenings"), 0),
}

#: The columns of table ``cases`` that follow from the history.
REPLAYED = tuple(_INITIAL)


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
