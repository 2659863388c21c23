"""The command line: one short function per command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cv_engine.console.options import (
    BoxOption,
    ByOption,
    CameraOption,
    ConfigOption,
    DataOption,
    ExportForm,
    Format,
    FormatOption,
    KindOption,
    LimitOption,
    SinceOption,
    SourceOption,
    StateOption,
    UntilOption,
    ZoneOption,
    read_place,
)
from cv_engine.console.run import run
from cv_engine.console.session import Session, configure_logs

app = typer.Typer(
    help="Finds what stays where it must not be on recorded footage, and files it as cases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cases = typer.Typer(help="The queue of cases.", no_args_is_help=True)
evidence = typer.Typer(help="Evidence packages.", no_args_is_help=True)
models = typer.Typer(help="Detectors and their weights.", no_args_is_help=True)
zones = typer.Typer(help="Zones files.", no_args_is_help=True)
cameras = typer.Typer(help="Cameras of the configuration.", no_args_is_help=True)
for _name, _group in (
    ("cases", cases),
    ("evidence", evidence),
    ("models", models),
    ("zones", zones),
    ("cameras", cameras),
):
    app.add_typer(_group, name=_name)

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]
CasesArgument = Annotated[list[int], typer.Argument(metavar="ID...", help="The cases' numbers.")]
ZonesArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A GeoJSON file of zones.")]


def main() -> None:
    """Entry point of the ``cv-engine`` command."""
    sys.exit(run(app))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"cv-engine {version('cv-engine')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log on stderr what is chosen and why.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    configure_logs(verbose=verbose or debug)


@app.command()
def analyze(
    videos: Annotated[
        list[str], typer.Argument(metavar="VIDEO...", help="Files, folders or glob patterns.")
    ],
    camera: CameraOption = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", metavar="TIME", help="When the first picture was taken, with its UTC offset."
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="LAT,LON", help="Where the camera stands, WGS 84."),
    ] = None,
    zones: Annotated[
        Path | None, typer.Option("--zones", metavar="FILE", help="Zones to watch (GeoJSON).")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Turn recorded footage into cases; run twice or after a crash, it files each case once."""
    from cv_engine.console import analysis

    session = Session(config, data, format)
    summary = analysis.analyze(
        session,
        videos,
        camera=camera,
        start=analysis.read_start(start, camera, session.config),
        at=read_place(at, "--at"),
        zones=zones,
    )
    analysis.report(session, summary)
    raise typer.Exit(analysis.exit_code(summary))


@cases.command("list")
def cases_list(
    kind: KindOption = None,
    zone: ZoneOption = None,
    camera: SourceOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    box: BoxOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List cases, the newest first."""
    from cv_engine.console import cases as present

    wanted = present.build_filter(
        kind=kind,
        zone=zone,
        camera=camera,
        state=state,
        since=since,
        until=until,
        box=box,
        limit=limit,
    )
    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, queue.each(wanted))


@cases.command("show")
def cases_show(
    case: CaseArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show one case with its history."""
    from cv_engine.console import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_one(session, queue, case)


@cases.command("confirm")
def cases_confirm(
    case: CasesArgument,
    by: ByOption,
    note: Annotated[str, typer.Option("--note", help="Kept in the case's history.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Confirm that cases are violations."""
    from cv_engine.console import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, [queue.confirm(number, by, note) for number in case])


@cases.command("reject")
def cases_reject(
    case: CasesArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option("--reason", help="Why it is no violation.")],
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Reject cases that are no violations."""
    from cv_engine.console import cases as present

    session = Session(config, data, format)
    with session.open_queue() as queue:
        present.show_all(session, [queue.reject(number, by, reason) for number in case])


@cases.command("export")
def cases_export(
    form: Annotated[ExportForm, typer.Option("--as", help="What to write.")] = ExportForm.GEOJSON,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; stdout if left out.")
    ] = None,
    kind: KindOption = None,
    zone: ZoneOption = None,
    camera: SourceOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    box: BoxOption = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Export cases as GeoJSON or CSV."""
    from cv_engine.console import cases as present

    wanted = present.build_filter(
        kind=kind,
        zone=zone,
        camera=camera,
        state=state,
        since=since,
        until=until,
        box=box,
        limit=limit,
    )
    session = Session(config, data)
    with session.open_queue() as queue:
        present.write(session, queue.export(wanted, form.value), out)


@evidence.command("verify")
def evidence_verify(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Evidence packages.")],
    trusted: Annotated[
        str | None,
        typer.Option("--trusted", metavar="FINGERPRINT", help="The key that must have signed it."),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find whatever was changed, removed or added since a package was written."""
    from cv_engine.console.proof import verify

    raise typer.Exit(verify(Session(None, None, format), folders, trusted))


@models.command("list")
def models_list(format: FormatOption = Format.TABLE) -> None:
    """List the models known by name, with the licences of their weights."""
    from cv_engine.console import weights

    rows = weights.listing()
    Session(None, None, format).show(weights.table(rows), rows)


@models.command("pull")
def models_pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Models; the configured one if left out."),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Fetch weights into the cache."""
    from cv_engine.console import weights

    session = Session(config, None, format)
    rows = weights.pull(session, names or [session.config.detector.model])
    session.show(weights.table(rows), rows)


@models.command("bench")
def models_bench(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The configured one if left out.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Time a model on every runtime and precision of this machine."""
    from cv_engine.console import weights

    session = Session(config, None, format)
    rows = weights.bench(name or session.config.detector.model, threads)
    session.show(weights.table(rows), rows)


@models.command("quantise")
def models_quantise(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, or an ONNX file.")],
    frames: Annotated[
        Path,
        typer.Option(
            "--frames",
            metavar="DIR|VIDEO",
            help="Pictures to set the ranges by, best of the cameras that will be watched.",
        ),
    ],
    count: Annotated[int, typer.Option("--count", min=1, help="Take so many, spread evenly.")] = 64,
    format: FormatOption = Format.TABLE,
) -> None:
    """Make a model's 8-bit version, for detector.precision: int8; about a minute."""
    from cv_engine.console import weights

    session = Session(None, None, format)
    rows = weights.quantise(session, name, frames, count)
    session.show(weights.table(rows), rows)


@zones.command("check")
def zones_check(
    file: ZonesArgument,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="VIDEO", help="A video or picture of the camera."),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="The camera's frame size.")
    ] = None,
    camera: CameraOption = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Explain what is wrong with a zones file, and where."""
    from cv_engine.console import areas

    session = Session(config, None, format)
    entry = None if camera is None else session.config.camera(camera)
    problems = areas.check(file, on=on, size=size, camera=entry)
    raise typer.Exit(areas.tell(session, file, problems))


@zones.command("draw")
def zones_draw(
    file: ZonesArgument,
    on: Annotated[Path, typer.Option("--on", metavar="VIDEO", help="A video or picture.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The picture to write.")
    ] = Path("zones.png"),
    camera: CameraOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw zones on a frame of the camera."""
    from cv_engine.console import areas

    session = Session(config, None)
    entry = None if camera is None else session.config.camera(camera)
    areas.draw(file, on, out, entry)
    session.err.print(f"written: {out}")


@cameras.command("check")
def cameras_check(config: ConfigOption = None, format: FormatOption = Format.TABLE) -> None:
    """Check what is known of each camera: its place, its points and its zones."""
    from cv_engine.console import areas

    raise typer.Exit(areas.tell_cameras(Session(config, None, format)))


@app.command()
def demo(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where the sample and its cases go.")
    ] = Path("demo"),
    format: FormatOption = Format.TABLE,
) -> None:
    """Compose a sample clip, run the main job on it and show the cases."""
    from cv_engine.console.demonstration import demonstrate

    raise typer.Exit(demonstrate(data, format))


@app.command()
def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check the installation, and say what to do where something is missing."""
    from cv_engine.console import doctor as examination

    session = Session(config, data, format)
    raise typer.Exit(examination.tell(session))


if __name__ == "__main__":
    main()
