"""Models at the terminal: what there is, fetching, and how fast each runtime is here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.commands.exit_codes import escaped

if TYPE_CHECKING:
    from rich.table import Table

    from cv_engine.commands.session import Session


def listing() -> list[dict[str, Any]]:
    """The models known by name, one row each."""
    from models.registry.weights import list_models

    return list_models()


def table(rows: list[dict[str, Any]]) -> Table:
    """Rows of equal keys as a table."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0] if rows else ():
        result.add_column(name.replace("_", " "))
    for row in rows:
        result.add_row(*(escaped(_text(value)) for value in row.values()))
    return result


def pull(session: Session, names: list[str]) -> list[dict[str, Any]]:
    """Fetch models into the cache; one row for each, when all are there.

    Raises:
        ModelError: A name is not known, or no source gave the file.
    """
    from models.registry.weights import fetch

    rows = []
    for name in names:
        with session.err.status(f"{escaped(name)}: looking for the weights") as status:

            def tell(what: str, done: int, total: int | None, name: str = name) -> None:
                share = f" {done / total:.0%}" if total else ""
                status.update(f"{escaped(name)}: {escaped(what)}{share}")

            weights = fetch(name, progress=tell)
        rows.append(
            {
                "name": weights.spec.name,
                "licence": weights.spec.licence,
                "sha256": weights.sha256,
                "path": str(weights.path),
            }
        )
    return rows


def quantise(session: Session, name: str, frames: Path, count: int) -> list[dict[str, Any]]:
    """Quantise a model to 8 bits, and keep the result beside the original.

    Args:
        session: Where progress is shown.
        name: The model's name or an ONNX file.
        frames: A folder of pictures or videos, a picture or a video.
        count: How many frames to take.

    Returns:
        One row: the model, its precision and where it lies.

    Raises:
        ModelError: The weights cannot be had or quantised, or there are no frames.
    """
    from models.quantise.qdq import quantise as quantised
    from models.registry.weights import fetch

    with session.err.status(f"{escaped(name)}: quantising with frames of {escaped(str(frames))}"):
        weights = quantised(fetch(name), frames, count=count)
    return [
        {
            "name": weights.spec.name,
            "precision": "int8",
            "licence": weights.spec.licence,
            "sha256": weights.sha256,
            "path": str(weights.path),
        }
    ]


def bench(name: str, threads: int) -> list[dict[str, Any]]:
    """Time a model on every runtime and precision that this machine has.

    Args:
        name: The model's name or an ONNX file.
        threads: CPU threads.

    Returns:
        One row per choice, fastest first, as :class:`models.tuning.bench.Row` has them.

    Raises:
        ModelError: The weights cannot be had or run.
    """
    from models.tuning.bench import bench as timed

    rows = []
    for row in timed(name, threads=threads):
        values = asdict(row)
        values["ms_per_image"] = round(row.ms_per_image, 2)
        values["images_per_s"] = round(row.images_per_s, 1)
        rows.append({"model": name, **values, "threads": threads})
    return rows


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
