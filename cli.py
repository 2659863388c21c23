"""The command line: one short function per command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

# One process works for each core: threads of the linear algebra would wait for one another, which makes
# small products of matrices 20 times as slow. Read when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from cv_engine.commands.case_commands import cases
from cv_engine.commands.exit_codes import run
from cv_engine.commands.options import (
    CameraOption,
    ConfigOption,
    DataOption,
    Format,
    FormatOption,
    read_place,
)
from cv_engine.commands.session import Session, configure_logs
from satellite.satellite_commands import satellite

app = typer.Typer(
    help="Finds what stays where it must not be, on footage and live streams, and files it as cases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
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
    ("satellite", satellite),
):
    app.add_typer(_group, name=_name)

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
    from cv_engine.commands import analyze as analysis

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


@app.command()
def watch(
    cameras: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAMERA...", help="Cameras; all that have a stream if left out."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="ADDRESS", help="Watch with a Ray cluster; auto finds a local one."
        ),
    ] = None,
    shared: Annotated[
        bool,
        typer.Option("--shared", help="All machines of the cluster see the same data folder."),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Watch live streams and file what they show, until stopped."""
    from cv_engine.commands import watch as live

    session = Session(config, data)
    raise typer.Exit(live.watch(session, cameras or [], cluster=cluster, shared=shared))


@app.command()
def status(
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Show how the cameras are that are being watched."""
    from cv_engine.commands import status as boards

    raise typer.Exit(boards.status(Session(config, data, format)))


@evidence.command("verify")
def evidence_verify(
    packages: Annotated[
        list[str], typer.Argument(metavar="DIR...", help="Packages; also s3://bucket/prefix/NAME.")
    ],
    trusted: Annotated[
        str | None,
        typer.Option("--trusted", metavar="FINGERPRINT", help="The key that must have signed it."),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find whatever was changed, removed or added since a package was written."""
    from cv_engine.commands.evidence import verify

    raise typer.Exit(verify(Session(None, None, format), packages, trusted))


@models.command("list")
def models_list(format: FormatOption = Format.TABLE) -> None:
    """List the models known by name, with the licences of their weights."""
    from cv_engine.commands import models as weights

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
    from cv_engine.commands import models as weights

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
    from cv_engine.commands import models as weights

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
    from cv_engine.commands import models as weights

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
    from cv_engine.commands import zones as areas

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
    from cv_engine.commands import zones as areas

    session = Session(config, None)
    entry = None if camera is None else session.config.camera(camera)
    areas.draw(file, on, out, entry)
    session.err.print(f"written: {out}")


@cameras.command("check")
def cameras_check(config: ConfigOption = None, format: FormatOption = Format.TABLE) -> None:
    """Check what is known of each camera: its place, its points and its zones."""
    from cv_engine.commands import zones as areas

    raise typer.Exit(areas.tell_cameras(Session(config, None, format)))


@cameras.command("discover")
def cameras_discover(
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="S", min=0.5, max=60, help="Wait for answers, seconds."),
    ] = 5.0,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="NAME",
            help="Ask for streams as this user of the cameras; the password is asked for, or "
            "taken from CV_ENGINE_CAMERA_PASSWORD.",
        ),
    ] = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find ONVIF cameras on the network, and the addresses of their streams."""
    from cv_engine.commands import discovery

    password = None if user is None else discovery.read_password(user)
    session = Session(None, None, format)
    raise typer.Exit(discovery.discover(session, timeout, user, password))


@app.command()
def demo(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where the sample and its cases go.")
    ] = Path("demo"),
    format: FormatOption = Format.TABLE,
) -> None:
    """Compose a sample clip, run the main job on it and show the cases."""
    from cv_engine.commands.demo import demonstrate

    raise typer.Exit(demonstrate(data, format))


@app.command()
def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check the installation, and say what to do where something is missing."""
    from cv_engine.commands import doctor as examination

    session = Session(config, data, format)
    raise typer.Exit(examination.tell(session))


if __name__ == "__main__":
    main()
