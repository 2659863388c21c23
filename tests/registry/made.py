"""Files of registries, imported into a folder, and the registries of that folder."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cv_engine.cases.lifecycle import Role
from cv_engine.cases.looks import Look
from cv_engine.registry import Contact, Kind, Registry
from cv_engine.registry.tables.importing import Imported, import_file
from cv_engine.registry.tables.keys import KeyFile
from cv_engine.registry.tables.tables import Tables

NOW = datetime(2026, 5, 1, 4, tzinfo=UTC)
VEHICLES = "plate,layout,status,exempt_reason,owner,phone,address"


def write(path: Path, header: str, *rows: str) -> Path:
    """Write lines."""
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
    return path


def write_rows(path: Path, header: str, rows: Iterable[Sequence[Any]]) -> Path:
    """Write rows as CSV, with quotes where they are needed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])
    return path


def key_file(folder: Path) -> KeyFile:
    """The key beside the tables' folder."""
    return KeyFile(folder / "key")


def load(folder: Path, kind: Kind, file: Path, **options: Any) -> Imported:
    """Import a file into ``folder / "registry"``."""
    where = folder / "registry"
    return import_file(where, kind, file, key_file(folder), NOW, lambda *_: None, **options)


def tables(folder: Path) -> Tables:
    """The tables of a folder."""
    return Tables(folder / "registry", key_file(folder))


def registry(folder: Path, looks: list[Look] | None = None, **options: Any) -> Registry:
    """The registries of a folder; accesses to contact data go to a list."""
    log = [] if looks is None else looks
    return Registry(dict.fromkeys(Kind, tables(folder)), log.append, lambda: NOW, **options)


def contact_of(folder: Path, name: str, kind: Kind = Kind.VEHICLES) -> Contact:
    """Contact data, as the program itself reads them; empty if there are none."""
    with registry(folder) as opened:
        found = opened.contact(name, who="cv-engine", role=Role.ENGINE, why="a test", kind=kind)
    return Contact() if found is None else found


def vehicles(folder: Path, count: int, owner: str = "王小明", name: str = "v.csv") -> Path:
    """A file of vehicles, from plate 浙B00000 on, with owners."""
    rows = (f"浙B{n:05d},blue,normal,,{owner},{13800000000 + n},street {n}" for n in range(count))
    return write(folder / name, VEHICLES, *rows)
