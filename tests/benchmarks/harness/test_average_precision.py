from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.harness.average_precision import Boxes, evaluate, load_truth, published

NAMES = ("car", "stall", "bag")


def scene(seed: int, images: int = 6) -> tuple[list[Boxes], list[Boxes]]:
    """Objects, and detections that are near, displaced, doubled, of other classes and missing."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(images):
        count = int(random.integers(0, 9))
        xywh = np.hstack([random.uniform(0, 400, (count, 2)), random.uniform(5, 120, (count, 2))])
        kinds = random.integers(0, 3, count)
        truth.append(Boxes(xywh, kinds, np.ones(count)))
        picked = random.integers(0, max(count, 1), 3 * count)
        shaken = xywh[picked] * random.uniform(0.85, 1.15, (3 * count, 4))
        wrong = random.random(3 * count) < 0.2
        ids = np.where(wrong, random.integers(0, 3, 3 * count), kinds[picked])
        # Coarse confidences, so that there are ties.
        found.append(Boxes(shaken, ids, random.integers(1, 20, 3 * count) / 20))
    return truth, found


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_published_evaluator(seed: int) -> None:
    truth, found = scene(seed)
    mine = evaluate(truth, found)
    theirs, name = published(truth, found, NAMES)
    assert (mine.ap, mine.ap50) == pytest.approx((theirs.ap, theirs.ap50), abs=1e-9)
    assert name.startswith("faster-coco-eval ")


def test_only_the_hundred_most_confident_count() -> None:
    random = np.random.default_rng(5)
    places = np.hstack([random.uniform(0, 9000, (150, 2)), np.full((150, 2), 40.0)])
    boxes = Boxes(places, np.zeros(150, np.int64), random.permutation(150) / 150)
    real = Boxes(places, np.zeros(150, np.int64), np.ones(150))
    mine = evaluate([real], [boxes])
    theirs, _ = published([real], [boxes], NAMES)
    assert mine.ap == pytest.approx(theirs.ap, abs=1e-9)
    assert mine.ap == pytest.approx(67 / 101)


def test_perfect_and_empty_results() -> None:
    truth, _ = scene(1)
    assert evaluate(truth, truth).ap == pytest.approx(1.0)
    nothing = [Boxes(np.empty((0, 4)), np.empty(0, np.int64), np.empty(0)) for _ in truth]
    assert evaluate(truth, nothing).ap == 0.0
    assert np.isnan(evaluate(nothing, truth).ap)


def dataset(folder: Path, label: str) -> Path:
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for name in ("a", "b"):
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), np.zeros((50, 100, 3), np.uint8))
    (folder / "labels" / "a.txt").write_text(label)
    return folder


def test_reads_yolo_labels(tmp_path: Path) -> None:
    truth = list(load_truth(dataset(tmp_path, "2 0.5 0.5 0.2 0.4\n")).values())
    assert truth[0].xywh.tolist() == [[40, 15, 20, 20]] and truth[0].class_id.tolist() == [2]
    assert len(truth[1].xywh) == 0


@pytest.mark.parametrize("label", ["1 2 3\n", "car 0.5 0.5 0.2 0.4\n"])
def test_says_which_line_is_malformed(tmp_path: Path, label: str) -> None:
    with pytest.raises(ValueError, match=r"a\.txt:2: not 'class x y width height'"):
        load_truth(dataset(tmp_path, f"2 0.5 0.5 0.2 0.4\n{label}"))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no images"):
        load_truth(tmp_path)
