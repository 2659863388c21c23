"""The text of a digest: what happened to which cases, in English, Chinese or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from enum import StrEnum

from cv_engine.cases.case import Case, Entry, Event
from cv_engine.cases.errors import QueueError
from cv_engine.cases.lifecycle import State
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.taxonomy import Taxonomy


class Language(StrEnum):
    """The language of a digest."""

    ENGLISH = "en"
    CHINESE = "zh"
    BOTH = "both"


#: What city systems call the events and the states.
EVENTS_ZH: Mapping[Event, str] = {
    Event.FILED: "上报",
    Event.JOINED: "再次发现",
    Event.GONE: "已离开",
    Event.EVIDENCE: "补充证据",
    Event.STATE: "状态变更",
    Event.ASSIGNED: "转派",
    Event.EXTENDED: "延期",
    Event.PRIORITY: "变更优先级",
    Event.WARNED: "临近期限",
    Event.ESCALATED: "超期",
    Event.MERGED: "合并",
    Event.SPLIT: "拆分",
    Event.NOTICE: "短信通知",
    Event.NOTED: "备注",
    Event.PURGED: "证据删除",
    Event.ERASED: "个人信息删除",
}
STATES_ZH: Mapping[State, str] = {
    State.REPORTED: "上报",
    State.CONFIRMED: "立案",
    State.REJECTED: "不立案",
    State.NOTICED: "通知",
    State.CITED: "处罚",
    State.DISPATCHED: "派遣",
    State.HANDLED: "处置",
    State.VERIFIED: "核查",
    State.CLOSED: "结案",
    State.DEFERRED: "缓办",
    State.APPEALED: "申诉",
    State.WITHDRAWN: "作废",
    State.MERGED: "合并",
}


def digest(
    events: Sequence[CaseEvent], taxonomy: Taxonomy, language: Language, zone: tzinfo
) -> tuple[str, str]:
    """The title and the text of a message about some events.

    Args:
        events: The events, oldest first.
        taxonomy: Where the names of the kinds are read.
        language: Language of the message; names of places and notes stay as they are.
        zone: Time zone of the times.

    Returns:
        The title, and one line per case with one line per event below.
    """
    by_case: dict[int, list[CaseEvent]] = {}
    for event in events:
        by_case.setdefault(event.case.id, []).append(event)
    title = _in(
        language,
        f"{_counted(len(events), 'event')} of {_counted(len(by_case), 'case')}",
        f"{len(by_case)} 个案件，{len(events)} 条动态",
        " / ",
    )
    lines = []
    for each in by_case.values():
        lines.append(_case(each[-1].case, taxonomy, language, zone))
        lines += [_entry(event.entry, language, zone) for event in each]
    return title, "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _in(language: Language, english: str, chinese: str, between: str = " ") -> str:
    if language is Language.ENGLISH or not chinese:
        return english
    return chinese if language is Language.CHINESE else f"{english}{between}{chinese}"


def _case(case: Case, taxonomy: Taxonomy, language: Language, zone: tzinfo) -> str:
    try:
        known = taxonomy.classify(case.kind)
        name = _in(language, known.name, known.name_zh)
    except QueueError:  # a kind of an earlier catalogue
        name = case.kind
    number = _in(language, f"Case {case.id}", f"案件 {case.id}", " / ")
    state = _in(language, case.state.value, STATES_ZH[case.state])
    due, department = case.handling.due_at, case.handling.department
    parts = [f"{number}: {name}", f"{case.source}, {case.zone}", state]
    if department is not None:
        parts.append(_in(language, "for", "承办", "/") + f" {department}")
    if due is not None:
        parts.append(_in(language, "due", "期限", "/") + f" {_time(due, zone)}")
    return "; ".join(parts)


def _entry(entry: Entry, language: Language, zone: tzinfo) -> str:
    if entry.event is Event.STATE and entry.to_state is not None:
        what = _in(language, entry.to_state.value, STATES_ZH[entry.to_state])
    else:
        what = _in(language, entry.event.value, EVENTS_ZH[entry.event])
    note = f": {' '.join(entry.note.split())}" if entry.note.strip() else ""
    return f"  {_time(entry.at, zone)} {what}, {entry.by}{note}"


def _time(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="minutes")
