"""Folders of clips with a truth: ``clips.csv`` and ``events.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.event_score import Event

TABLES = ("clips.csv", "events.csv")


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip.

    Attributes:
        path: The file.
        exhaustive: Kinds whose every stay is in the truth.
        conditions: Further columns of ``clips.csv``: what the clip is like.
    """

    path: Path
    exhaustive: tuple[str, ...]
    conditions: dict[str, str]


def read_clips(data: Path) -> Iterator[Clip]:
    """The clips of a folder in the order of its table."""
    with (data / "clips.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kinds = tuple(kind for kind in row.pop("exhaustive").split(";") if kind)
            path = data / row.pop("video")
            row.pop("note", None)
            yield Clip(path, kinds, row)


def read_events(data: Path, video: str) -> list[Event]:
    """The truth of one clip."""
    with (data / "events.csv").open(newline="", encoding="utf-8") as file:
        return [_event(row) for row in csv.DictReader(file) if row["video"] == video]


def _event(row: dict[str, str]) -> Event:
    box = _xyxy([float(row[name]) for name in ("x", "y", "w", "h")])
    # Composed scenes list where a thing was later, and what must not be found: "x y w h;x y w h".
    later = [
        _xyxy([float(n) for n in part.split()])
        for part in (row.get("later") or "").split(";")
        if part
    ]
    return Event(
        row["video"],
        row["kind"],
        float(row["start_s"]),
        float(row["end_s"]),
        box,
        float(row["tol_start_s"]),
        np.stack(later) if later else None,
        row.get("optional") == "1",
    )


def _xyxy(xywh: list[float]) -> NDArray[np.float32]:
    x, y, width, height = xywh
    return np.array([x, y, x + width, y + height], np.float32)
