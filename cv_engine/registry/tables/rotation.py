"""The change of the key: every table is written again with a new key, then the old key is dropped.

The key file has both keys from before the first table is changed until after the last one. So a
change that was killed is repeated, and tables that are done are not done again; and whoever reads
finds the key of either table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from cv_engine.files import atomic_file
from cv_engine.registry.errors import RegistryError
from cv_engine.registry.records import Kind
from cv_engine.registry.tables.forms import FORMS, Form
from cv_engine.registry.tables.importing import exclusive
from cv_engine.registry.tables.keys import Key, KeyFile, KeySource, new_key
from cv_engine.registry.tables.table_file import About, Record, TableFile, TableWriter
from cv_engine.registry.tables.tables import table_path

_ROWS_AT_ONCE = 10_000  # between two reports of the progress

#: Receives the registry, and how many of how many records are done.
Progress = Callable[[Kind, int, int], None]


def rotate_key(folder: Path, keys: KeySource, progress: Progress) -> Key:
    """Encrypt all contact data with a new key, or finish doing so.

    Args:
        folder: Folder of the tables.
        keys: The keys. A file with one key gets a new one; with two keys an earlier change is
            finished. Of an environment variable, which the program cannot change, two are needed.
        progress: Receives the progress.

    Returns:
        The new key, which is the only one that is still needed.

    Raises:
        RegistryError: A key is not at hand, or a table cannot be read or written.
    """
    with exclusive(folder):
        ring = keys.read()
        todo = [kind for kind, form in FORMS.items() if form.contact]
        for kind in todo:  # before anything is changed
            about = _about(folder, kind)
            if about is not None and about.key_id and ring.find(about.key_id) is None:
                raise RegistryError(
                    f"{kind}: the contact data are encrypted with the key {about.key_id}, which "
                    f"{keys.where} does not have: restore it, or import the file again"
                )
        if len(ring.keys) == 1:
            keys.replace([new_key(), *ring.keys])
            ring = keys.read()
        for kind in todo:
            about = _about(folder, kind)
            old = None if about is None else ring.find(about.key_id)
            if old is not None and old != ring.newest:
                _encrypt_again(table_path(folder, kind), FORMS[kind], old, ring.newest, progress)
        if isinstance(keys, KeyFile):
            keys.replace([ring.newest])
    return ring.newest


def _about(folder: Path, kind: Kind) -> About | None:
    """What a table says of itself; one that cannot be read is no reason to drop its key."""
    path = table_path(folder, kind)
    if not path.exists():
        return None
    with closing(TableFile(path)) as table:
        return table.about


def _encrypt_again(path: Path, form: Form, old: Key, new: Key, progress: Progress) -> None:
    with (
        closing(TableFile(path)) as table,
        atomic_file(path, sync=True) as partial,
        TableWriter(partial, form) as writer,
    ):
        writer.add(_records(table, form.kind, old, new, progress))
        writer.index()
        writer.complete(replace(table.about, key_id=new.id))


def _records(
    table: TableFile, kind: Kind, old: Key, new: Key, progress: Progress
) -> Iterator[Record]:
    for number, record in enumerate(table.records()):
        line, name, *values, sealed = record
        if sealed is not None:
            sealed = new.seal(kind, name, old.unseal(kind, name, sealed))
        yield (line, name, *values, sealed)
        if number % _ROWS_AT_ONCE == 0:
            progress(kind, number, table.about.rows)
