"""The share of bystanders' heads that are hidden in the pictures that are handed out.

The people are those of COCO128 and of MOT17-04 whose boxes are 2 to 20 % of the picture's height: a
bystander in a street view. A head is taken to be the middle half of the top seventh of the box,
which is a standing adult's: a head is 1/7 to 1/8 of the
height. It counts as hidden where 90 % of its pixels are.

What is hidden for nothing is measured too: the share of each picture that is hidden and is not
where the head of any person may be, of whatever size: about the upper third of the box.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.harness.average_precision import load_truth
from benchmarks.harness.bootstrap import interval, resampled
from cv_engine.evidence.media.redact import Finders, Region, hide, regions
from cv_engine.evidence.media.still import PERSONS, Box, Image
from cv_engine.privacy.finders import find_people, finders_of
from models.detector import Detector, open_detector

_SHARED = Path("../shared/data")
_PERSON = 0  # of COCO's classes
_LEAST, _MOST = 0.02, 0.20  # of the picture's height
_HEAD_DEEP, _HEAD_WIDE = 1 / 7, 0.5  # of the person's box
_HIDDEN = 0.9  # of a head's pixels
_VISIBLE = 0.3  # of a person in MOT17: whoever is hidden by others shows no head
_PEDESTRIAN = 1  # of MOT17's classes
_ANYBODY = (1, 2, 7, 8, 12)  # of MOT17's classes: also riders, those who sit, and mirror images
_MAY_BE_HEAD = (0.2, 0.15, 0.35)  # of a box: aside, above, and down from its top
_USUAL_CONFIDENCE = 0.25  # of the detector by default
_NOWHERE: Box = (-2.0, -2.0, -1.0, -1.0)  # no thing of a case is in these pictures
_CROP_MARGIN = 1.0  # of the head's longer side, around a crop to look at
_CROP_PX = 256

Boxes = NDArray[np.float64]
Find = Callable[[Image], list[Region]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with the people in it: boxes ``(n, 4)`` xyxy in pixels.

    Attributes:
        source: Name of the set.
        path: The picture.
        people: The people whose heads have to be hidden.
        everybody: All people in the picture, of whatever size.
    """

    source: str
    path: Path
    people: Boxes
    everybody: Boxes


@dataclass(slots=True)
class Score:
    """What one way of finding people has hidden.

    Attributes:
        hidden: For each picture, how many heads were hidden, and of how many.
        area: The hidden share of each picture.
        stray: The share of each picture that is hidden and where no head can be.
        cpu_s: Seconds of CPU time for all pictures.
    """

    hidden: list[tuple[int, int]] = field(default_factory=list)
    area: list[float] = field(default_factory=list)
    stray: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def heads(self) -> int:
        """Number of heads."""
        return sum(count for _, count in self.hidden)

    @property
    def miss_rate(self) -> float:
        """The share of heads that is not hidden."""
        return 1 - sum(hidden for hidden, _ in self.hidden) / max(1, self.heads)

    def miss_interval(self) -> tuple[float, float]:
        """The 95 % interval over pictures: people of one picture are missed together."""
        counts = np.array(self.hidden, dtype=float)
        hidden, heads = (resampled(len(counts)) @ counts).T
        return interval(1 - hidden / np.maximum(heads, 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's options."""
    parser.add_argument("--data", type=Path, default=_SHARED)
    parser.add_argument("--model", default="yolov8n", help="the detector: a name or a path")
    parser.add_argument("--limit", type=int, help="only the first N pictures of each set")
    parser.add_argument(
        "--crops", type=Path, metavar="DIR", help="write each head that is not hidden to DIR"
    )


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line of stdout is one JSON object.

    Returns:
        0; 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="benchmarks redaction", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        pictures = [
            picture
            for source in (coco(options.data), mot(options.data))
            for picture in list(source)[: options.limit]
        ]
        detector = open_detector(options.model)
    except (OSError, ValueError) as error:  # ModelError is a ValueError
        print(f"redaction: {error}", file=sys.stderr)
        return 2
    scores = _scores(pictures, detector, options.crops)
    _print(scores, len(pictures))
    print(json.dumps(summary(scores)))
    return 0


def coco(data: Path) -> Iterator[Picture]:
    """The pictures of COCO128 that have people of these sizes."""
    for path, truth in load_truth(data / "detector" / "coco128").items():
        xywh = truth.xywh[truth.class_id == _PERSON]
        corners = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
        if len(chosen := _chosen(path, corners)):
            yield Picture("coco128", path, chosen, corners)


def mot(data: Path) -> Iterator[Picture]:
    """The frames of MOT17-04 that are there, with the people who are not hidden by others."""
    truth = gzip.decompress((data / "mot/mot17_train_gt/MOT17-04.gt.txt.gz").read_bytes())
    rows = np.array([line.split(",") for line in truth.decode().split()], dtype=float)
    rows = rows[np.isin(rows[:, 7], _ANYBODY)]
    counts = (rows[:, 6] == 1) & (rows[:, 7] == _PEDESTRIAN) & (rows[:, 8] >= _VISIBLE)
    for path in sorted((data / "mot/mot17_frames/MOT17-04").glob("*.jpg")):
        here = rows[:, 0] == int(path.stem)
        corners = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])
        yield Picture("mot17-04", path, _chosen(path, corners[here & counts]), corners[here])


def _chosen(path: Path, people: Boxes) -> Boxes:
    image = cv2.imread(str(path))
    assert image is not None
    tall = (people[:, 3] - people[:, 1]) / image.shape[0]
    chosen: Boxes = people[(tall >= _LEAST) & (tall <= _MOST)]
    return chosen


def _ways(detector: Detector) -> dict[str, Find]:
    """The ways of finding people that are compared; the last is the one that is used."""
    usual = detector.at(_USUAL_CONFIDENCE)
    closely = partial(find_people, detector)
    faces = finders_of(detector).faces
    return {
        "detector alone": _hiding(Finders(people=lambda image: usual([image])[0])),
        "faces alone": _hiding(Finders(faces=faces)),
        "close look": _hiding(Finders(people=closely)),
        "close look and faces": _hiding(Finders(people=closely, faces=faces)),
    }


def _hiding(finders: Finders) -> Find:
    """Hides people only: a head that a vehicle's plate happens to be hidden with is not found."""
    no_one = sv.Detections(np.zeros((0, 4), np.float32), data={"class_name": np.zeros(0, str)})

    def people(image: Image) -> sv.Detections:
        found = no_one if finders.people is None else finders.people(image)
        persons = found[np.isin(found.data["class_name"], list(PERSONS))]
        assert isinstance(persons, sv.Detections)
        return persons

    return lambda image: regions(image, _NOWHERE, no_one, replace(finders, people=people))


def _scores(
    pictures: Sequence[Picture], detector: Detector, crops: Path | None
) -> dict[tuple[str, str], Score]:
    """Scores by way and source; all sources together are called ``"all"``."""
    ways = _ways(detector)
    scores: dict[tuple[str, str], Score] = {}
    for picture in pictures:
        image = np.asarray(cv2.imread(str(picture.path)), np.uint8)
        may_be = _mask(image, [Region(_may_be_head(person)) for person in picture.everybody])
        for way, find in ways.items():
            begin = time.process_time()  # CPU time: other work on the machine does not count
            found = find(image)
            took = time.process_time() - begin
            mask = _mask(image, found)
            is_hidden = [_is_hidden(mask, person) for person in picture.people]
            for source in (picture.source, "all"):
                score = scores.setdefault((way, source), Score())
                score.hidden.append((sum(is_hidden), len(is_hidden)))
                score.area.append(float(mask.mean()))
                score.stray.append(float((mask & ~may_be).mean()))
                score.cpu_s += took
            if crops is not None and way == list(ways)[-1]:
                _write_crops(crops, picture, hide(image, found), is_hidden)
    return scores


def _mask(image: Image, found: Sequence[Region]) -> NDArray[np.bool_]:
    mask = np.zeros(image.shape[:2], dtype=bool)
    for region in found:
        x1, y1, x2, y2 = (max(0, round(side)) for side in region.box)
        mask[y1:y2, x1:x2] = True
    return mask


def head_of(person: NDArray[np.float64]) -> tuple[int, int, int, int]:
    """The head of a standing person: corners in whole pixels, one pixel at least."""
    x1, y1, x2, y2 = person
    middle, half = (x1 + x2) / 2, (x2 - x1) * _HEAD_WIDE / 2
    left, top = max(0, int(middle - half)), max(0, int(y1))
    deep = int(max(0.0, y1) + (y2 - y1) * _HEAD_DEEP)
    return left, top, max(left + 1, int(middle + half)), max(top + 1, deep)


def _may_be_head(person: NDArray[np.float64]) -> Box:
    x1, y1, x2, y2 = (float(side) for side in person)
    aside, above, down = _MAY_BE_HEAD
    wide, tall = x2 - x1, y2 - y1
    return x1 - aside * wide, y1 - above * tall, x2 + aside * wide, y1 + max(down * tall, wide / 2)


def _is_hidden(mask: NDArray[np.bool_], person: NDArray[np.float64]) -> bool:
    x1, y1, x2, y2 = head_of(person)
    return bool(mask[y1:y2, x1:x2].mean() >= _HIDDEN)


def _write_crops(folder: Path, picture: Picture, copy: Image, is_hidden: Sequence[bool]) -> None:
    """Write what is around each head that is not hidden, as it is handed out."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (person, hidden) in enumerate(zip(picture.people, is_hidden, strict=True)):
        if hidden:
            continue
        x1, y1, x2, y2 = (int(side) for side in person)
        margin = int(_CROP_MARGIN * max(x2 - x1, y2 - y1))
        part = copy[max(0, y1 - margin) : y2 + margin, max(0, x1 - margin) : x2 + margin]
        factor = _CROP_PX / max(part.shape[:2])
        larger = cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{picture.source}-{picture.path.stem}-{number}.png"), larger)


def summary(scores: Mapping[tuple[str, str], Score]) -> dict[str, float]:
    """The figures by key: of the way that is used, and of the others by their names."""
    result: dict[str, float] = {}
    for (way, source), score in scores.items():
        name = way.replace(" ", "_")
        low, high = score.miss_interval()
        key = f"{name}.{source}"
        result |= {f"{key}.miss_rate": score.miss_rate, f"{key}.heads": score.heads}
        result |= {f"{key}.miss_low": low, f"{key}.miss_high": high}
    used = scores[list(scores)[-1][0], "all"]
    low, high = used.miss_interval()
    first = {
        "miss_rate": used.miss_rate,
        "miss_low": low,
        "miss_high": high,
        "heads": used.heads,
        "hidden_area": float(np.mean(used.area)),
        "hidden_stray": float(np.mean(used.stray)),
        "cpu_ms_per_picture": used.cpu_s / len(used.area) * 1e3,
    }
    return first | result


def _print(scores: Mapping[tuple[str, str], Score], pictures: int) -> None:
    table = Table(title=f"heads of people of {_LEAST:.0%} to {_MOST:.0%} of the picture's height")
    for column in (
        "way",
        "pictures of",
        "heads",
        "not hidden",
        "95 %",
        "hidden",
        "stray",
        "CPU ms",
    ):
        left = column in ("way", "pictures of")
        table.add_column(column, justify="left" if left else "right")
    for (way, source), score in scores.items():
        low, high = score.miss_interval()
        table.add_row(
            *(way, source, str(score.heads), f"{score.miss_rate:.1%}", f"{low:.1%} - {high:.1%}"),
            *(f"{np.mean(score.area):.1%}", f"{np.mean(score.stray):.1%}"),
            f"{score.cpu_s / len(score.area) * 1e3:.0f}",
        )
    console = Console(width=120)
    console.print(table)
    console.print(f"{pictures} pictures")
