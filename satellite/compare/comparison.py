"""One comparison of two images: from the images to layers, polygons and figures, in a folder.

All intermediate results are on disk, so a comparison that was killed is resumed: the alignment is
estimated once, and no tile is judged twice.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import shapely

from satellite.compare.comparison_request import ComparisonRequest
from satellite.compare.result import Comparison, Found, Site
from satellite.compare.tile_executor import TileExecutor, TileWork, run_tiles, serial_executor
from satellite.errors import SatelliteError
from satellite.imagery.acquisition import Acquisition
from satellite.imagery.scene import Scene
from satellite.layers.layers import Layers
from satellite.registration.pair import Pair, Preparation
from satellite.vector.buildings import OutlineSettings, outline
from satellite.vector.change_types import change_types_of
from satellite.vector.gaps import gaps
from satellite.vector.gis_files import write_whole

__all__ = ["Comparison", "Progress", "Site", "compare"]

# Side of a tile, pixels. With its margin, a tile takes some hundred megabytes in all its forms.
# With half that side the cascade takes an eighth longer: changed areas are cut at more borders, and
# each part is judged with the ground around it.
TILE_PX = 2048

Progress = Callable[[str, float], None]


def compare(
    request: ComparisonRequest,
    folder: Path,
    *,
    settings: OutlineSettings | None = None,
    keep: bool = False,
    executor: TileExecutor = serial_executor,
    progress: Progress = lambda _stage, _share: None,
) -> Comparison:
    """Compares two images.

    Written to the folder: ``probability.tif`` and ``quality.tif`` (Cloud-Optimised GeoTIFFs) and
    ``comparison.json``; the polygons are written with their verdicts, see
    :func:`satellite.report.site_layers.write_site_layers`.

    Args:
        request: The two images, and how they are compared.
        folder: The folder to write to; made if missing. A folder that holds a part of the same
            comparison is resumed.
        settings: What counts as a building.
        keep: Whether a complete comparison of the same images in the folder is kept, even one by
            another version of the detector, and any other content is replaced. Without ``keep``,
            a folder with another comparison is refused.
        executor: Judges the tiles.
        progress: Called with the stage and its share done, 0 to 1.

    Raises:
        SatelliteError: An image cannot be used, the two do not fit together, the folder holds
            another comparison, or the disk is full.
        ModelError: The network is not available.
    """
    with request.pair() as pair:
        if pair.before.acquired is None and pair.after.acquired is None:
            raise SatelliteError(
                f"{pair.before.name}, {pair.after.name}: neither image says when it was taken: "
                "give --before-date 2025-05-01 and --after-date 2026-05-01, or write the dates "
                "into the names as YYYYMMDD"
            )
        before = _acquisition(pair.before, "--before-date")
        after = _acquisition(pair.after, "--after-date")
        if after.time <= before.time:
            raise SatelliteError(
                f"{after.name} was taken at {after.time.isoformat()}, which is not after "
                f"{before.name} ({before.time.isoformat()}): give the earlier image first, or "
                "correct --before-date and --after-date"
            )
        state = _State(folder)
        if not (keep and state.finished(pair)):
            _judge(request, pair, state, keep, executor, progress)
        preparation = Preparation.from_dict(state.known["preparation"])
        pair.use(preparation)
        found = _found(pair, state, settings or OutlineSettings(), progress)
        comparison = Comparison(folder, pair.grid, before, after, preparation, found)
    summary = comparison.summary
    if state.known.get("summary") != summary:
        state.add(summary=summary)
    return comparison


def _acquisition(scene: Scene, option: str) -> Acquisition:
    if scene.acquired is None:
        raise SatelliteError(
            f"{scene.name}: the image does not say when it was taken: give {option} 2026-05-01, or "
            "write the date into its name as YYYYMMDD"
        )
    return Acquisition(scene.name, scene.acquired, scene.resolution_m)


class _State:
    """The stored state of a comparison in its folder.

    Attributes:
        folder: The folder.
        known: JSON values: ``asked`` and ``preparation`` from the start, ``detector`` and
            ``detector_f1`` once all tiles are judged, ``found``, ``settings`` and ``summary`` at
            the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "comparison.json"
        self.known: dict[str, Any] = _read(self._path) if self._path.exists() else {}

    def finished(self, pair: Pair) -> bool:
        """Whether all tiles of the pair's images are judged."""
        return "detector" in self.known and self.known["asked"]["images"] == _images(pair)

    def add(self, **values: Any) -> None:
        """Stores values, all of them or none."""
        self.known |= values
        _store(self._path, self.known)


def _images(pair: Pair) -> list[str]:
    return [pair.before.fingerprint(), pair.after.fingerprint()]


def _judge(
    request: ComparisonRequest,
    pair: Pair,
    state: _State,
    keep: bool,
    executor: TileExecutor,
    progress: Progress,
) -> None:
    """Aligns the images and judges the tiles that are not judged yet."""
    chosen, folder = request.choose(pair.grid.resolution_m), state.folder
    asked = {
        "detector": chosen.digest,
        "options": [request.resolution_m, request.align, request.normalise, request.masks],
        "images": _images(pair),
    }
    if keep and state.known and state.known["asked"] != asked:
        shutil.rmtree(folder, ignore_errors=True)
        state.known.clear()
    if state.known and state.known["asked"] != asked:
        raise SatelliteError(
            f"{folder}: holds a comparison of other images, or with other settings: choose another "
            "folder (--out), or remove this one"
        )
    if not state.known:
        prepared = pair.prepare(lambda share: progress("alignment", share))
        state.add(asked=asked, preparation=prepared.to_dict())
    layers = Layers.create(folder, pair.grid, TILE_PX)
    done = layers.done()
    todo = [tile.name for tile in pair.grid.tiles(layers.side, 0) if tile.name not in done]
    if todo:
        total = len(done) + len(todo)
        run_tiles(
            executor,
            TileWork(request, state.known["preparation"], folder),
            todo,
            lambda share: progress("tiles", (len(done) + share * len(todo)) / total),
        )
    layers.finish()
    state.add(detector=chosen.detector.name, detector_f1=chosen.f1)


def _found(pair: Pair, state: _State, settings: OutlineSettings, progress: Progress) -> Found:
    """The stored differences, or else newly outlined ones, which are stored."""
    if state.known.get("settings") == asdict(settings):
        try:
            return Found.from_dict(state.known["found"])
        except (KeyError, TypeError, ValueError, shapely.errors.ShapelyError):
            pass  # written by an earlier version: outlined again
    layers = Layers.open(state.folder)
    buildings = outline(layers, pair.grid, settings, lambda share: progress("outlines", share))
    change_types = change_types_of(
        buildings, pair, layers, lambda share: progress("change types", share)
    )
    sites = tuple(Site(*each) for each in zip(buildings, change_types, strict=True))
    known = state.known
    found = Found(sites, tuple(gaps(layers, pair.grid)), known["detector"], known["detector_f1"])
    state.add(found=found.to_dict(), settings=asdict(settings))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SatelliteError(f"{path}: cannot be read ({error}): remove the folder") from error
    if not isinstance(content, dict):
        raise SatelliteError(f"{path}: the file is damaged: remove the folder")
    return content


def _store(path: Path, content: Mapping[str, Any]) -> None:
    """Replaces a JSON file atomically."""
    text = json.dumps(content, indent=1)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
