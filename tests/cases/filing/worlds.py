"""Findings around one place, made by chance: each set is a world of its own in one queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import hypothesis.strategies as st

from cv_engine.cases import Queue
from cv_engine.cases.chain import entry_hash
from cv_engine.cases.filing.problem import Presence, problems
from cv_engine.cases.filing.site import SITE_GAP_M
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.finding import Finding
from tests.cases.made import at, finding, ground, located, site

_METRE = 1 / 111_320
_WORLDS = count(1)
_BOXES = tuple((100.0 + x, 100.0, 200.0 + x, 180.0) for x in (0.0, 25.0, 50.0))


@dataclass(frozen=True)
class Thing:
    """A finding, and what is known of its thing later.

    Attributes:
        finding: The finding.
        missed: Time without samples before it.
        seen: When it was seen last, if that was noted.
        gone: When it left, if that was noted.
    """

    finding: Finding
    missed: timedelta = timedelta(0)
    seen: datetime | None = None
    gone: datetime | None = None

    def final(self) -> Presence:
        """What is known of the finding when everything was noted."""
        known = Presence.of(self.finding, self.missed)
        times = [each for each in (self.finding.observed, self.seen, self.gone) if each]
        return replace(known, observed=max(times), gone_at=self.gone)


_TIMES = {
    "began": st.integers(0, 8).map(lambda minutes: 300.0 * minutes),
    "lasting": st.sampled_from([0.0, 200.0, 400.0]),
}
_KINDS = st.sampled_from(["clutter", "motor_vehicle_parked"])


@st.composite
def things(draw: st.DrawFn) -> Thing:
    """A finding of one of two cameras, by its box, by its place or by both, or of a building."""
    began, lasting = draw(_TIMES["began"]), draw(_TIMES["lasting"])
    confidence = draw(st.sampled_from([0.5, 0.7, 0.9]))
    form = draw(st.sampled_from(["box", "box", "both", "ground", "site"]))
    made: Finding
    if form == "site":
        made = site(ground(draw(st.integers(0, 6)) * 9.0, 0, 6, 5), began, confidence=confidence)
        return Thing(made)
    more: dict[str, Any] = {
        "kind": draw(_KINDS),
        "source": draw(st.sampled_from(["east", "east", "west"])),
        "confidence": confidence,
    }
    lon = 121.0 + draw(st.integers(0, 2)) * 1.5 * _METRE
    if form == "box":
        made = finding(began, began + lasting, box=draw(st.sampled_from(_BOXES)), **more)
    else:
        more["accuracy_m"] = draw(st.sampled_from([1.0, 2.0]))
        made = located(lon, 0.0, began, began + lasting, **more)
        if form == "both":
            box = draw(st.sampled_from(_BOXES))
            made = replace(made, place=replace(made.place, image_box=box))
    seen, gone = (
        draw(st.none() | st.integers(0, 2).map(lambda step: at(began + lasting + 250.0 * step)))
        for _ in range(2)
    )
    return Thing(made, timedelta(seconds=draw(st.sampled_from([0, 350, 1500]))), seen, gone)


def sets(largest: int) -> st.SearchStrategy[list[Thing]]:
    """Some findings with different keys."""
    return st.lists(things(), min_size=2, max_size=largest, unique_by=lambda each: each.finding.key)


def elsewhere(found: Sequence[Thing]) -> list[Thing]:
    """The same findings in a world of their own: by other cameras, a kilometre further east."""
    number = next(_WORLDS)
    moved = []
    for each in found:
        place = each.finding.place
        if place.geometry is not None:
            place = replace(place, geometry=_shifted(place.geometry, 0.01 * number))
        source = f"{each.finding.source}-{number}"
        moved.append(replace(each, finding=replace(each.finding, place=place, source=source)))
    return moved


def _shifted(geometry: Any, lon: float) -> dict[str, Any]:
    def move(value: Any) -> Any:
        if isinstance(value[0], int | float):
            return [value[0] + lon, value[1]]
        return [move(each) for each in value]

    return {**geometry, "coordinates": move(geometry["coordinates"])}


def steps(found: Sequence[Thing], order: Sequence[int]) -> Iterable[tuple[str, Thing]]:
    """Everything that is known, each of a finding's news after the finding, in a given order."""
    news = [
        (name, each)
        for each in found
        for name in ("file", "seen", "gone", "file")
        if name == "file" or getattr(each, name) is not None
    ]
    filed: set[str] = set()
    for place in order:
        name, each = news[place % len(news)]
        if each.finding.key not in filed:
            yield "file", each
            filed.add(each.finding.key)
        yield name, each
    for each in found:  # whatever the order has left out
        for name in ("file", "seen", "gone"):
            if name == "file" or getattr(each, name) is not None:
                yield name, each


def take(queue: Queue, step: tuple[str, Thing]) -> None:
    """File a finding, or note news of it."""
    name, each = step
    key = each.finding.key
    if name == "file":
        queue.file(each.finding, missed=each.missed)
    elif name == "seen" and each.seen is not None:
        queue.seen(key, each.seen)
    elif each.gone is not None:
        queue.gone(key, each.gone)


def outcome(queue: Queue, found: Sequence[Thing]) -> set[tuple[Any, ...]]:
    """The cases of some findings: which findings, and the facts, without numbers and keys."""
    cases: dict[int, set[str]] = {}
    for each in found:
        filed = queue.filed_evidence(each.finding.key)
        assert filed is not None
        cases.setdefault(filed.case_id, set()).add(each.finding.key)
    result = set()
    for number, keys in cases.items():
        case = queue.get(number)
        assert {known.key for known in queue.findings(number)} == keys
        facts = (case.began, case.observed, case.gone_at, case.confidence)
        result.add((tuple(sorted(keys)), *facts, case.attributes.get("area_m2")))
    return result


def expected(found: Sequence[Thing]) -> set[tuple[str, ...]]:
    """The division of the findings into problems, from all that is known in the end."""
    result = set()
    for kind in {each.finding.kind for each in found}:
        of_kind = [each.final() for each in found if each.finding.kind == kind]
        rule = load_taxonomy().classify(kind).recurrence
        for problem in problems(of_kind, rule, SITE_GAP_M):
            result.add(tuple(sorted(each.key for each in problem)))
    return result


def is_whole(queue: Queue, number: int) -> bool:
    """Whether a case's history is the one that its hashes say."""
    case, previous = queue.get(number), ""
    entries = queue.history(number)
    for place, entry in enumerate(entries, start=1):
        columns = ("seq", "at", "by", "role", "note", "from_state", "to_state")
        values = {name: getattr(entry, name) for name in columns}
        values |= {"event": entry.event.value, "data": dict(entry.data)}
        previous = entry_hash(previous or case.key, values)
        if (entry.seq, entry.hash) != (place, previous):
            return False
    return case.version == len(entries)
