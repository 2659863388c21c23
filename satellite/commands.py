"""Change seen from above at the terminal: one comparison, and the periodic run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from cv_engine.commands.exit_codes import ExitCode, describe, escaped
from cv_engine.commands.options import Format, InputError
from cv_engine.config.satellite import RolesConfig

if TYPE_CHECKING:
    from rich.table import Table

    from cv_engine.commands.session import Session
    from cv_engine.config.satellite import AreaConfig, SatelliteConfig
    from cv_engine.config.settings import Config
    from satellite.areas.run import AreaRun, Office
    from satellite.compare.comparison import Comparison, Progress
    from satellite.compare.comparison_request import DetectorName
    from satellite.compare.tile_executor import Crew
    from satellite.imagery.bands import Role
    from satellite.records.judge import Judge
    from satellite.report.page import Chapter


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for in place of the configuration.

    Attributes:
        detector: Name of the detector.
        model: Name or path of the change network.
        align: Whether local shifts are taken out.
        roles: Bands by role.
        nodata: Value of empty pixels.
    """

    detector: str | None = None
    model: str | None = None
    align: bool | None = None
    roles: tuple[tuple[Role, int], ...] = ()
    nodata: float | None = None


def read_date(text: str | None) -> datetime | None:
    """Read a date, or a date and time; UTC where it has no offset.

    Raises:
        InputError: It is none.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text}: no date; write it as 2026-05-01") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def read_roles(text: str | None) -> tuple[tuple[Role, int], ...]:
    """Read bands by role, such as ``red=3,green=2,blue=1``.

    Raises:
        InputError: They are none.
    """
    known = tuple(RolesConfig.model_fields)
    pairs = [part.strip().partition("=") for part in (text or "").split(",") if part.strip()]
    for role, _, band in pairs:
        if role not in known or not band.isdecimal() or int(band) < 1:
            raise InputError(
                f"--roles {text}: wanted are bands, counted from 1, such as red=3,green=2,blue=1,nir=4 "
                f"(known: {', '.join(known)})"
            )
    return tuple((cast("Role", role), int(band)) for role, _, band in pairs)


def diff(
    session: Session,
    images: tuple[str, str],
    dates: tuple[datetime | None, datetime | None],
    out: Path,
    zones: Sequence[Path],
    options: Options,
) -> ExitCode:
    """Compare two images, write layers and a report, and print what changed.

    Raises:
        SatelliteError, ModelError, InputError: They cannot be compared.
    """
    _need_rasterio()
    from satellite.compare.comparison import compare
    from satellite.compare.comparison_request import Order, Source
    from satellite.compare.tile_executor import processes
    from satellite.report.page import draw_pictures, write_report

    settings = session.config.satellite
    before, after = (
        Source(path, options.roles, date, options.nodata)
        for path, date in zip(images, dates, strict=True)
    )
    order = Order(
        before,
        after,
        detector=_detector(options.detector or settings.detector),
        model=options.model or settings.model,
        resolution_m=settings.resolution_m,
        align=settings.align if options.align is None else options.align,
    )
    judge = _judge(session, zones) if zones else None
    with _bar(session) as progress:
        comparison = compare(
            order,
            out,
            settings=_outline(settings),
            crew=processes(settings.workers),
            progress=progress,
        )
        chapter = _judged(comparison, judge)
        with order.pair() as pair:
            pair.use(comparison.preparation)
            draw_pictures(chapter, pair)
    name = f"{comparison.before.name} to {comparison.after.name}"
    report = write_report(out / "report.html", name, [chapter], datetime.now(UTC))
    _show(session, chapter)
    _tell(session, comparison, report)
    return ExitCode.DONE


def run(session: Session, names: Sequence[str], address: str | None) -> ExitCode:
    """Compare the images of areas, file cases, and write reports.

    Raises:
        SatelliteError, InputError: An area is not known, or there is no cluster.
    """
    _need_rasterio()
    from cv_engine.commands.analyze import tell_unsent
    from cv_engine.evidence.signing import SigningKey
    from cv_engine.evidence.staging import sweep
    from cv_engine.evidence.storage.outbox import Outbox
    from cv_engine.evidence.storage.store import open_store
    from satellite.areas.run import Office

    config, root = session.config, session.evidence_root
    areas = _areas(session, names)
    store = open_store(config.evidence.store or root)
    config.data.mkdir(parents=True, exist_ok=True)
    sweep(root)
    key = SigningKey.load_or_create(config.data / "signing-key.pem")
    with _crew(config, address) as crew, session.open_queue() as queue:
        office = Office(queue, key, root, config.data / "satellite", config.satellite.join_m)
        failed = [not _run_area(session, area, office, crew) for area in areas]
        tell_unsent(session, Outbox(root, store, queue).send_waiting().unsent)
    if not any(failed):
        return ExitCode.DONE
    return ExitCode.WRONG_INPUT if all(failed) else ExitCode.FAILED


def _run_area(session: Session, area: AreaConfig, office: Office, crew: Crew) -> bool:
    """Run one area; whether it could be. What is wrong with its images does not stop the others."""
    from satellite.areas.run import run as run_area

    try:
        with _bar(session, area.name) as progress:
            done = run_area(
                _area(session, area),
                _judge(session, area.land),
                office,
                datetime.now(UTC),
                crew=crew,
                progress=progress,
            )
    except ValueError as error:
        message, code = describe(error)
        if code is not ExitCode.WRONG_INPUT:
            raise
        session.err.print(f"[bold red]{escaped(area.name)}:[/] {escaped(message)}")
        return False
    _tell_area(session, done)
    return True


@contextmanager
def _crew(config: Config, address: str | None) -> Iterator[Crew]:
    """Who judges the tiles: this machine, or a cluster for as long as the block runs."""
    if address is None:
        from satellite.compare.tile_executor import processes

        yield processes(config.satellite.workers)
        return
    from cv_engine.cluster.connection import connected
    from satellite.compare.tile_executor import cluster

    with connected(address, verbose=False):
        yield cluster()


def _need_rasterio() -> None:
    try:
        import rasterio  # noqa: F401
    except ImportError:
        raise InputError(
            "images from above need an extra that is not installed; run: pip install 'cv-engine[satellite]'"
        ) from None


def _detector(name: str) -> DetectorName:
    from satellite.compare.comparison_request import DetectorName

    if name not in get_args(DetectorName):
        raise InputError(f"--detector {name}: wanted is one of {', '.join(get_args(DetectorName))}")
    return cast("DetectorName", name)


def _outline(settings: SatelliteConfig) -> Any:
    from satellite.vector.buildings import OutlineSettings

    return OutlineSettings(
        threshold=settings.threshold,
        seed=max(settings.threshold, OutlineSettings().seed),
        min_area_m2=settings.min_area_m2,
        min_width_m=settings.min_width_m,
    )


def _area(session: Session, entry: AreaConfig) -> Any:
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
        outline=_outline(settings),
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


def _judge(session: Session, land: Sequence[Path]) -> Judge:
    from satellite.records.judge import Judge
    from satellite.records.permits import read_land

    read = read_land(*land)
    return Judge(
        read.permits,
        read.planning,
        read.exempt,
        [camera.camera() for camera in session.config.cameras],
        seasonal=read.seasonal,
        filed_sorts=session.config.satellite.sorts,
    )


def _judged(comparison: Comparison, judge: Judge | None) -> Chapter:
    from satellite.report.page import Chapter, Entry

    entries = []
    for site in comparison.sites:
        verdict = None if judge is None else comparison.verdict(site, judge)
        entries.append(Entry(site, verdict))
    return Chapter(comparison, tuple(entries))


def _show(session: Session, chapter: Chapter) -> None:
    """The changed buildings on stdout."""
    rows = []
    for number, entry in enumerate(chapter.entries, 1):
        building = entry.site.building
        point = building.lonlat(chapter.comparison.grid.crs).representative_point()
        rows.append(
            {
                "site": number,
                "sort": entry.site.sort,
                "area_m2": round(building.area_m2, 1),
                "confidence": round(building.confidence, 3),
                "latitude": round(point.y, 6),
                "longitude": round(point.x, 6),
                "verdict": None if entry.verdict is None else entry.verdict.reason,
            }
        )
    if rows or session.format is Format.JSONL:
        session.show(_table(rows), rows)


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None)
    for name in ("site", "sort", "area m²", "confidence", "where", "verdict"):
        table.add_column(name, justify="left" if name in ("sort", "where", "verdict") else "right")
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


def _tell(session: Session, comparison: Comparison, report: Path) -> None:
    """Say on stderr what was compared, how far it can be trusted, and where it lies."""
    from satellite.vector.change_types import Sort

    summary = comparison.summary
    sites = summary["sites"]
    counted = ", ".join(
        f"{sites[sort]} {sort.replace('_', ' ')}" for sort in get_args(Sort) if sort in sites
    )
    lost = sum(summary["not_compared_km2"].values())
    f1 = comparison.detector_f1
    session.err.print(
        f"{summary['covered_km2']:.3f} km² at {summary['resolution_m']:g} m, {lost:.3f} km² of it not compared: "
        f"{counted or 'no changed building'}"
    )
    session.err.print(
        f"detector: {comparison.detector} "
        f"({'not measured' if f1 is None else f'F1 {f1:.2f} where it was measured'})"
    )
    session.err.print(f"report: {escaped(str(report))}")


def _tell_area(session: Session, done: AreaRun) -> None:
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
        session.out.print(f"{done.area}: one image only, there is nothing yet to compare it with")
        return
    new = len(done.filed)
    said = [f"{new or 'no'} new case{'' if new == 1 else 's'}"]
    said += [f"{len(done.joined)} grown"] if done.joined else []
    said += [f"{len(done.gone)} gone"] if done.gone else []
    said += [f"{len(done.permitted)} closed by a permit"] if done.permitted else []
    session.out.print(f"{done.area}: {', '.join(said)}; report: {done.report}")


@contextmanager
def _bar(session: Session, name: str = "") -> Iterator[Progress]:
    """A progress bar on stderr, one stage after the other."""
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    stages: dict[str, TaskID] = {}
    shown = session.err.is_terminal
    with Progress(*columns, console=session.err, transient=True, disable=not shown) as bar:

        def told(stage: str, share: float) -> None:
            if stage not in stages:
                stages[stage] = bar.add_task(f"{name} {stage}".strip(), total=1.0)
            bar.update(stages[stage], completed=share)

        yield told
