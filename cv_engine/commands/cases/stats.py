"""The command ``cv-engine cases stats``: figures, repeat places, charts, report and map."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.cases.options import KindOption, ZoneOption
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, DataOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import empty_table
from cv_engine.figure_rows import By

if TYPE_CHECKING:
    from rich.table import Table
    from shapely.geometry.base import BaseGeometry
    from sqlalchemy.engine import Connection

    from cv_engine.cases.statistics import Figures, Period, RepeatPlace, Selection
    from cv_engine.cases.statistics.charts import Charted
    from cv_engine.config import Config

_RATES = ("filing_rate", "closing_rate", "on_time_rate", "rework_rate")

_TIMES = ("confirm_s", "handle_s", "close_s")
_PLACES_SHOWN = 50  # in a table for people; the other formats have all


class StatsFormat(StrEnum):
    """The form of the output on stdout."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True)
class _Question:
    connection: Connection
    period: Period
    selection: Selection
    radius_m: float
    least: int

    def places(self) -> list[RepeatPlace]:
        from cv_engine.cases.statistics import repeat_places

        return repeat_places(
            self.connection, self.period, self.selection, radius_m=self.radius_m, least=self.least
        )


def stats(
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="PERIOD",
            help="2026, 2026-Q4, 2026-11, 2026-W48, 2026-11-30 or 2026-11-01..2026-11-30; "
            "this month if left out.",
        ),
    ] = None,
    by: Annotated[
        By, typer.Option("--by", help="What the rows are; `place`: repeat places.")
    ] = By.CLASS,
    times: Annotated[
        bool, typer.Option("--times", help="Median times, too; they read every case.")
    ] = False,
    kind: KindOption = None,
    department: Annotated[
        str | None, typer.Option("--department", help="Only this department.")
    ] = None,
    zone: ZoneOption = None,
    area: Annotated[str | None, typer.Option("--area", help="Only this area or street.")] = None,
    radius: Annotated[
        float, typer.Option("--radius", min=1, help="Of a repeat place, in metres.")
    ] = 20.0,
    least: Annotated[
        int, typer.Option("--least", min=2, help="Least cases of a repeat place.")
    ] = 3,
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", help="Time zone of the city; that of its calendar if left out."),
    ] = None,
    charts: Annotated[
        Path | None, typer.Option("--charts", metavar="FOLDER", help="Write charts as PNG files.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.pdf", help="Write the report.")
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(
            "--map", metavar="FILE", help="Write the map of repeat places: .png, .pdf or .geojson."
        ),
    ] = None,
    zones: Annotated[
        Path | None,
        typer.Option("--zones", metavar="FILE", help="GeoJSON of zones to draw on the map."),
    ] = None,
    format: Annotated[
        StatsFormat, typer.Option("--format", help="A table, one JSON object per line, or CSV.")
    ] = StatsFormat.TABLE,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Show what was filed, closed and on time in a period.

    Charts, report and map are files; the table of `--by` is printed in any case.
    """
    from cv_engine.cases.database.store import Store
    from cv_engine.cases.statistics import Period, Selection
    from cv_engine.cases.statistics.map import check_map_path

    session = Session(config, data)
    city = _city_zone(session.config, timezone)
    asked = (
        Period.month_of(datetime.now(UTC), city) if period is None else Period.parse(period, city)
    )
    if map is not None:
        check_map_path(map)
    if report is not None and report.suffix.lower() != ".pdf":
        raise InputError(f"--report {report}: the report is a PDF; name it report.pdf")
    outlines = [] if zones is None else _outlines(zones)
    with closing(Store(session.config.queue)) as store, store.snapshot() as connection:
        selection = Selection(kind=kind, department=department, zone=zone, area=area)
        question = _Question(connection, asked, selection, radius, least)
        places = question.places() if by is By.PLACE or map or report else []
        if by is By.PLACE:
            _print_places(session, places, format)
        else:
            _print_figures(session, question, by, times, format)
        if charts or report or map:
            _write(session, question, places, outlines, (charts, report, map))


def _city_zone(config: Config, name: str | None) -> tzinfo:
    """The time zone of the city, or the one that was named."""
    from cv_engine.services import Services
    from zones.errors import ScheduleError
    from zones.schedule import time_zone

    if name is None:
        return Services(config).city_zone
    try:
        return time_zone(name)
    except ScheduleError as error:
        raise InputError(f"--timezone: {error}") from None


def _outlines(path: Path) -> list[BaseGeometry]:
    """The zones of a file that are in degrees."""
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    from zones.document import read_document

    document = read_document(path).value
    features = document.get("features", []) if isinstance(document, dict) else []
    try:
        shapes = [
            shape(each["geometry"])
            for each in features
            if (each.get("properties") or {}).get("frame") != "image"
        ]
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"--zones {path}: not GeoJSON; `cv-engine zones check` says why") from None
    return [each for each in shapes if each.geom_type in ("Polygon", "MultiPolygon")]


def _print_figures(
    session: Session, question: _Question, by: By, times: bool, format: StatsFormat
) -> None:
    from cv_engine.cases.statistics import figures_and_total

    connection, period, selection = question.connection, question.period, question.selection
    rows, everything = figures_and_total(connection, period, by, selection, times=times)
    if format is StatsFormat.TABLE:
        session.print_table(_table(rows, everything, by.value, period, times))
        return
    lines = [_row(by.value, value, row, times) for value, row in rows.items()]
    lines.append({**_row(by.value, None, everything, times), by.value: None, "total": True})
    _print_rows(session, lines, format)


def _row(by: str, value: str | None, row: Figures, times: bool) -> dict[str, Any]:
    """A row for programs; rates in per cent, rounded to two decimals."""
    rates = {name: getattr(row, name) for name in _RATES}
    counts = {name: n for name, n in asdict(row).items() if times or name not in _TIMES}
    percents = {
        f"{name}_percent": None if rate is None else round(100 * rate, 2)
        for name, rate in rates.items()
    }
    return {by: value, "total": False, **counts, **percents}


def _table(
    rows: Mapping[str | None, Figures], everything: Figures, by: str, period: Period, times: bool
) -> Table:
    from cv_engine.cases.statistics.charts import duration

    # Headers of two lines: with the longest class the table has fewer than 100 columns.
    columns: dict[str, Callable[[Figures], str]] = {
        "re-\nceived": lambda row: str(row.received),
        "filed": lambda row: str(row.filed),
        "filing\n%": lambda row: _percent(row.filing_rate),
        "re-\njected": lambda row: str(row.rejected),
        "closed": lambda row: str(row.closed),
        "rework": lambda row: str(row.reworked),
        "due": lambda row: str(row.due),
        "de-\nferred": lambda row: str(row.deferred),
        "closing\n%": lambda row: _percent(row.closing_rate),
        "on time\n%": lambda row: _percent(row.on_time_rate),
    }
    if times:
        columns |= {
            "to\nconfirm": lambda row: duration(row.confirm_s),
            "to\nhandle": lambda row: duration(row.handle_s),
            "to\nclose": lambda row: duration(row.close_s),
        }
    table = empty_table([by, *columns], right=columns)
    table.title = f"{period.name} ({period.zone})"
    table.title_justify = "left"
    table.padding = (0, 0)
    for value, row in rows.items():
        table.add_row(escaped(value or "-"), *(cell(row) for cell in columns.values()))
    table.add_section()
    table.add_row("total", *(cell(everything) for cell in columns.values()), style="bold")
    return table


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f}"


def _print_places(session: Session, places: list[RepeatPlace], format: StatsFormat) -> None:
    if format is not StatsFormat.TABLE:
        _print_rows(session, [{**asdict(place), "count": place.count} for place in places], format)
        return
    table = empty_table(
        ("kind", "cases", "latitude", "longitude", "radius", "numbers"), right=("cases", "radius")
    )
    for place in places[:_PLACES_SHOWN]:
        table.add_row(
            place.kind,
            str(place.count),
            f"{place.latitude:.6f}",
            f"{place.longitude:.6f}",
            f"{place.radius_m:.0f} m",
            ", ".join(map(str, place.cases)),
        )
    session.print_table(table)
    if len(places) > _PLACES_SHOWN:
        session.err.print(f"the first {_PLACES_SHOWN} of {len(places)}; --format csv shows all")


def _print_rows(session: Session, rows: list[dict[str, Any]], format: StatsFormat) -> None:
    if format is StatsFormat.JSONL:
        for row in rows:
            session.line(row)
        return
    from cv_engine.cases.export.spreadsheet import safe_cell

    writer = csv.writer(sys.stdout)
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow([safe_cell(_cell(cell)) for cell in row.values()])


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def _write(
    session: Session,
    question: _Question,
    places: list[RepeatPlace],
    outlines: list[BaseGeometry],
    files: tuple[Path | None, Path | None, Path | None],
) -> None:
    """Write the charts, the report and the map that were asked for."""
    from cv_engine.cases.statistics.charts import save_charts, save_report
    from cv_engine.cases.statistics.map import draw_map, save_map

    charts, report, map_file = files
    period = question.period
    name_of = _class_names(session)
    charted = _charted(question, name_of) if charts or report else None
    written: list[Path] = []
    if charts and charted:
        written += save_charts(charted, charts)
    if report and charted:
        page = draw_map(places, period, class_name=name_of, outlines=outlines)
        save_report(charted, report, [page])
        written.append(report)
    if map_file:
        save_map(places, period, map_file, class_name=name_of, outlines=outlines)
        written.append(map_file)
    for path in written:
        session.err.print(f"written: {escaped(str(path))}")


def _class_names(session: Session) -> Callable[[str | None], str]:
    from cv_engine.cases.statistics.fonts import class_names
    from cv_engine.services import Services

    return class_names(Services(session.config).taxonomy)


def _charted(question: _Question, class_name: Callable[[str | None], str]) -> Charted:
    from cv_engine.cases.statistics import figures, total
    from cv_engine.cases.statistics.charts import Charted

    where = (question.connection, question.period)
    selection = question.selection
    return Charted(
        period=question.period,
        total=total(*where, selection),
        days=figures(*where, By.DAY, selection, times=False),
        departments=figures(*where, By.DEPARTMENT, selection),
        classes=figures(*where, By.CLASS, selection, times=False),
        class_name=class_name,
    )
