"""What an officer typed for a case, as values of the queue: photos, reasons, assignments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.commands.errors import InputError

if TYPE_CHECKING:
    from cv_engine.cases import Assignment, Case
    from cv_engine.evidence.media.photo import Photo
    from cv_engine.services import Services


def read_photos(paths: Sequence[Path] | None) -> list[Photo]:
    """The photos of some files.

    Raises:
        EvidenceError: A file is no usable photo.
    """
    if not paths:
        return []
    from cv_engine.evidence.media.photo import read_photo

    return [read_photo(path) for path in paths]


def next_assignment(
    services: Services, case: Case, to: str | None, team: str | None, officer: str | None
) -> Assignment:
    """Who gets a case: what was typed, completed by who has it, else by who is responsible.

    Raises:
        InputError: No one has the case, and no one is responsible.
    """
    from cv_engine.cases import Assignment

    if to is not None:
        return Assignment(to, team, officer)
    now = case.handling
    if now.department is not None:
        return Assignment(now.department, team or now.team, officer)
    found = services.queue.suggest(case.id)
    if found is None:
        raise InputError(
            f"case {case.id} has no department, and none is responsible: name one with --to"
        )
    return Assignment(found.department, team or found.team, officer)


def read_reason(
    services: Services, verb: str, typed: str | None, note: str
) -> tuple[str | None, str]:
    """The name of a reason, and the note with a reason that is a text of its own.

    Raises:
        InputError: The reason is one of the taxonomy's, and not for this step.
    """
    if typed is None:
        return None, note
    wanted = typed.strip().casefold()
    taxonomy = services.taxonomy
    for reason in taxonomy.reasons.values():
        if wanted and wanted in {
            reason.id.casefold(),
            reason.name.casefold(),
            reason.name_zh.casefold(),
        }:
            known = taxonomy.reasons_for(verb)
            if reason in known:
                return reason.id, note
            if known:
                names = ", ".join(each.id for each in known)
                raise InputError(f"--reason {typed}: is not for {verb}; known: {names}")
    return None, ": ".join(part for part in (typed.strip(), note) if part)
