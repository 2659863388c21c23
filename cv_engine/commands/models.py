"""The group ``cv-engine models``: list, fetch, time and quantise models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ConfigOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

group = typer.Typer(name="models", help="Detectors and their weights.", no_args_is_help=True)


@group.command("list")
def list_models(format: FormatOption = Format.TABLE) -> None:
    """List the models known by name, with the licences of their weights."""
    from models.registry.weights import list_models as known_models

    _show(Session(None, None, format), known_models())


@group.command()
def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Models; the configured one if left out."),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Fetch weights into the cache."""
    session = Session(config, None, format)
    _show(session, _pulled(session, names or [session.config.detector.model]))


@group.command()
def bench(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A model; the configured one if left out."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    config: ConfigOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Time a model on every runtime and precision of this machine."""
    session = Session(config, None, format)
    _show(session, _timed(name or session.config.detector.model, threads))


@group.command()
def quantise(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, or an ONNX file.")],
    frames: Annotated[
        Path,
        typer.Option(
            "--frames",
            metavar="DIR|VIDEO",
            help="Pictures for calibration, ideally of the cameras that will be watched.",
        ),
    ],
    count: Annotated[
        int, typer.Option("--count", min=1, help="Number of pictures, evenly spaced.")
    ] = 64,
    format: FormatOption = Format.TABLE,
) -> None:
    """Make the 8-bit version of a model, for detector.precision: int8; about a minute."""
    session = Session(None, None, format)
    _show(session, _quantised(session, name, frames, count))


def _show(session: Session, rows: list[dict[str, Any]]) -> None:
    session.show(rows_table(rows), rows)


def _pulled(session: Session, names: list[str]) -> list[dict[str, Any]]:
    """Fetch models into the cache; one row per model.

    Raises:
        ModelError: A name is unknown, or no source has the file.
    """
    from models.registry.weights import fetch

    rows = []
    for name in names:
        with session.err.status(f"{escaped(name)}: fetching the weights") as status:

            def update(what: str, done: int, total: int | None, name: str = name) -> None:
                share = f" {done / total:.0%}" if total else ""
                status.update(f"{escaped(name)}: {escaped(what)}{share}")

            weights = fetch(name, progress=update)
        rows.append(
            {
                "name": weights.spec.name,
                "licence": weights.spec.licence,
                "sha256": weights.sha256,
                "path": str(weights.path),
            }
        )
    return rows


def _quantised(session: Session, name: str, frames: Path, count: int) -> list[dict[str, Any]]:
    """Quantise a model to 8 bits and store the result beside the original.

    Args:
        session: Where progress is shown.
        name: The model's name or an ONNX file.
        frames: A folder of pictures or videos, a picture or a video.
        count: The number of frames.

    Returns:
        One row: the model, its precision and the path of its file.

    Raises:
        ModelError: The weights cannot be fetched or quantised, or there are no frames.
    """
    from models.quantise.qdq import quantise as quantise_model
    from models.registry.weights import fetch

    with session.err.status(f"{escaped(name)}: calibrating with frames of {escaped(str(frames))}"):
        weights = quantise_model(fetch(name), frames, count=count)
    return [
        {
            "name": weights.spec.name,
            "precision": "int8",
            "licence": weights.spec.licence,
            "sha256": weights.sha256,
            "path": str(weights.path),
        }
    ]


def _timed(name: str, threads: int) -> list[dict[str, Any]]:
    """Time a model on every runtime and precision of this machine.

    Args:
        name: The model's name or an ONNX file.
        threads: CPU threads.

    Returns:
        One row per runtime and precision, fastest first; see :class:`models.tuning.bench.Row`.

    Raises:
        ModelError: The weights cannot be fetched or run.
    """
    from models.tuning.bench import bench as time_model

    rows = []
    for row in time_model(name, threads=threads):
        values = asdict(row)
        values["ms_per_image"] = round(row.ms_per_image, 2)
        values["images_per_s"] = round(row.images_per_s, 1)
        rows.append({"model": name, **values, "threads": threads})
    return rows
