"""A complete training: reads the data, cross-validates, trains on all data, exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from models.files import sha256_of
from satellite.training.batches import CropSampler
from satellite.training.card import Origin
from satellite.training.cross_validation import cross_validate
from satellite.training.export import CARD, export
from satellite.training.fit import Report, device_of, fit, open_network, predict
from satellite.training.samples import read_land, read_tiles
from satellite.training.scores import Counts
from satellite.training.settings import Settings
from satellite.training.validation import Validation, pooled
from satellite.training.verdicts import read_verdicts


@dataclass(frozen=True, slots=True)
class Data:
    """The training data.

    Attributes:
        tiles: Folder of labelled tiles (``A``, ``B``, ``label``).
        pixel_m: Side of the tiles' pixels, metres.
        verdicts: Folder of decided cases, see :mod:`satellite.training.verdicts`.
        land: Folder of unlabelled pictures or pairs, see
            :func:`~satellite.training.samples.read_land`.
        terms: Terms under which the data may be used, for the model card.
    """

    tiles: Path
    pixel_m: float = 0.5
    verdicts: Path | None = None
    land: Path | None = None
    terms: str | None = None


def train(
    data: Data,
    out: Path,
    *,
    settings: Settings | None = None,
    weights: Path | None = None,
    folds: int | None = None,
    console: Console | None = None,
) -> Validation | None:
    """Trains or fine-tunes a network and exports it for use by the program.

    An interrupted training is resumed by a call with the same arguments.

    Args:
        data: The training data.
        out: Folder for ``model.onnx``, ``MODEL_CARD.md``, ``figures.json``, ``weights.pt`` and
            checkpoints.
        settings: Settings of the training.
        weights: PyTorch file of initial weights; random ones without it.
        folds: Number of folds of tiles for the figures; default: each tile is a fold; 0: no figures
            and no calibration.
        console: Console for progress and figures.

    Returns:
        The figures; ``None`` without folds.

    Raises:
        SatelliteError: The data, the weights or a setting cannot be used.
    """
    settings, console = settings or Settings(), console or Console(stderr=True)
    tiles = read_tiles(data.tiles, data.pixel_m)
    decided = read_verdicts(data.verdicts) if data.verdicts else []
    land = read_land(data.land, data.pixel_m) if data.land else []
    network = open_network(settings, weights)
    validation = None
    if folds != 0:
        count = folds or len(tiles)
        with _progress(console, "folds", count * settings.epochs) as advance:
            validation = cross_validate(
                tiles,
                settings,
                out / "folds",
                weights=weights,
                folds=folds,
                others=decided,
                land=land,
                report=lambda fold, epoch, loss: advance(
                    (fold - 1) * settings.epochs + epoch, loss
                ),
            )
        console.print(table(validation))
    crops = CropSampler([*tiles, *decided], settings, land)
    with _progress(console, "all tiles", settings.epochs) as advance:
        fit(network, crops, frozen=weights is not None, folder=out / "all", report=advance)
    origin = Origin(
        data=data.tiles.resolve().name,
        tiles=len(tiles),
        verdicts=len(decided),
        land=len(land),
        terms=data.terms,
        weights_sha256=sha256_of(weights) if weights else None,
        trained=datetime.now(UTC).date(),
    )
    model = export(network, settings, origin, validation, out)
    console.print(f"{model}, described in {CARD} beside it")
    return validation


def evaluate(data: Data, weights: Path, settings: Settings, console: Console) -> Counts:
    """Evaluates given weights on all tiles.

    Args:
        data: The labelled tiles.
        weights: PyTorch file of the weights.
        settings: Kind of network, and the resolution to which the tiles are degraded.
        console: Console for the figures.

    Returns:
        Counts over all pixels.

    Raises:
        SatelliteError: The data or the weights cannot be used.
    """
    tiles = read_tiles(data.tiles, data.pixel_m)
    network = open_network(settings, weights).to(device_of(settings))
    found = {tile.name: predict(network, tile, settings) for tile in tiles}
    counts = {t.name: Counts.of(found[t.name], t.appeared, t.known) for t in tiles}
    console.print(_table(f"{weights.name} at {settings.resolution_m:g} m", {}, counts))
    return pooled(counts)


@contextmanager
def _progress(console: Console, name: str, epochs: int) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs, loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=epochs, loss=0.0)
        yield lambda epoch, loss: progress.update(task, completed=epoch, loss=loss)


def table(validation: Validation) -> Table:
    """The figures as a table for display."""
    found = _table("pixels of tiles left out", validation.before, validation.after)
    _add(found, "calibrated", None, pooled(validation.calibrated))
    if validation.poor_after:
        before = pooled(validation.poor_before) if validation.poor_before else None
        _add(found, "blurred and noisy", before, pooled(validation.poor_after))
    return found


def _table(title: str, before: Mapping[str, Counts], after: Mapping[str, Counts]) -> Table:
    found = Table(title=title)
    for column in ("tile", "F1 before", "F1", "precision", "recall", "IoU"):
        found.add_column(column, justify="left" if column == "tile" else "right")
    for name, counts in after.items():
        _add(found, name, before.get(name), counts)
    _add(found, "all pixels", pooled(before) if before else None, pooled(after))
    return found


def _add(table: Table, name: str, before: Counts | None, after: Counts) -> None:
    figures = (after.f1, after.precision, after.recall, after.iou)
    shown = "" if before is None else f"{before.f1:.3f}"
    table.add_row(name, shown, *(f"{value:.3f}" for value in figures))
