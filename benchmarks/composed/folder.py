"""A folder of composed scenes in the form of the labelled clips."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from benchmarks.composed.actors import Box
from benchmarks.composed.encoding import encode
from benchmarks.composed.render import frames
from benchmarks.composed.scene import Scene, Stay

_CLIP_COLUMNS = ("video", "exhaustive", "note", "seed", "length_s", "fps")
_EVENT_COLUMNS = (
    "video",
    "start_s",
    "end_s",
    "x",
    "y",
    "w",
    "h",
    "kind",
    "source",
    "tol_start_s",
    "tol_end_s",
    "note",
    "later",
    "thing",
    "optional",
    "size",
    "occlusion",
)


def film_scene(scene: Scene, folder: Path) -> Path:
    """Renders and encodes a scene; returns the clip's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"scene-{scene.seed:05d}{scene.encoding.suffix}"
    encode(frames(scene), path, scene.rate, scene.encoding)
    return path


def write_tables(scenes: Iterable[tuple[Scene, Path]], folder: Path) -> None:
    """Writes ``clips.csv`` and ``events.csv``; the columns of the conditions come last."""
    clips: list[dict[str, str]] = []
    events: list[dict[str, str]] = []
    conditions: dict[str, None] = {}
    for scene, path in scenes:
        conditions |= dict.fromkeys(scene.conditions)
        clips.append(_clip_row(scene, path) | scene.conditions)
        events += [_event_row(stay, path.name) for stay in scene.stays]
    _write(folder / "clips.csv", [*_CLIP_COLUMNS, *conditions], clips)
    _write(folder / "events.csv", list(_EVENT_COLUMNS), events)


def _clip_row(scene: Scene, path: Path) -> dict[str, str]:
    return {
        "video": path.name,
        "exhaustive": "abandoned;vehicle" if scene.vehicles_scored else "abandoned",
        "note": "",
        "seed": str(scene.seed),
        "length_s": f"{scene.length_s:.2f}",
        "fps": str(scene.rate),
    }


def _event_row(stay: Stay, video: str) -> dict[str, str]:
    x, y, width, height = _xywh(stay.boxes[0])
    later = ";".join(" ".join(_xywh(box)) for box in stay.boxes[1:])
    return {
        "video": video,
        "start_s": f"{stay.start_s:.2f}",
        "end_s": f"{stay.end_s:.2f}",
        "x": x,
        "y": y,
        "w": width,
        "h": height,
        "kind": stay.kind,
        "source": "composed",
        "tol_start_s": f"{stay.tolerance_s:g}",
        "tol_end_s": "0.5",
        "note": "",
        "later": later,
        "thing": str(stay.thing),
        "optional": "1" if stay.optional else "",
        "size": stay.size,
        "occlusion": stay.occlusion,
    }


def _xywh(box: Box) -> tuple[str, str, str, str]:
    x0, y0, x1, y1 = box
    return f"{x0:.1f}", f"{y0:.1f}", f"{x1 - x0:.1f}", f"{y1 - y0:.1f}"


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
