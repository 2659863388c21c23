"""Whole plates right, from photographs and from crops, beside published readers.

A photograph counts as right if a plate is read in it whole as its file is named: it may show
several vehicles, and nothing but the name says whose plate is meant. A crop is read as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.plates_reference import ColorReader, Finder, HyperLprFinder, OmzReader, Reader
from models.errors import ModelError
from models.plates.countries import COUNTRIES
from models.plates.detector import FoundPlate, PlateDetector, open_plate_detector
from models.plates.reader import open_reader
from models.plates.recognise import PlateRecogniser
from models.plates.rectify import cut_out
from models.plates.syntax import normalised

Image = npt.NDArray[np.uint8]
Texts = list[tuple[str, float]]  # plates with confidence, the largest first

_SHARED = Path("../shared/data")
_SURE = 0.99  # the confidence whose truth is measured
_SIDE_PX = 960  # at which plates are looked for in photographs, by every reader that uses clp_det
_FOUND_CONFIDENCE = 0.3  # what is no plate is read with no confidence
# Plates as the readers of the references get them.
_ONE_LINE_PX, _TWO_LINES_PX = (168, 48), (168, 84)
_TWO_LINE_ASPECT = 2.4
_LOOK_ALIKE_KIND = "one character that looks alike"
_LOOK_ALIKE = ("0DOQ", "8B", "2Z", "5S", "1IT7", "UVJ", "CG", "4A", "6G", "MNHW", "EF", "PR", "KX")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system says of one picture.

    Attributes:
        truth: The plate.
        text: The plate as read; empty where none was found.
        confidence: As the system states it; 0 where it states none.
    """

    truth: str
    text: str
    confidence: float = 0.0

    @property
    def right(self) -> bool:
        """Whether the whole plate is right."""
        return self.text == self.truth


@dataclass(slots=True)
class Result:
    """One row of the table."""

    name: str
    photos: list[Answer] = field(default_factory=list)
    crops: list[Answer] = field(default_factory=list)
    photo_ms: float = 0.0
    crop_ms: float = 0.0


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line of stdout is one JSON object.

    Returns:
        0; 2 where data or weights are missing.
    """
    options = _options(argv)
    try:
        photos, crops = _pictures(options.data)
        results = [_own(options, photos, crops), *_references(options, photos, crops)]
    except (ModelError, FileNotFoundError) as error:
        print(f"plates: {error}", file=sys.stderr)
        return 2
    _print(results)
    own = results[0]
    _print_failures("photos", own.photos, options.failures)
    _print_failures("crops", own.crops, options.failures)
    print(json.dumps(summary(results)))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks plates", description=__doc__)
    parser.add_argument("--data", type=Path, default=_SHARED / "plates")
    parser.add_argument("--reader", type=Path, help="ONNX file instead of the program's own reader")
    parser.add_argument("--detector", default="clp_det", help="name or path")
    parser.add_argument(
        "--weights-dir", type=Path, default=_SHARED / "weights", help="of the references"
    )
    parser.add_argument("--no-references", action="store_true")
    parser.add_argument("--failures", type=int, default=0, help="list so many of the wrong ones")
    parser.add_argument("--limit", type=int, help="only the first N photos and crops")
    options = parser.parse_args(argv)
    if (options.data / "plates").is_dir():
        options.data = options.data / "plates"
    return options


def _pictures(data: Path) -> tuple[dict[str, Image], dict[str, Image]]:
    """Return photographs and crops by their plates.

    Raises:
        FileNotFoundError: The folder has neither.
    """
    photos = _read(data / "easypr_general")
    crops = _read(data / "lprnet_crops")
    if not photos and not crops:
        raise FileNotFoundError(
            f"{data}: no pictures in easypr_general/ or lprnet_crops/; give their folder by --data"
        )
    return photos, crops


def _read(folder: Path) -> dict[str, Image]:
    pictures = {}
    for path in sorted(folder.glob("*.jpg")) if folder.is_dir() else ():
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if picture is not None:
            pictures[normalised(path.stem)] = np.asarray(picture, np.uint8)
    return pictures


def _own(options: argparse.Namespace, photos: dict[str, Image], crops: dict[str, Image]) -> Result:
    reader = open_reader(COUNTRIES["china"], options.reader)
    recogniser = PlateRecogniser(_finder(options), reader)

    def of_photo(photo: Image) -> Texts:
        seen = sorted(recogniser(photo, _SIDE_PX), key=lambda each: -_area(each.found))
        return [(each.text.text, each.text.confidence) for each in seen]

    def of_crop(crop: Image) -> Texts:
        text = recogniser.read_crop(crop).text
        return [(text.text, text.confidence)]

    return _measured("own reader, clp_det", of_photo, of_crop, photos, crops, options.limit)


def _references(
    options: argparse.Namespace, photos: dict[str, Image], crops: dict[str, Image]
) -> list[Result]:
    """Return the rows of the references whose weights are there."""
    folder = options.weights_dir
    if options.no_references or not (folder / "plate_rec_color.onnx").is_file():
        return []
    clp = _finder(options)
    color = ColorReader(folder / "plate_rec_color.onnx")
    omz = OmzReader(folder / "omz" / "license-plate-recognition-barrier-0007.xml")
    hyper = HyperLprFinder(folder / "hyperlpr_y5fu_640x_sim.onnx")
    sized: Finder = partial(clp, side_px=_SIDE_PX)
    systems: list[tuple[str, Finder, Reader]] = [
        ("OMZ barrier-0007, clp_det", sized, omz),
        ("plate_rec_color, clp_det", sized, color),
        ("plate_rec_color, HyperLPR y5fu 640", hyper, color),
    ]
    return [
        _measured(
            name,
            partial(_reference_photo, find, read),
            partial(_reference_crop, read),
            photos,
            crops,
            options.limit,
        )
        for name, find, read in systems
    ]


def _reference_crop(read: Reader, crop: Image) -> Texts:
    return [(read(crop), 0.0)]


def _finder(options: argparse.Namespace) -> PlateDetector:
    return open_plate_detector(options.detector, confidence=_FOUND_CONFIDENCE)


def _reference_photo(find: Finder, read: Reader, photo: Image) -> Texts:
    texts = []
    for plate in sorted(find(photo), key=_area, reverse=True):
        two_lines = plate.width_px < _TWO_LINE_ASPECT * plate.height_px
        size = _TWO_LINES_PX if two_lines else _ONE_LINE_PX
        texts.append((read(cut_out(photo, plate.corners, size)), 0.0))
    return texts


def _area(plate: FoundPlate) -> float:
    return plate.width_px * plate.height_px


def _measured(
    name: str,
    of_photo: Callable[[Image], Texts],
    of_crop: Callable[[Image], Texts],
    photos: dict[str, Image],
    crops: dict[str, Image],
    limit: int | None,
) -> Result:
    result = Result(name)
    result.photos, result.photo_ms = _answers(of_photo, photos, limit)
    result.crops, result.crop_ms = _answers(of_crop, crops, limit)
    return result


def _answers(
    ask: Callable[[Image], Texts], pictures: dict[str, Image], limit: int | None
) -> tuple[list[Answer], float]:
    """Return the answers and the median milliseconds that one took."""
    answers, times = [], []
    for truth, picture in list(pictures.items())[:limit]:
        begun = time.perf_counter()
        texts = ask(picture)
        times.append(time.perf_counter() - begun)
        meant = [each for each in texts if each[0] == truth] or texts or [("", 0.0)]
        answers.append(Answer(truth, *meant[0]))
    return answers, 1000 * float(np.median(times)) if times else 0.0


def accuracy(answers: Sequence[Answer]) -> float | None:
    """Return the share of whole plates right; ``None`` without pictures."""
    if not answers:
        return None
    return sum(answer.right for answer in answers) / len(answers)


def kind_of_failure(answer: Answer) -> str:
    """Say in what way an answer is wrong."""
    truth, text = answer.truth, answer.text
    if not text:
        return "no plate found"
    if len(truth) != len(text):
        return "another number of characters"
    wrong = [(a, b) for a, b in zip(truth, text, strict=True) if a != b]
    if len(wrong) > 1:
        return "several characters"
    (a, b) = wrong[0]
    if truth[0] != text[0]:
        return "the province"
    if any(a in group and b in group for group in _LOOK_ALIKE):
        return _LOOK_ALIKE_KIND
    return "one other character"


def _kinds(answers: Sequence[Answer]) -> list[tuple[str, int]]:
    """Return how often each kind of failure occurs, the most frequent first."""
    wrong = (answer for answer in answers if not answer.right)
    return Counter(kind_of_failure(answer) for answer in wrong).most_common()


def summary(results: Sequence[Result]) -> dict[str, object]:
    """Return the figures of the last line."""
    own = results[0]
    sure = [answer for answer in own.photos + own.crops if answer.confidence >= _SURE]
    return {
        "photo_accuracy": accuracy(own.photos),
        "crop_accuracy": accuracy(own.crops),
        "ms_per_vehicle": round(own.photo_ms, 1),
        "ms_per_crop": round(own.crop_ms, 2),
        "sure": len(sure),
        "sure_right": accuracy(sure),
        "failures": dict(_kinds(own.photos + own.crops)),
        "references": {
            result.name: {
                "photo_accuracy": accuracy(result.photos),
                "crop_accuracy": accuracy(result.crops),
            }
            for result in results[1:]
        },
    }


def _print(results: Sequence[Result]) -> None:
    table = Table("system", "photos", "crops", "ms per vehicle", "ms per crop")
    for result in results:
        shares = [accuracy(result.photos), accuracy(result.crops)]
        table.add_row(
            result.name,
            *("-" if share is None else f"{share:.3f}" for share in shares),
            f"{result.photo_ms:.0f}",
            f"{result.crop_ms:.1f}",
        )
    Console().print(table)
    own = results[0].photos + results[0].crops
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, _SURE), (_SURE, 1.01)):
        some = [answer for answer in own if low <= answer.confidence < high]
        if some:
            mean = sum(answer.confidence for answer in some) / len(some)
            print(
                f"read with {low:.2f} and more: {len(some)}, mean confidence {mean:.3f}, "
                f"right {accuracy(some):.3f}"
            )


def _print_failures(name: str, answers: Sequence[Answer], listed: int) -> None:
    wrong = [answer for answer in answers if not answer.right]
    print(f"{name}: {len(wrong)} of {len(answers)} wrong")
    for kind, count in _kinds(answers):
        print(f"  {kind}: {count}")
    for answer in wrong[:listed]:
        print(f"    {answer.truth} read as {answer.text or '-'} ({answer.confidence:.3f})")
