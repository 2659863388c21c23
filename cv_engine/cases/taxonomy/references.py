"""What the entries of a taxonomy file say about each other: problems that no entry shows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from cv_engine.cases.taxonomy.file_model import ClassEntry, StandardEntry, TaxonomyFile
from cv_engine.yaml_file import Problem
from cv_engine.yaml_file.document import YamlFile


def major_of(entry: ClassEntry, standard: StandardEntry, code: str) -> str:
    """Code of the major of a class: as given, else the first digits of the class's code."""
    return entry.majors.get(standard.id, code[: standard.major_digits])


class References:
    """Checks the references of one file.

    Args:
        file: The file's entries; those that are wrong in themselves may be left out.
        document: The values with their lines.
        numbers: For each class of ``file``, its number in the document, from 0.
        departments: Ids of the organisation's departments; any are right if ``None``.
    """

    def __init__(
        self,
        file: TaxonomyFile,
        document: YamlFile,
        numbers: Sequence[int],
        departments: Collection[str] | None,
    ) -> None:
        self._file = file
        self._document = document
        self._classes = tuple(zip(numbers, file.classes, strict=True))
        self._departments = departments
        self._standards = {each.id: each for each in file.standards}

    def problems(self) -> Iterator[Problem]:
        """Every reference that leads nowhere, and every name that is used twice."""
        file = self._file
        yield from self._twice("standards", "id", enumerate(each.id for each in file.standards))
        yield from self._twice("reasons", "id", enumerate(each.id for each in file.reasons))
        yield from self._twice("classes", "kind", ((n, each.kind) for n, each in self._classes))
        if file.default_standard not in self._standards:
            yield self._at(self._no_standard(file.default_standard), "default_standard")
        yield from self._majors()
        for number, entry in self._classes:
            yield from self._class(number, entry)
        yield from self._codes_used_twice()

    def _at(self, text: str, *location: str | int) -> Problem:
        name = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)
        return Problem(self._document.line(location), f"{name.removeprefix('.')}: {text}")

    def _no_standard(self, id: str) -> str:
        known = ", ".join(self._standards)
        return f"{id!r} is not among the standards of this file; known: {known}"

    def _twice(self, group: str, key: str, named: Iterable[tuple[int, str]]) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for number, name in named:
            if name in first:
                line = self._document.line([group, first[name], key])
                text = f"{name!r} is written twice, first on line {line}; give each its own"
                yield self._at(text, group, number, key)
            first.setdefault(name, number)

    def _majors(self) -> Iterator[Problem]:
        for number, standard in enumerate(self._file.standards):
            if standard.major_digits > standard.digits:
                text = f"{standard.major_digits} is more than the {standard.digits} of a code"
                yield self._at(f"{text}; correct it", "standards", number, "major_digits")
            for code in standard.majors:
                if standard.major_digits not in (0, len(code)):
                    digits = f"{standard.major_digits} digits (major_digits)"
                    text = f"a major of this standard has {digits}; correct the code"
                    yield self._at(text, "standards", number, "majors", code)

    def _class(self, number: int, entry: ClassEntry) -> Iterator[Problem]:
        departments = self._departments
        if departments is not None and entry.department not in (None, *departments):
            text = f"{entry.department!r} is not among the departments of the organisation"
            text += f"; known: {', '.join(departments)}; add it there or correct the name"
            yield self._at(text, "classes", number, "department")
        for id in entry.majors.keys() - entry.codes.keys():
            text = f"the class has no code in {id!r}; add one under codes, or remove the major"
            yield self._at(text, "classes", number, "majors", id)
        for id, code in entry.codes.items():
            standard = self._standards.get(id)
            if standard is None:
                yield self._at(self._no_standard(id), "classes", number, "codes", id)
            elif len(code) != standard.digits:
                text = f"{code!r} must have {standard.digits} digits, as every code of {id}"
                yield self._at(text, "classes", number, "codes", id)
            elif standard.majors and major_of(entry, standard, code) not in standard.majors:
                major = major_of(entry, standard, code)
                text = f"{id} has no major {major!r}; known: {', '.join(standard.majors)}"
                key = "majors" if id in entry.majors else "codes"
                yield self._at(text, "classes", number, key, id)

    def _codes_used_twice(self) -> Iterator[Problem]:
        users: dict[tuple[str, str], list[tuple[int, ClassEntry]]] = defaultdict(list)
        for number, entry in self._classes:
            for pair in entry.codes.items():
                users[pair].append((number, entry))
        for (id, code), entries in users.items():
            for number, entry in entries if len(entries) > 1 else ():
                if not entry.shared:
                    other = next(e.kind for n, e in entries if n != number)
                    text = f"{code!r} is also the code of {other!r}"
                    text += "; correct one of them, or write shared: true in both"
                    yield self._at(text, "classes", number, "codes", id)
