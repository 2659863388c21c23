"""The group ``cv-engine taxonomy``: check and show the classes of cases and their time limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    from cv_engine.cases.dispatch import Department
    from cv_engine.cases.taxonomy import CaseClass, Major, Taxonomy
    from cv_engine.yaml_file import Problem

group = typer.Typer(
    name="taxonomy", help="Classes of cases and their time limits.", no_args_is_help=True
)

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="A taxonomy; that of the configuration if left out."),
]


@group.command()
def check(
    file: FileArgument = None,
    calendar: Annotated[
        Path | None,
        typer.Option(
            "--calendar",
            metavar="FILE",
            help="A working calendar to check with it; that of the configuration if left out.",
        ),
    ] = None,
    organisation: Annotated[
        Path | None,
        typer.Option(
            "--organisation",
            metavar="FILE",
            help="An organisation to check with it; that of the configuration if left out.",
        ),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Report every error in taxonomy, working calendar and organisation, with its line."""
    session = Session(config, None, format)
    given = session.config.cases
    files = _file(session, file), calendar or given.calendar, organisation or given.organisation
    raise typer.Exit(check_files(session, *files))


@group.command()
def show(
    file: FileArgument = None,
    standard: Annotated[
        str | None,
        typer.Option("--standard", metavar="ID", help="The standard; the default one if left out."),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show the classes by major, with department, priority and time limits."""
    session = Session(config, None, format)
    taxonomy = _load(_file(session, file))
    tree, known = taxonomy.tree(standard), _departments(session)
    rows = [_row(known, major, each) for major, classes in tree.items() for each in classes]
    session.show(rows_table([_shown(row) for row in rows]), rows)
    if session.format is Format.TABLE:
        about = taxonomy.standards[standard or taxonomy.default_standard]
        claim = f"codes {about.provenance}, provisional" if about.provisional else about.provenance
        session.err.print(escaped(f"version {taxonomy.version}, {about.id}: {claim}"))


@group.command()
def crosswalk(
    standard: Annotated[str, typer.Argument(metavar="STANDARD", help="The code's standard.")],
    code: Annotated[str, typer.Argument(metavar="CODE", help="The code.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="The other standard.")],
    file: Annotated[
        Path | None,
        typer.Option("--taxonomy", metavar="FILE", help="A taxonomy; else the configured one."),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Translate a code of one standard to another."""
    session = Session(config, None, format)
    taxonomy = _load(_file(session, file))
    found = taxonomy.crosswalk(standard, code, to)
    if not found:
        raise InputError(
            f"{code} of {standard} has no class in {to}; "
            f'cv-engine taxonomy show --standard "{standard}" lists the codes'
        )
    known, majors = _departments(session), taxonomy.majors
    rows = [_row(known, majors[each.standard, each.major], each) for each in found]
    session.show(rows_table([_shown(row) for row in rows]), rows)


def check_files(
    session: Session, taxonomy: Path | None, calendar: Path | None, organisation: Path | None
) -> ExitCode:
    """Print the problems of the files of a city; wrong input where there is one.

    Args:
        session: Where output goes.
        taxonomy: The taxonomy's file; the packaged one if ``None``.
        calendar: The calendar's file, if any.
        organisation: The organisation's file, if any.
    """
    from cv_engine.cases import dispatch
    from cv_engine.cases.deadlines import Deadlines, calendar_problems, load_calendar
    from cv_engine.cases.taxonomy import load_taxonomy, problems_of
    from cv_engine.rules import registry

    found: list[tuple[Path, Problem]] = []
    if organisation:
        found += [(organisation, each) for each in dispatch.problems_of(organisation)]
    departments = dispatch.read_departments(organisation) if organisation and not found else None
    if taxonomy:
        found += [(taxonomy, each) for each in problems_of(taxonomy, departments)]
    if calendar:
        found += [(calendar, each) for each in calendar_problems(calendar)]
    _print_problems(session, found)
    if found:
        return ExitCode.WRONG_INPUT
    loaded = load_taxonomy(taxonomy)
    # Only together do the files show whether every limit can be counted, and every area be right.
    Deadlines(loaded, load_calendar(calendar) if calendar else None)
    if organisation:
        dispatch.read_organisation(organisation, loaded.kinds)
    name = "the packaged taxonomy" if taxonomy is None else str(taxonomy)
    if unknown := ", ".join(kind for kind in registry.kinds() if kind not in loaded.kinds):
        text = f"no class for {unknown}, which rules of this program find; add them, or switch"
        session.err.print(f"[yellow]warning[/] {escaped(f'{name}: {text} the rules off')}")
    session.err.print(escaped(f"{name}: {len(loaded.kinds)} classes, no problem found"))
    return ExitCode.DONE


def _print_problems(session: Session, found: Sequence[tuple[Path, Problem]]) -> None:
    for path, problem in found:
        if session.format is Format.JSONL:
            line = problem.line or None
            session.line({"file": str(path), "line": line, "problem": problem.text})
        else:
            where = f"{path}:{problem.line}" if problem.line else f"{path}"
            text = escaped(f"{where}: {problem.text}")
            session.out.print(f"[red]error[/] {text}", soft_wrap=True)


def _file(session: Session, file: Path | None) -> Path | None:
    """The taxonomy's file: as named, else of the configuration; ``None`` for the packaged one."""
    return session.config.cases.taxonomy if file is None else file


def _load(file: Path | None) -> Taxonomy:
    from cv_engine.cases.taxonomy import load_taxonomy

    return load_taxonomy(file)


def _departments(session: Session) -> Mapping[str, Department]:
    """The departments of the organisation by id; none without one."""
    from cv_engine.cases.dispatch import read_departments

    path = session.config.cases.organisation
    return {} if path is None else read_departments(path)


def _row(known: Mapping[str, Department], major: Major, each: CaseClass) -> dict[str, Any]:
    """A class as a JSON object, with the name of the department where the department is known."""
    department = known.get(each.department or "")
    recurrence = each.recurrence
    return {
        "standard": each.standard,
        "major": major.code,
        "major_name": major.name,
        "major_name_zh": major.name_zh,
        "code": each.code,
        "kind": each.kind,
        "name": each.name,
        "name_zh": each.name_zh,
        "department": each.department,
        "department_name": department and department.name,
        "department_name_zh": department and department.name_zh,
        "priority": each.priority.value,
        "limits": {stage.value: str(limit) for stage, limit in each.limits.items()},
        "urgent_limits": {stage.value: str(limit) for stage, limit in each.urgent_limits.items()},
        "join_within_s": recurrence.join_within and recurrence.join_within.total_seconds(),
        "reopen_within_s": recurrence.reopen_within and recurrence.reopen_within.total_seconds(),
        "may_return": recurrence.may_return,
        "provisional": each.provisional,
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """The columns that a table has room for."""
    kept = ("code", "kind", "name", "name_zh", "department", "priority")
    major = f"{row['major']} {row['major_name']} {row['major_name_zh']}".strip()
    return {
        "major": major,
        **{key: row[key] or None for key in kept},
        "limits": "\n".join(_limits(row)) or None,
    }


def _limits(row: dict[str, Any]) -> Iterator[str]:
    for stage, limit in row["limits"].items():
        yield f"{stage} {limit}"
    for stage, limit in row["urgent_limits"].items():
        yield f"{stage} {limit}, urgent"
