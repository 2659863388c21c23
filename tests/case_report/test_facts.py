"""The facts of a case read as a person would say them."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from cv_engine.case_report.facts import facts_of
from cv_engine.cases import open_queue
from cv_engine.finding import STOOD_BEFORE
from tests.cases.made import at, finding


def _facts(path: Path, attributes: dict[str, object]) -> dict[str, str]:
    with open_queue(path / "queue.db") as queue:
        filed = queue.file(finding(attributes=attributes))
        return facts_of(queue.get(filed.case_id), UTC, at(400))


def test_what_stood_there_before_the_recording_began_then_or_earlier(tmp_path: Path) -> None:
    facts = _facts(tmp_path, {STOOD_BEFORE: True, "limit_s": 300.0})
    assert facts["began"].endswith(" or earlier")
    assert "details" not in facts


def test_what_was_seen_to_come_began_then(tmp_path: Path) -> None:
    facts = _facts(tmp_path, {"colour": "white"})
    assert "earlier" not in facts["began"]
    assert facts["details"] == "colour white"
