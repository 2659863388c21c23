"""Erasing: a plate is removed from a case, its findings and its history, and proof is left.

A history cannot be changed, with this one exception. An entry that is erased keeps its hash, which
does not fit any more; the entry that records the erasure, later in the same chain, says which
entries these are, with their hashes and the digests of what is left of them. So the chain still
holds: a change of anything else, or of what is left, is found by the audit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cv_engine.cases.case import Event
from cv_engine.cases.chain import entry_hash
from cv_engine.cases.changes import LockedCase
from cv_engine.cases.database.tables import cases, erasing, findings, history
from cv_engine.cases.lifecycle import Actor
from cv_engine.cases.plates import PLATE
from cv_engine.cases.rows import findings_of
from cv_engine.plate import BETWEEN

_ERASED_TEXT = "[erased]"
_ERASED_PLATE = {"erased": True}
#: A plate is a word of its own: the same signs within a digest or a longer number are no plate.
_ALONE = r"(?<![A-Za-z0-9]){}(?![A-Za-z0-9])"


@dataclass(frozen=True)
class Eraser:
    """Removes one plate from values and texts.

    Attributes:
        plate: The plate, as :func:`cv_engine.plate.normal_plate` writes it.
    """

    plate: str

    def text(self, text: str) -> str:
        """A text without the plate, however it is written."""
        pattern = _ALONE.format(f"{BETWEEN}*".join(map(re.escape, self.plate)))
        return re.sub(pattern, _ERASED_TEXT, text, flags=re.IGNORECASE)

    def data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a history's entry without the plate, which only attributes hold."""
        left = dict(data)
        if "attributes" in left:
            left["attributes"] = self.value(left["attributes"])
        return left

    def value(self, value: Any) -> Any:
        """A JSON value without the plate: what was read of it goes as a whole."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(each) for each in value]
            case dict():
                return {name: self._item(name, each) for name, each in value.items()}
        return value

    def _item(self, name: str, value: Any) -> Any:
        if name == PLATE and self.value_text(value) == self.plate:
            return dict(_ERASED_PLATE)
        return self.value(value)

    @staticmethod
    def value_text(value: Any) -> str | None:
        """The text of an attribute ``plate``; ``None`` if it has none."""
        text = value.get("text") if isinstance(value, dict) else value
        return text if isinstance(text, str) else None


def erase_plate(case: LockedCase, plate: str, by: Actor, why: str) -> bool:
    """Remove a plate from a case, in the transaction that has locked the case.

    Args:
        case: The case.
        plate: The plate.
        by: Who erases it.
        why: The reason, for the history; the plate is removed from it as well.

    Returns:
        Whether the case had the plate; nothing is recorded if not.
    """
    eraser = Eraser(plate)
    connection, number = case.connection, case.row.id
    connection.execute(erasing.insert().values(case_id=number))
    entries = _erase_entries(case, eraser)
    keys = []
    for row in findings_of(connection, number):
        left = eraser.value(row.attributes)
        if left != row.attributes:
            changed = findings.update().where(findings.c.key == row.key)
            connection.execute(changed.values(attributes=left))
            keys.append(row.key)
    connection.execute(erasing.delete().where(erasing.c.case_id == number))
    attributes = eraser.value(case.row.attributes)
    if not entries and not keys and attributes == case.row.attributes:
        return False
    data = {"entries": entries, "findings": keys}
    case.record(Event.ERASED, by, eraser.text(why), data=data)
    # Not by `LockedCase.set`: the text of the place has no plate.
    connection.execute(cases.update().where(cases.c.id == number).values(attributes=attributes))
    return True


def _erase_entries(case: LockedCase, eraser: Eraser) -> dict[str, dict[str, str]]:
    """Remove the plate from a history.

    Returns:
        Of each entry that was erased, by its number: its hash, and the digest of what is left.
    """
    found: dict[str, dict[str, str]] = {}
    statement = history.select().where(history.c.case_id == case.row.id).order_by(history.c.seq)
    for row in case.connection.execute(statement).all():
        left = {"note": eraser.text(row.note), "data": eraser.data(row.data)}
        if (left["note"], left["data"]) == (row.note, row.data):
            continue
        changed = history.update().where(history.c.id == row.id)
        case.connection.execute(changed.values(left))
        found[str(row.seq)] = {
            "hash": row.hash,
            "left": left_digest({**row._mapping, **left}),
        }
    return found


def left_digest(entry: Mapping[str, Any]) -> str:
    """The digest of what is left of an entry: SHA-256 in hex, as in the chain, of its own."""
    return entry_hash("", entry)
