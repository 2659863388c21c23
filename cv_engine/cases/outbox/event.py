"""The event that outlets receive: an entry of a case's history, with the case as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cv_engine.cases.case import Case, Entry
from cv_engine.cases.export.geojson import utc_text

#: Version of the event's JSON. New keys do not raise it; keys that change or go do.
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One entry of a case's history, for the outside.

    Attributes:
        case: The case as it is when the event is sent: the case's ``version`` may be later than the
            entry's ``seq``.
        entry: The entry.
    """

    case: Case
    entry: Entry

    @property
    def key(self) -> str:
        """The idempotency key ``CASE-SEQ``: the same however often the event is sent."""
        return f"{self.case.id}-{self.entry.seq}"

    @property
    def type(self) -> str:
        """What happened, such as ``"case.filed"``."""
        return f"case.{self.entry.event.value}"

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object; the keys are described in ``docs/cases.md``."""
        return {
            "schema": SCHEMA,
            "id": self.key,
            "type": self.type,
            "timestamp": utc_text(self.entry.at),
            "data": {"case": _case(self.case), "entry": _entry(self.entry)},
        }

    def body(self) -> bytes:
        """The event as compact JSON in UTF-8."""
        text = json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def _case(case: Case) -> dict[str, Any]:
    handling, place = case.handling, case.place
    return {
        "id": case.id,
        "version": case.version,
        "key": case.key,
        "kind": case.kind,
        "standard": case.standard,
        "code": case.code,
        "state": case.state.value,
        "priority": case.priority,
        "source": case.source,
        "zone": case.zone,
        "geometry": place.geometry,
        "accuracy_m": place.accuracy_m,
        "basis": place.basis,
        "image_box": None if place.image_box is None else list(place.image_box),
        "began": utc_text(case.began),
        "observed": utc_text(case.observed),
        "gone_at": utc_text(case.gone_at),
        "filed_at": utc_text(case.filed_at),
        "confidence": case.confidence,
        "attributes": dict(case.attributes),
        "evidence": case.evidence,
        "department": handling.department,
        "team": handling.team,
        "officer": handling.officer,
        "area": handling.area,
        "due_at": utc_text(handling.due_at),
        "close_due_at": utc_text(handling.close_due_at),
        "reason": case.result.reason,
        "outcome": case.result.outcome,
        "merged_into": case.result.merged_into,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "seq": entry.seq,
        "at": utc_text(entry.at),
        "event": entry.event.value,
        "by": entry.by,
        "role": entry.role,
        "note": entry.note,
        "from": None if entry.from_state is None else entry.from_state.value,
        "to": None if entry.to_state is None else entry.to_state.value,
        "data": dict(entry.data),
        "hash": entry.hash,
    }
