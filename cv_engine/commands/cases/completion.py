"""Tab completion: the names that a shell offers. A shell waits for it, and shows no error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cv_engine.commands.options import found_config

if TYPE_CHECKING:
    from cv_engine.services import Services

_Offers = list[tuple[str, str]]


def states(incomplete: str) -> _Offers:
    """The states of cases."""
    from cv_engine.cases.lifecycle import State

    return _matching(((state.value, "") for state in State), incomplete)


def columns(incomplete: str) -> _Offers:
    """The columns of lists, for the last name after a comma."""
    from cv_engine.cases.export.columns import COLUMNS

    before, comma, last = incomplete.rpartition(",")
    names = ((column.name, "") for column in COLUMNS)
    return [(f"{before}{comma}{name}", about) for name, about in _matching(names, last)]


def kinds(context: typer.Context, incomplete: str) -> _Offers:
    """The violations of the city's taxonomy."""

    def found(services: Services) -> Iterator[tuple[str, str]]:
        for kind in services.taxonomy.kinds:
            named = services.taxonomy.classify(kind)
            yield kind, f"{named.name} {named.name_zh}".strip()

    return _offered(context, incomplete, found)


def departments(context: typer.Context, incomplete: str) -> _Offers:
    """The departments of the organisation; without one, those that the taxonomy names."""

    def found(services: Services) -> Iterator[tuple[str, str]]:
        if services.organisation is None:
            yield from ((id, "") for id in services.taxonomy.departments)
            return
        for each in services.organisation.departments.values():
            yield each.id, f"{each.name} {each.name_zh}".strip()

    return _offered(context, incomplete, found)


def officers(context: typer.Context, incomplete: str) -> _Offers:
    """The officers of the organisation."""

    def found(services: Services) -> Iterator[tuple[str, str]]:
        organisation = services.organisation
        for officer in () if organisation is None else organisation.officers.values():
            yield officer.name, officer.role.value

    return _offered(context, incomplete, found)


def reasons(context: typer.Context, incomplete: str) -> _Offers:
    """The reasons of the taxonomy for the command that is typed."""

    def found(services: Services) -> Iterator[tuple[str, str]]:
        for reason in services.taxonomy.reasons_for(context.info_name or ""):
            yield reason.id, f"{reason.name} {reason.name_zh}".strip()

    return _offered(context, incomplete, found)


def priorities(incomplete: str) -> _Offers:
    """The priorities of cases."""
    from cv_engine.cases.taxonomy import Priority

    return _matching(((priority.value, "") for priority in Priority), incomplete)


def _offered(
    context: typer.Context,
    incomplete: str,
    found: Callable[[Services], Iterator[tuple[str, str]]],
) -> _Offers:
    """What the files of the configuration hold; nothing where they cannot be used."""
    from cv_engine.config import load_config
    from cv_engine.services import Services

    offers: _Offers = []
    with suppress(Exception):  # the command itself will say what is wrong
        given = context.params.get("config")
        config = load_config(Path(given) if given else found_config())
        offers = _matching(found(Services(config)), incomplete)
    return offers


def _matching(names: Iterable[tuple[str, str]], incomplete: str) -> _Offers:
    return [(name, about) for name, about in names if name.startswith(incomplete)]
