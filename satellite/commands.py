"""The group ``cv-engine satellite``: compare two images, and run the configured areas.

Everything heavy is imported where it is used, so that ``--help`` is fast and needs no extra.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.errors import Failure, failure_of

if TYPE_CHECKING:
    from rich.table import Table

    from cv_engine.config import Config
    from cv_engine.config.satellite import AreaConfig, SatelliteConfig
    from satellite.areas.area import Area
    from satellite.areas.run import AreaRun, FilingContext
    from satellite.compare.comparison import Comparison, Progress
    from satellite.compare.comparison_request import DetectorName
    from satellite.compare.tile_executor import TileExecutor
    from satellite.imagery.bands import Role
    from satellite.imagery.grid import Grid
    from satellite.records.judge import Judge
    from satellite.report.section import ReportSection
    from satellite.vector.buildings import OutlineSettings

group = typer.Typer(
    name="satellite", help="Change between images from above.", no_args_is_help=True
)


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the command line that replace settings of the configuration.

    Attributes:
        detector: Name of the detector.
        model: Name or path of the change network.
        align: Whether local shifts are removed.
        roles: Bands by role.
        nodata: Value of empty pixels.
        allow_remote: Whether STAC items on this machine may name images elsewhere.
    """

    detector: str | None = None
    model: str | None = None
    align: bool | None = None
    roles: tuple[tuple[Role, int], ...] = ()
    nodata: float | None = None
    allow_remote: bool | None = None


@group.command("diff")
def diff_command(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="The earlier image: a file, folder or address.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The later image.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the layers and the report.")
    ] = Path("satellite-diff"),
    land: Annotated[
        list[Path] | None,
        typer.Option(
            "--land",
            metavar="FILE",
            help="Permits, planning zones, exempt and seasonal ground, as in the configuration.",
        ),
    ] = None,
    before_date: Annotated[
        str | None,
        typer.Option(
            "--before-date", metavar="DATE", help="Date of the earlier image, if it has none."
        ),
    ] = None,
    after_date: Annotated[
        str | None,
        typer.Option(
            "--after-date", metavar="DATE", help="Date of the later image, if it has none."
        ),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            "--roles",
            metavar="ROLE=BAND,...",
            help="Bands, if the images do not name them: red=3,green=2,blue=1,nir=4.",
        ),
    ] = None,
    nodata: Annotated[
        float | None,
        typer.Option("--nodata", help="Value of empty pixels, if the images do not give it."),
    ] = None,
    align: Annotated[
        bool | None,
        typer.Option("--align/--no-align", help="Remove local shifts between the two images."),
    ] = None,
    allow_remote: Annotated[
        bool | None,
        typer.Option(
            "--allow-remote/--no-allow-remote",
            help="Fetch images that a STAC item on this machine names elsewhere.",
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector", help="cascade, network or classical; the configured one if left out."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Name or path of the change network.")
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find the buildings that changed between two images of the same ground."""
    session = Session(config, None, format)
    dates = (read_date(before_date, "--before-date"), read_date(after_date, "--after-date"))
    options = Options(detector, model, align, read_roles(roles), nodata, allow_remote)
    raise typer.Exit(diff(session, (before, after), dates, out, land or [], options))


@group.command("run")
def run_command(
    areas: Annotated[
        list[str] | None, typer.Argument(metavar="AREA...", help="Areas; all if left out.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Judge tiles with a Ray cluster; auto: a local one.",
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Compare each area's images, file cases and write reports; resumes where it was stopped."""
    raise typer.Exit(run(Session(config, data, format), areas or [], cluster))


def read_date(text: str | None, option: str) -> datetime | None:
    """Read a date, or a date and time; UTC if it has no offset.

    Args:
        text: What was typed; ``None``: nothing.
        option: The option, for the message.

    Raises:
        InputError: The text is not a date.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text}: not a date; write it as 2026-05-01") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def read_roles(text: str | None) -> tuple[tuple[Role, int], ...]:
    """Read bands by role, such as ``red=3,green=2,blue=1``.

    Raises:
        InputError: The text has an unknown role or no band number.
    """
    from cv_engine.config.satellite import RolesConfig

    known = tuple(RolesConfig.model_fields)
    pairs = [part.strip().partition("=") for part in (text or "").split(",") if part.strip()]
    for role, _, band in pairs:
        if role not in known or not band.isdecimal() or int(band) < 1:
            raise InputError(
                f"--roles {text}: write bands, counted from 1, such as "
                f"red=3,green=2,blue=1,nir=4 (known: {', '.join(known)})"
            )
    return tuple((cast("Role", role), int(band)) for role, _, band in pairs)


def diff(
    session: Session,
    images: tuple[str, str],
    dates: tuple[datetime | None, datetime | None],
    out: Path,
    land: Sequence[Path],
    options: Options,
) -> ExitCode:
    """Compare two images, write layers and a report, and print what changed.

    Raises:
        SatelliteError, ModelError, InputError: The images cannot be compared.
    """
    _need_rasterio()
    from satellite.compare.comparison import compare
    from satellite.compare.comparison_request import ComparisonRequest, Source
    from satellite.compare.tile_executor import process_executor
    from satellite.report.page import write_report
    from satellite.report.pictures import draw_pictures
    from satellite.report.site_layers import write_site_layers

    settings = session.config.satellite
    remote = settings.allow_remote if options.allow_remote is None else options.allow_remote
    before, after = (
        Source(path, options.roles, date, options.nodata, remote)
        for path, date in zip(images, dates, strict=True)
    )
    request = ComparisonRequest(
        before,
        after,
        detector=_detector(options.detector or settings.detector),
        model=options.model or settings.model,
        resolution_m=settings.resolution_m,
        align=settings.align if options.align is None else options.align,
        max_cloud=settings.max_cloud,
    )
    judge = None
    if land:
        with request.pair() as pair:
            judge = _judge(session, land, pair.grid)
    with _progress(session) as progress:
        comparison = compare(
            request,
            out,
            settings=_outline_settings(settings),
            executor=process_executor(settings.workers),
            progress=progress,
        )
        section = _report_section(comparison, judge)
        write_site_layers(section)
        with request.pair() as pair:
            pair.use(comparison.preparation)
            draw_pictures(section, pair)
    name = f"{comparison.before.name} to {comparison.after.name}"
    report = write_report(out / "report.html", name, [section], datetime.now(UTC))
    _show_sites(session, section)
    _print_summary(session, section, report)
    return ExitCode.DONE


def run(session: Session, names: Sequence[str], address: str | None) -> ExitCode:
    """Compare the images of areas, file cases, and write reports.

    Raises:
        SatelliteError, InputError: An area is not known, or there is no cluster.
    """
    _need_rasterio()
    from cv_engine.commands.analyze import print_unsent
    from cv_engine.services import Services
    from satellite.areas.run import FilingContext

    config, areas = session.config, _areas(session, names)
    with Services(config) as services:
        services.open(detector=False)
        folder = config.data / "satellite"
        context = FilingContext(services.cases, folder, config.satellite.join_m)
        with _executor(config, address) as executor:
            failed = [not _run_area(session, area, context, executor) for area in areas]
            print_unsent(session, services.send_evidence())
    if not any(failed):
        return ExitCode.DONE
    return ExitCode.WRONG_INPUT if all(failed) else ExitCode.FAILED


def _run_area(
    session: Session, entry: AreaConfig, context: FilingContext, executor: TileExecutor
) -> bool:
    """Run one area; ``False`` if its images are wrong, which does not stop the other areas."""
    from satellite.areas.run import run as run_area

    try:
        area = _area(session, entry)
        with _progress(session, entry.name) as progress:
            done = run_area(
                area,
                _judge(session, entry.land, area.extent()),
                context,
                datetime.now(UTC),
                executor=executor,
                progress=progress,
            )
    except ValueError as error:
        if failure_of(error) is not Failure.WRONG_INPUT:
            raise
        session.err.print(f"[bold red]{escaped(entry.name)}:[/] {escaped(str(error))}")
        return False
    _print_area(session, done)
    return True


@contextmanager
def _executor(config: Config, address: str | None) -> Iterator[TileExecutor]:
    """Judges tiles on this machine, or on a cluster that stays connected for the block."""
    if address is None:
        from satellite.compare.tile_executor import process_executor

        yield process_executor(config.satellite.workers)
        return
    from cv_engine.cluster.connection import connected
    from satellite.compare.tile_executor import cluster_executor

    with connected(address, verbose=False):
        yield cluster_executor()


def _need_rasterio() -> None:
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise InputError(
            "images from above need an extra that is not installed; "
            "run: pip install 'cv-engine[satellite]' (in a checkout: pip install -e '.[satellite]')"
        ) from None


def _detector(name: str) -> DetectorName:
    from satellite.compare.comparison_request import DetectorName

    known = get_args(DetectorName)
    if name not in known:
        raise InputError(f"--detector {name}: write one of {', '.join(known)}")
    return cast("DetectorName", name)


def _outline_settings(settings: SatelliteConfig) -> OutlineSettings:
    from satellite.vector.buildings import OutlineSettings

    return OutlineSettings(
        threshold=settings.threshold,
        seed=max(settings.threshold, OutlineSettings().seed),
        min_area_m2=settings.min_area_m2,
        min_width_m=settings.min_width_m,
    )


def _area(session: Session, entry: AreaConfig) -> Area:
    from satellite.areas.area import Area

    settings = session.config.satellite
    return Area(
        entry.name,
        entry.images,
        detector=_detector(settings.detector),
        model=settings.model,
        resolution_m=settings.resolution_m,
        align=settings.align,
        roles=cast("tuple[tuple[Role, int], ...]", tuple(entry.roles.known.items())),
        nodata=entry.nodata,
        allow_remote=settings.allow_remote,
        max_cloud=settings.max_cloud,
        outline=_outline_settings(settings),
    )


def _areas(session: Session, names: Sequence[str]) -> list[AreaConfig]:
    known = {area.name: area for area in session.config.satellite.areas}
    if not known:
        raise InputError(
            "no area is configured: list them under satellite.areas in the configuration"
        )
    for name in names:
        if name not in known:
            raise InputError(f"there is no area {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


def _judge(session: Session, land: Sequence[Path], images: Grid) -> Judge:
    """The judge by the records in files, which must lie near the images."""
    import shapely

    from satellite.records.judge import Judge
    from satellite.records.permits import read_land
    from satellite.vector.geodesy import to_lonlat

    read = read_land(*land)
    if read.extents:
        read.refuse_distant(to_lonlat(shapely.box(*images.bounds), images.crs))
    return Judge(
        read.permits,
        read.planning,
        read.exempt,
        [camera.camera() for camera in session.config.cameras],
        seasonal=read.seasonal,
        filed_change_types=session.config.satellite.change_types,
    )


def _report_section(comparison: Comparison, judge: Judge | None) -> ReportSection:
    from satellite.report.section import ReportedSite, ReportSection

    sites = []
    for site in comparison.sites:
        verdict = None if judge is None else comparison.verdict(site, judge)
        sites.append(ReportedSite(site, verdict))
    return ReportSection(comparison, tuple(sites))


def _show_sites(session: Session, section: ReportSection) -> None:
    """Print the changed buildings on stdout."""
    from satellite.report.site_layers import site_properties

    rows = []
    for number, reported in section.numbered():
        point = reported.site.building.lonlat(section.comparison.grid.crs).representative_point()
        where = {"latitude": round(point.y, 6), "longitude": round(point.x, 6)}
        rows.append({**site_properties(section, number, reported), **where})
    if rows or session.format is Format.JSONL:
        session.show(_sites_table(rows), rows)


def _sites_table(rows: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None)
    right = ("site", "area m²", "confidence")
    for name in ("site", "change", "area m²", "confidence", "where", "verdict"):
        table.add_column(name, justify="right" if name in right else "left")
    for row in rows:
        table.add_row(
            str(row["site"]),
            row["sort"].replace("_", " "),
            f"{row['area_m2']:,.0f}",
            f"{row['confidence']:.0%}",
            f"{row['latitude']}, {row['longitude']}",
            row["verdict"] or "",
        )
    return table


def _print_summary(session: Session, section: ReportSection, report: Path) -> None:
    """Print on stderr what was compared, the verdicts, the detector's F1, and the report's path."""
    from satellite.detection.measured import accuracy
    from satellite.vector.change_types import ChangeType

    comparison, summary = section.comparison, section.comparison.summary
    sites = summary["sites"]
    counted = ", ".join(
        f"{sites[name]} {name.replace('_', ' ')}" for name in get_args(ChangeType) if name in sites
    )
    lost = sum(summary["not_compared_km2"].values())
    session.err.print(
        f"{summary['covered_km2']:.3f} km² at {summary['resolution_m']:g} m, "
        f"{lost:.3f} km² of it not compared: {counted or 'no changed building'}"
    )
    if section.judged:
        verdicts = ", ".join(f"{count} {each.label}" for each, count in section.counts)
        session.err.print(f"verdicts: {verdicts}")
    elif section.sites:
        session.err.print("verdicts: none, since no permits and planning zones are given (--land)")
    stated = accuracy(comparison.detector_f1, summary["resolution_m"])
    session.err.print(f"detector: {comparison.detector}; {stated}")
    session.err.print(f"report: {escaped(str(report))}")


def _print_area(session: Session, done: AreaRun) -> None:
    row = {
        "type": "area",
        "area": done.area,
        "comparisons": len(done.comparisons),
        "filed": list(done.filed),
        "joined": list(done.joined),
        "gone": list(done.gone),
        "permitted": list(done.permitted),
        "report": str(done.report),
    }
    if session.format is Format.JSONL:
        session.line(row)
        return
    if not done.comparisons:
        session.out.print(f"{done.area}: only one image, nothing to compare it with yet")
        return
    new = len(done.filed)
    parts = [f"{new or 'no'} new case{'' if new == 1 else 's'}"]
    parts += [f"{len(done.joined)} grown"] if done.joined else []
    parts += [f"{len(done.gone)} gone"] if done.gone else []
    parts += [f"{len(done.permitted)} closed by a permit"] if done.permitted else []
    session.out.print(f"{done.area}: {', '.join(parts)}; report: {done.report}")


@contextmanager
def _progress(session: Session, name: str = "") -> Iterator[Progress]:
    """A progress bar on stderr for each stage in turn."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    stages: dict[str, TaskID] = {}
    shown = session.err.is_terminal
    with Progress(*columns, console=session.err, transient=True, disable=not shown) as bar:

        def update(stage: str, share: float) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(f"{name} {stage}".strip(), total=1.0)
            bar.update(stages[stage], completed=share)

        yield update
