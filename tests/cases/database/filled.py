"""A queue with cases of every state, for the tests of stores."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from uuid import uuid4

from cv_engine.cases import Action, Actor, Assignment, Queue, Role, open_queue
from cv_engine.cases.dispatch.attachment import Attachment
from tests.cases.made import at, finding, ground, located, site

SUPERVISOR = Actor("chief", Role.SUPERVISOR)
_ENDS = (
    (),
    (Action.CONFIRM,),
    (Action.REJECT,),
    (Action.CONFIRM, Action.UNDO),
    (Action.CONFIRM, Action.NOTICE, Action.CLOSE),
    (Action.CONFIRM, Action.CITE, Action.CLOSE, Action.APPEAL, Action.CLOSE),
    (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.VERIFY, Action.CLOSE, Action.REOPEN),
    (Action.CONFIRM, Action.DISPATCH, Action.HANDLE, Action.RETURN, Action.HANDLE),
    (Action.CONFIRM, Action.DEFER),
    (Action.CONFIRM, Action.DEFER, Action.RESUME),
    (Action.REJECT, Action.APPEAL, Action.REJECT),
    (Action.WITHDRAW,),
)


def fill(queue: Queue, rounds: int = 2) -> None:
    """File findings of all forms, and bring the cases to all states."""
    for number in range(rounds * len(_ENDS)):
        began = number * 1000
        first = finding(began, began + 300, evidence=f"e{number}", attributes={"名": number / 3})
        case = queue.file(first, evidence_sha256=f"{number:064x}").case_id
        if number % 3 == 0:
            queue.file(finding(began + 10, began + 310, box=(101.0, 101.0, 201.0, 181.0)))
        if number % 4 == 0:
            queue.gone(first.key, at(began + 400), "drove off")
        for action in _ENDS[number % len(_ENDS)]:
            queue.move(
                case,
                action,
                SUPERVISOR,
                "as the photo shows, 照片",
                to=Assignment("parks", "north") if action is Action.DISPATCH else None,
                until=at(9_000_000) if action is Action.DEFER else None,
                evidence=_photos(case, number) if action is Action.HANDLE else None,
            )
    place = {"address": "No. 7, Ｍarket Street"}
    queue.file(located(121.55, 29.87, source="bridge", attributes=place))
    late = queue.file(finding(source="late")).case_id
    queue.remember_evidence(queue.get(late).key, "late-evidence")
    queue.assign(late, Assignment("parks", "south", "Li"), SUPERVISOR)
    queue.extend(late, at(9_000_000), SUPERVISOR)
    queue.set_priority(late, "urgent", SUPERVISOR)
    queue.note(late, SUPERVISOR, "the gate is open", evidence=_photos(late, 7))
    queue.file(site(ground(0, 0, 20, 20)))
    queue.file(site(ground(18, 0, 20, 20), 86_400))


def _photos(case: int, number: int) -> Attachment:
    """The officer's photos of a case."""
    return Attachment(f"case-{case}-handled-{uuid4().hex[:16]}", f"{number:064x}")


def filled(where: object) -> None:
    """Make a queue at an address, and fill it."""
    seconds = count()

    def clock() -> datetime:
        return at(100_000) + timedelta(seconds=next(seconds), microseconds=next(seconds))

    with open_queue(str(where), clock=clock) as queue:
        fill(queue)
