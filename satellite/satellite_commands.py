"""The commands ``cv-engine satellite ...``: one short function each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

satellite = typer.Typer(help="Change between images from above.", no_args_is_help=True)
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector", help="cascade, network or classical; the configured one if left out."
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Name or path of the change network.")
]


@satellite.command("diff")
def satellite_diff(
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="The earlier image: a file, folder or address.")
    ],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="The later image.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the layers and the report go.")
    ] = Path("satellite-diff"),
    zones: Annotated[
        list[Path] | None,
        typer.Option("--zones", metavar="FILE", help="Permits, planning zones and the like."),
    ] = None,
    before_date: Annotated[
        str | None,
        typer.Option("--before-date", metavar="DATE", help="Where the image does not tell it."),
    ] = None,
    after_date: Annotated[
        str | None, typer.Option("--after-date", metavar="DATE", help="Likewise.")
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            "--roles",
            metavar="ROLE=BAND,...",
            help="Where the images do not tell it: red=3,green=2,blue=1,nir=4.",
        ),
    ] = None,
    nodata: Annotated[
        float | None, typer.Option("--nodata", help="Value of empty pixels, likewise.")
    ] = None,
    align: Annotated[
        bool | None,
        typer.Option("--align/--no-align", help="Take out local shifts between the two."),
    ] = None,
    detector: DetectorOption = None,
    model: ModelOption = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find the buildings that changed between two images of the same ground."""
    from satellite import commands as planning

    session = Session(config, None, format)
    dates = (planning.read_date(before_date), planning.read_date(after_date))
    options = planning.Options(detector, model, align, planning.read_roles(roles), nodata)
    raise typer.Exit(planning.diff(session, (before, after), dates, out, zones or [], options))


@satellite.command("run")
def satellite_run(
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
    """Compare each area's images, file cases and write reports; goes on where it was stopped."""
    from satellite import commands as planning

    raise typer.Exit(planning.run(Session(config, data, format), areas or [], cluster))
