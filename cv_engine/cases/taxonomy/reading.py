"""Reads a taxonomy from its YAML file, and reports every problem of the file at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from cv_engine.cases.errors import QueueError
from cv_engine.cases.taxonomy.file_model import (
    ClassEntry,
    LimitsEntry,
    RecurrenceEntry,
    StandardEntry,
    TaxonomyFile,
)
from cv_engine.cases.taxonomy.model import (
    CaseClass,
    Major,
    Priority,
    Reason,
    Recurrence,
    Stage,
    Standard,
    Taxonomy,
)
from cv_engine.cases.taxonomy.references import References, major_of
from cv_engine.cases.taxonomy.time_limit import TimeLimit
from cv_engine.yaml_file import Problem, Validated, read_validated, told

PACKAGED = Path(__file__).with_name("taxonomy.yaml")


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read a catalogue.

    Args:
        path: A YAML file in the format of the packaged one; the packaged one if ``None``.

    Raises:
        QueueError: The file cannot be read or has errors; the text has a line for each, with file,
            line and key.
    """
    return _packaged() if path is None else _load(path)


def problems_of(path: Path, departments: Collection[str] | None = None) -> tuple[Problem, ...]:
    """Every problem of a taxonomy file, in the order of its lines.

    Args:
        path: The file.
        departments: Ids of the organisation's departments; any are right if ``None``.
    """
    return _problems(read_validated(path, TaxonomyFile), departments)


def check_departments(taxonomy: Taxonomy, path: Path | None, departments: Collection[str]) -> None:
    """Compare the departments of a taxonomy's classes with those of the organisation.

    Args:
        taxonomy: The taxonomy.
        path: The taxonomy's file; ``None`` for the packaged one, which names no departments.
        departments: Ids of the organisation's departments.

    Raises:
        QueueError: A class names another department; the text has a line for each, with file, line
            and key.
    """
    if path is None or set(taxonomy.departments) <= set(departments):
        return
    if problems := problems_of(path, departments):
        raise QueueError(told(path, problems))


@cache
def _packaged() -> Taxonomy:
    return _load(PACKAGED)


def _load(path: Path) -> Taxonomy:
    read = read_validated(path, TaxonomyFile)
    problems = _problems(read)
    if problems or read.value is None:
        raise QueueError(told(path, problems))
    return _taxonomy(read.value)


def _problems(
    read: Validated[TaxonomyFile], departments: Collection[str] | None = None
) -> tuple[Problem, ...]:
    """The problems of the entries, and of their references where the rest can be read."""
    if read.document is None:
        return read.problems
    if any(len(location) < 2 or location[0] != "classes" for location in read.wrong):
        return read.problems
    wrong = {location[1] for location in read.wrong}
    classes = read.document.value["classes"]
    numbers = [number for number in range(len(classes)) if number not in wrong]
    file = read.value or TaxonomyFile.model_validate(
        read.document.value | {"classes": [classes[number] for number in numbers]}
    )
    found = References(file, read.document, numbers, departments).problems()
    return tuple(sorted([*read.problems, *found]))


def _taxonomy(file: TaxonomyFile) -> Taxonomy:
    standards = {each.id: each for each in file.standards}
    classes = [
        _case_class(entry, standards[id], code)
        for entry in file.classes
        for id, code in entry.codes.items()
    ]
    majors = {(each.standard, each.code): each for each in _majors(file)}
    for each in classes:
        majors.setdefault((each.standard, each.major), Major(each.standard, each.major))
    return Taxonomy(
        version=file.version,
        default_standard=file.default_standard,
        standards={id: _standard(each) for id, each in standards.items()},
        majors=majors,
        classes={(each.standard, each.kind, each.code): each for each in classes},
        reasons={
            each.id: Reason(each.id, each.name, each.name_zh, frozenset(each.actions))
            for each in file.reasons
        },
    )


def _standard(entry: StandardEntry) -> Standard:
    return Standard(
        id=entry.id,
        digits=entry.digits,
        major_digits=entry.major_digits,
        provisional=entry.provisional,
        provenance=entry.provenance,
        in_force=entry.in_force,
        replaces=entry.replaces,
    )


def _majors(file: TaxonomyFile) -> Iterator[Major]:
    for standard in file.standards:
        for code, entry in standard.majors.items():
            yield Major(standard.id, code, entry.name, entry.name_zh)


def _case_class(entry: ClassEntry, standard: StandardEntry, code: str) -> CaseClass:
    return CaseClass(
        standard=standard.id,
        kind=entry.kind,
        code=code,
        major=major_of(entry, standard, code),
        name=entry.name,
        name_zh=entry.name_zh,
        provisional=standard.provisional,
        inferred=entry.inferred,
        shared=entry.shared,
        former_name_zh=entry.former_name_zh,
        law=entry.law,
        department=entry.department,
        priority=Priority(entry.priority),
        limits=_limits(entry.limits),
        urgent_limits=_limits(entry.urgent_limits),
        recurrence=_recurrence(entry.recurrence),
        retention=entry.retention.values(),
    )


def _recurrence(entry: RecurrenceEntry) -> Recurrence:
    return Recurrence(entry.join_within, entry.reopen_within, entry.may_return)


def _limits(entry: LimitsEntry) -> dict[Stage, TimeLimit]:
    found = {stage: getattr(entry, stage) for stage in Stage}
    return {stage: limit for stage, limit in found.items() if limit is not None}
