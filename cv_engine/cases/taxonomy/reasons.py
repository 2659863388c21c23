"""Reasons as people give them: one of the taxonomy's, by a name of it, or a text of their own."""

from __future__ import annotations

from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy.model import Taxonomy


def read_reason(
    taxonomy: Taxonomy, verb: str, given: str | None, note: str
) -> tuple[str | None, str]:
    """The id of a reason, and the note with a reason that is a text of its own.

    Args:
        taxonomy: The reasons.
        verb: What is done, such as ``"reject"``.
        given: Id, English or Chinese name of one of the reasons, or another text.
        note: The note.

    Raises:
        QueueError: The reason is one of the taxonomy's, and not for this step.
    """
    if given is None:
        return None, note
    wanted = given.strip().casefold()
    for reason in taxonomy.reasons.values():
        names = {name.casefold() for name in (reason.id, reason.name, reason.name_zh)}
        if not wanted or wanted not in names:
            continue
        known = taxonomy.reasons_for(verb)
        if reason in known:
            return reason.id, note
        if known:
            listed = ", ".join(each.id for each in known)
            raise QueueError(f"the reason {given} is not for {verb}; known: {listed}")
    return None, ": ".join(part for part in (given.strip(), note) if part)
