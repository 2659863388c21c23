"""Compares mutated images with a sound one: each is compared, or refused with a reason, soon."""

from __future__ import annotations

import argparse
import json
import random
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray

from benchmarks.oddities.child import Child, forget_peak, peak_bytes
from benchmarks.oddities.mutation import mutated

HANG_S = 60.0  # of processor time, or ten times as long by the clock: the machine may be busy
MOST_BYTES = 2 << 30
_SIDE = 192
# Type, bands and options of each sound image.
_FORMS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "deflate": ("uint8", 3, {"tiled": True, "blockxsize": 64, "blockysize": 64}),
    "jpeg": ("uint8", 3, {"compress": "jpeg", "photometric": "ycbcr", "tiled": True}),
    "strips": ("uint16", 4, {"compress": "lzw", "predictor": 2, "photometric": "minisblack"}),
    "float": ("float32", 4, {"compress": "deflate", "predictor": 3, "nodata": -9999}),
    "planes": ("uint16", 3, {"interleave": "band", "bigtiff": "yes", "compress": "zstd"}),
    "cog": ("uint8", 3, {"driver": "COG", "blocksize": 128, "compress": "deflate"}),
    "plain": ("uint8", 1, {}),
}
_BLOCKS = {"blockxsize": 64, "blockysize": 64}
# Numbers that software stumbles over, and the bytes of a classic directory entry.
_ODD = (0, 1, 2, 3, 7, 255, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
_ENTRY_BYTES = 12
_MOST_HEADERS = 3


@dataclass(slots=True)
class Outcome:
    """What became of mutated images.

    Attributes:
        results: How many were compared, and how many refused.
        reasons: How often each reason was given, without the numbers in it.
        faults: What went wrong, a line each, by kind.
    """

    results: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def row(self) -> dict[str, int]:
        """The figures for the last line of the benchmark."""
        kinds = ("crashes", "tracebacks", "hangs", "over_2_gb")
        return {
            "mutants": sum(self.results.values()) + sum(map(len, self.faults.values())),
            "compared": self.results["compared"],
            "refused": self.results["refused"],
            **{kind: len(self.faults.get(kind, ())) for kind in kinds},
        }


def sound_images(folder: Path) -> list[Path]:
    """Writes an image of the same ground in each form."""
    paths = []
    for name, (dtype, bands, options) in _FORMS.items():
        path = folder / f"{name}-20250101.tif"
        values = _ground(bands, seed=1).astype(dtype) * (1 if dtype == "uint8" else 40)
        options = {"driver": "GTiff", **options}
        if options.get("tiled"):
            options |= _BLOCKS
        size = {"count": bands, "height": _SIDE, "width": _SIDE, "dtype": dtype}
        place = {"crs": "EPSG:32650", "transform": Affine(0.5, 0, 500_000, 0, -0.5, 3_300_000)}
        with rasterio.open(path, "w", **size, **place, **options) as image:
            image.write(values)
        paths.append(path)
    return paths


def _ground(bands: int, seed: int) -> NDArray[np.float64]:
    """Ground with texture of every size, ``(bands, side, side)``, and a roof at seed 2."""
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=(_SIDE, _SIDE)) for _ in range(3)]
    shades = sum(
        cv2.GaussianBlur(plane, (0, 0), sigma) * sigma * 25
        for plane, sigma in zip(noise, (1.0, 3.0, 9.0), strict=True)
    )
    ground = np.clip(110 + np.asarray(shades), 10, 220)
    if seed == 2:
        ground[60:100, 70:130] = 200
    own = np.random.default_rng(seed).normal(0, 2, (bands, _SIDE, _SIDE))
    return np.asarray(np.clip(ground + own, 1, 254))


def mutants(sound: Sequence[Path], count: int, seed: int, folder: Path) -> Iterator[Path]:
    """Writes mutated images, one at a time; equal seeds give equal bytes."""
    for number in range(count):
        source = sound[number % len(sound)]
        chance = random.Random(f"{seed} {number}")
        data = source.read_bytes()
        change = _with_odd_header if chance.random() < 0.5 else mutated
        data = change(data, chance)
        path = folder / f"{number:05}-{source.name}"
        path.write_bytes(data)
        yield path


def _with_odd_header(data: bytes, chance: random.Random) -> bytes:
    """Changes some fields of the first directory: a tag, a type, a count or a value."""
    changed = bytearray(data)
    (start,) = struct.unpack_from("<I", changed, 4)
    if changed[:4] != b"II*\0" or start + 2 > len(changed):
        return mutated(data, chance)  # not a classic file of little-endian numbers
    (entries,) = struct.unpack_from("<H", changed, start)
    for _ in range(chance.randint(1, _MOST_HEADERS)):
        at = start + 2 + _ENTRY_BYTES * chance.randrange(max(1, entries))
        form, offset = chance.choice((("<H", 0), ("<H", 2), ("<I", 4), ("<I", 8), ("<I", 8)))
        number = chance.choice((*_ODD, chance.randrange(2**32)))
        struct.pack_into(form, changed, at + offset, number % (1 << (8 * struct.calcsize(form))))
    return bytes(changed)


def fuzz(count: int, seed: int) -> Outcome:
    """Compares ``count`` mutated images in another process, which is watched."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fuzz-raster-") as name:
        folder = Path(name)
        sound = sound_images(folder)
        watched = _Watched(folder)
        try:
            for path in mutants(sound, count, seed, folder):
                _count(outcome, path, *watched.compare(path))
                path.unlink()
        finally:
            watched.stop()
    return outcome


def _count(outcome: Outcome, path: Path, kind: str, what: str, peak: int) -> None:
    if kind in ("compared", "refused") and peak > MOST_BYTES:
        kind, what = "over_2_gb", f"{peak >> 20} MB ({kind})"
    if kind not in ("compared", "refused"):
        outcome.faults.setdefault(kind, []).append(f"{path.name}: {what}")
        return
    outcome.results[kind] += 1
    if kind == "refused":
        plain = what.replace(str(path), "FILE").replace(path.stem, "FILE")
        outcome.reasons["".join("0" if sign.isdigit() else sign for sign in plain)[:70]] += 1


class _Watched:
    """The process that compares, replaced where it crashes or hangs.

    Args:
        folder: Folder for the comparisons.
    """

    def __init__(self, folder: Path) -> None:
        self._child = Child(_run, folder)

    def compare(self, path: Path) -> tuple[str, str, int]:
        """What became of an image, the reason, and the most memory held, bytes."""
        line = self._child.pipe()
        line.send(str(path))
        began, given = time.monotonic(), self._child.processor_s()
        while not line.poll(1.0):
            waited, worked = time.monotonic() - began, self._child.processor_s() - given
            if worked > HANG_S or waited > 10 * HANG_S:
                self.stop()
                return "hangs", f"no end after {worked:.0f} s of work and {waited:.0f} s", 0
        try:
            kind, what, peak = line.recv()
        except EOFError:
            self.stop()
            return "crashes", "the process died", 0
        return kind, what, peak

    def stop(self) -> None:
        """Ends the process."""
        self._child.stop()


def _run(line: Connection, folder: str) -> None:
    """Compares what the other end names, until that closes the line."""
    import structlog

    from satellite.compare.comparison import compare
    from satellite.compare.comparison_request import ComparisonRequest, Source
    from satellite.errors import SatelliteError

    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    after = Path(folder) / "after-20260101.tif"
    size = {"count": 3, "height": _SIDE, "width": _SIDE, "dtype": "uint8", "photometric": "rgb"}
    place = {"crs": "EPSG:32650", "transform": Affine(0.5, 0, 500_000, 0, -0.5, 3_300_000)}
    with rasterio.open(after, "w", driver="GTiff", **size, **place) as image:
        image.write(_ground(3, seed=2).astype(np.uint8))
    later = Source(str(after))
    line.send("ready")
    while True:
        try:
            path = line.recv()
        except EOFError:
            return
        # A damaged date would only be refused as such.
        before = Source(path, acquired=datetime(2025, 1, 1, tzinfo=UTC))
        forget_peak()
        with tempfile.TemporaryDirectory(dir=folder) as out:
            try:
                compare(ComparisonRequest(before, later, "classical"), Path(out))
                result = ("compared", "")
            except SatelliteError as error:
                result = ("refused", str(error))
            except Exception as error:
                result = ("tracebacks", f"{type(error).__name__}: {error}")
        line.send((*result, peak_bytes()))


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line has its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz raster", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutated images")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other images")
    options = parser.parse_args(argv)
    outcome = fuzz(options.count, options.seed)
    for reason, number in outcome.reasons.most_common():
        print(f"{number:5} {reason}")
    for kind, lines in outcome.faults.items():
        for text in lines:
            print(f"{kind}: {text}")
    print(json.dumps({"benchmark": "fuzz raster", "seed": options.seed, **outcome.row()}))
    return int(bool(outcome.faults))
