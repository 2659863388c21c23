"""The report on cases: a table to sort and filter, a sketch of all places, and a card per case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path

from cv_engine.case_report.card import ReportedCase, card
from cv_engine.case_report.facts import assigned, due
from cv_engine.case_report.sketch import Spot, sketch_of_all
from cv_engine.cases.export.columns import middle_of
from cv_engine.files import write_atomically
from cv_engine.html_page.page import page, table
from cv_engine.wording import local_time, stay

# Headings of the table, with the class of the cells: n are numbers.
_COLUMNS = (
    *(("case", "n"), ("kind", ""), ("camera", ""), ("zone", ""), ("state", "")),
    *(("began", ""), ("stay", "n"), ("confidence", "n"), ("due", ""), ("with", "")),
)
# Filters by a value of the table: name and number of the column.
_FILTERS = (("kind", 1), ("camera", 2), ("zone", 3), ("state", 4))
_OPTIONAL = 2  # columns at the end that are left out where no case has a value
_NUMBERS = range(len(_COLUMNS))
_NOTHING = '<td data-sort="">-</td>'


@dataclass(frozen=True, slots=True)
class Report:
    """What the report is of.

    Attributes:
        title: The heading.
        queue: Name of the queue.
        at: The time of the report, timezone-aware.
        cases: The cases, newest first.
        left_out: How many cases match and are not in the report.
    """

    title: str
    queue: str
    at: datetime
    cases: Sequence[ReportedCase]
    left_out: int = 0


def write_report(path: Path, report: Report) -> None:
    """Writes the report as one HTML file, whole or not at all.

    Pictures are in the file, so that it can be sent; clips and pictures in full size stay in the
    evidence packages, which are linked from the file's folder.

    Args:
        path: The file to write.
        report: The cases.

    Raises:
        OSError: The file cannot be written.
    """
    text = page(
        report.title, _body(report), style=_resource("report.css"), script=_resource("report.js")
    )
    write_atomically(path, text.encode())


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _body(report: Report) -> Iterator[str]:
    count = len(report.cases)
    yield f"<h1>{escape(report.title)}</h1>"
    yield f'<p class="from">{count} case{"" if count == 1 else "s"} of the queue '
    yield f"{escape(report.queue)} · report of {local_time(report.at, UTC)}"
    if report.left_out:
        yield f" · {report.left_out} older cases are left out: --limit takes more"
    yield "</p>" if count else "</p><p>No case matches.</p>"
    yield _filters(report.cases) if count > 1 else ""
    if count > 1:
        yield f'<div id="table">{_table(report)}</div>'
    sketch = sketch_of_all(_spots(report.cases)) if count > 1 else ""
    yield f'<figure class="map">{sketch}</figure>' if sketch else ""
    yield '<div id="cases">'
    for each in report.cases:
        yield from card(each, report.at)
    yield '</div><dialog id="shown"><form method="dialog"><button>Close</button></form></dialog>'


def _spots(cases: Sequence[ReportedCase]) -> list[Spot]:
    spots = []
    for each in cases:
        lon, lat = middle_of(each.case.place.geometry)
        if lon is not None and lat is not None:
            spots.append(Spot(each.case.id, lon, lat))
    return spots


def _filters(cases: Sequence[ReportedCase]) -> str:
    parts = ['<form id="filters"><input type="search" placeholder="Search" aria-label="Search">']
    for name, column in _FILTERS:
        values = sorted({_values(each)[column] for each in cases})
        options = "".join(f"<option>{escape(value)}</option>" for value in values)
        parts.append(
            f'<select data-column="{column}" aria-label="{name}">'
            f'<option value="">every {name}</option>{options}</select>'
        )
    parts.append('<output></output><button type="reset">Show all</button></form>')
    return "".join(parts)


def _table(report: Report) -> str:
    """The cases as a table; deadlines and departments only where a case has one."""
    rows = [list(_row(each, report.at)) for each in report.cases]
    last = len(_COLUMNS) - _OPTIONAL
    used = [column < last or any(row[column] != _NOTHING for row in rows) for column in _NUMBERS]
    headers = [cell for cell, shown in zip(_headers(), used, strict=True) if shown]
    return table(
        headers, ([c for c, shown in zip(row, used, strict=True) if shown] for row in rows)
    )


def _headers() -> Iterator[str]:
    for name, kind in _COLUMNS:
        mark = f' class="{kind}"' if kind else ""
        yield f'<th{mark} scope="col"><button type="button">{name}</button></th>'


def _values(reported: ReportedCase) -> tuple[str, ...]:
    """The cells of a case that are texts, as far as they are filtered by."""
    case = reported.case
    return (str(case.id), reported.title, case.source, case.zone, case.state.value)


def _row(reported: ReportedCase, now: datetime) -> Iterator[str]:
    case, due_at = reported.case, reported.case.handling.due_at
    number, *texts = _values(reported)
    yield f'<td class="n" data-sort="{number}"><a href="#case-{number}">{number}</a></td>'
    yield from (f"<td>{escape(text)}</td>" for text in texts)
    began = case.began.astimezone(reported.zone)
    yield f'<td data-sort="{case.began.timestamp():.0f}">{began:%Y-%m-%d %H:%M}</td>'
    yield f'<td class="n" data-sort="{case.stay_s or 0:.1f}">{stay(case.stay_s)}</td>'
    yield f'<td class="n" data-sort="{case.confidence:.4f}">{case.confidence:.2f}</td>'
    if due_at is None:
        yield _NOTHING
    else:
        yield f'<td data-sort="{due_at.timestamp():.0f}">{due(due_at, now)}</td>'
    who = assigned(case)
    yield _NOTHING if who == "-" else f"<td>{escape(who)}</td>"
