"""The taxonomy: the classes of the cities' standards, as versioned data with crosswalks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cv_engine.cases.errors import QueueError

_PACKAGED = Path(__file__).with_name("taxonomy.yaml")
_CLASS_KEYS = {"kind", "name", "name_zh", "former_name_zh", "codes", "shared", "inferred"}
_STANDARD_KEYS = {"id", "in_force", "replaces", "digits", "provisional", "provenance", "majors"}


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard that numbers the classes.

    Attributes:
        id: The standard's number, such as ``"GB/T 47678.5-2026"``.
        digits: Number of digits of a code.
        provisional: Whether the codes were never checked against the standard itself.
        provenance: Where the codes come from.
    """

    id: str
    digits: int
    provisional: bool
    provenance: str


@dataclass(frozen=True, slots=True)
class CaseClass:
    """One class, keyed by (standard, kind, code).

    Attributes:
        standard: The standard's number.
        kind: The violation's name in this program.
        code: The code in that standard.
        name: English name.
        name_zh: Name in the standard's language.
        provisional: Whether the code still has to be checked against the standard.
        inferred: Whether the code was inferred rather than read in a copy.
        shared: Whether the copy gives the code once for two kinds.
    """

    standard: str
    kind: str
    code: str
    name: str
    name_zh: str
    provisional: bool
    inferred: bool
    shared: bool


@dataclass(frozen=True)
class Taxonomy:
    """A version of the catalogue.

    Attributes:
        version: The catalogue's own version.
        default_standard: The standard of new cases.
        standards: Standards by number.
        classes: Classes by (standard, kind, code).

    Example:
        >>> load_taxonomy().classify("clutter").code
        '06036'
    """

    version: str
    default_standard: str
    standards: Mapping[str, Standard]
    classes: Mapping[tuple[str, str, str], CaseClass] = field(repr=False)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of violation, in the order of the catalogue."""
        return tuple(dict.fromkeys(kind for _, kind, _ in self.classes))

    def classify(self, kind: str, standard: str | None = None) -> CaseClass:
        """The class of a kind of violation.

        Args:
            kind: The violation's name.
            standard: The standard's number; ``None``: the default standard, or the first one with
                a class for this kind if the default has none.

        Raises:
            QueueError: The kind or the standard is not in the catalogue, or the standard has no
                class for this kind.
        """
        wanted = self.default_standard if standard is None else standard
        if wanted not in self.standards:
            known = ", ".join(self.standards)
            raise QueueError(f"the taxonomy has no standard {wanted!r}; known: {known}")
        of_kind = [each for each in self.classes.values() if each.kind == kind]
        for each in of_kind:
            if each.standard == wanted:
                return each
        if of_kind and standard is None:
            return of_kind[0]
        if of_kind:
            raise QueueError(f"{wanted} has no class for kind {kind!r} in this taxonomy")
        raise QueueError(
            f"kind {kind!r} is not in the taxonomy: add a class for this kind; known: "
            + ", ".join(self.kinds)
        )

    def crosswalk(self, standard: str, code: str, to: str) -> tuple[CaseClass, ...]:
        """Translate a code to another standard.

        Args:
            standard: The code's standard.
            code: The code.
            to: The other standard.

        Returns:
            The classes of the other standard: none, one, or several if kinds share the code.
        """
        kinds = {c.kind for c in self.classes.values() if (c.standard, c.code) == (standard, code)}
        return tuple(c for c in self.classes.values() if c.standard == to and c.kind in kinds)


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read a catalogue.

    Args:
        path: A YAML file in the format of the packaged one; the packaged one if ``None``.

    Raises:
        QueueError: The file cannot be read or is invalid; the message names the line.
    """
    return _packaged() if path is None else _read(path)


@cache
def _packaged() -> Taxonomy:
    return _read(_PACKAGED)


class _LineLoader(yaml.SafeLoader):
    """A safe loader that records the first line of every mapping."""


def _mapping(loader: _LineLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    values = loader.construct_mapping(node, deep=True)
    return {**values, "__line__": node.start_mark.line + 1}


_LineLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> Taxonomy:
    try:
        # A subclass of SafeLoader builds plain values only.
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LineLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise QueueError(f"{path}: the taxonomy cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise QueueError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(data, dict) or "classes" not in data or "standards" not in data:
        raise QueueError(f"{path}: a taxonomy needs `standards` and `classes`")
    standards = {s.id: s for s in _standards(path, data["standards"])}
    default = str(data.get("default_standard", ""))
    if default not in standards:
        raise QueueError(f"{path}: default_standard {default!r} is not among the standards")
    classes: dict[tuple[str, str, str], CaseClass] = {}
    for each in _classes(path, data["classes"], standards):
        if any((c.standard, c.kind) == (each.standard, each.kind) for c in classes.values()):
            raise QueueError(f"{path}: kind {each.kind!r} has two classes in {each.standard}")
        classes[each.standard, each.kind, each.code] = each
    return Taxonomy(str(data.get("version", "")), default, standards, classes)


def _entries(
    path: Path, name: str, rows: Any, known: set[str], needed: set[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mapping of a list, with its place in the file and its keys checked."""
    if not isinstance(rows, list):
        raise QueueError(f"{path}: {name}: must be a list")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise QueueError(f"{path}: {name}: entry {number} must be a mapping")
        where = f"{path}:{row['__line__']}: {name}"
        keys = set(row) - {"__line__"}
        if unknown := sorted(map(str, keys - known)):
            raise QueueError(f"{where}: unknown key {unknown[0]!r}; known: {sorted(known)}")
        if missing := sorted(needed - keys):
            raise QueueError(f"{where}: {missing[0]!r} is missing")
        yield where, row


def _standards(path: Path, rows: Any) -> Iterator[Standard]:
    needed = {"id", "digits", "provisional", "provenance"}
    for where, row in _entries(path, "standards", rows, _STANDARD_KEYS, needed):
        if not isinstance(row["digits"], int):
            raise QueueError(f"{where}: digits must be a whole number, not {row['digits']!r}")
        yield Standard(
            str(row["id"]), row["digits"], bool(row["provisional"]), str(row["provenance"])
        )


def _classes(path: Path, rows: Any, standards: Mapping[str, Standard]) -> Iterator[CaseClass]:
    for where, row in _entries(path, "classes", rows, _CLASS_KEYS, {"kind", "name", "codes"}):
        if not isinstance(row["codes"], dict):
            raise QueueError(f"{where}: codes must map a standard to a code")
        for standard, code in row["codes"].items():
            if standard == "__line__":
                continue
            if standard not in standards:
                raise QueueError(f"{where}: {standard!r} is not among the standards")
            digits = standards[standard].digits
            if not (isinstance(code, str) and code.isdigit() and len(code) == digits):
                raise QueueError(
                    f"{where}: code {code!r} of {standard} must be {digits} digits in quotes"
                )
            yield CaseClass(
                standard=standard,
                kind=str(row["kind"]),
                code=code,
                name=str(row["name"]),
                name_zh=str(row.get("name_zh", "")),
                provisional=standards[standard].provisional,
                inferred=bool(row.get("inferred", False)),
                shared=bool(row.get("shared", False)),
            )
