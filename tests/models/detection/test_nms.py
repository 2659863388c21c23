from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection.nms import suppress

side = st.integers(0, 60)
items = st.lists(
    st.tuples(side, side, side, side, st.integers(0, 20), st.integers(0, 2)), max_size=25
)


def plain(
    boxes: Sequence[Sequence[float]], scores: Sequence[float], ids: Sequence[int], iou: float
) -> list[int]:
    """Suppression as the definition puts it, box by box."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(ids[index] != ids[k] or overlap(boxes[index], boxes[k]) <= iou for k in kept):
            kept.append(index)
    return kept


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - across * down
    return across * down / union if union else 0.0


@given(items, st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]))
def test_agrees_with_the_definition(
    rows: list[tuple[int, int, int, int, int, int]], iou: float
) -> None:
    table = np.array(rows, np.float64).reshape(-1, 6)
    boxes = np.hstack([table[:, :2], table[:, :2] + table[:, 2:4]])
    scores, ids = table[:, 4] / 20, table[:, 5].astype(np.int64)
    kept = suppress(boxes, scores, ids, iou, limit=100)
    assert kept.tolist() == plain(boxes.tolist(), scores.tolist(), ids.tolist(), iou)


@pytest.mark.parametrize(
    ("second", "class_id", "expected"),
    [
        ((0, 0, 10, 10), 0, [0]),
        ((0, 0, 10, 10), 1, [0, 1]),
        ((20, 0, 30, 10), 0, [0, 1]),
        ((-500, -500, -490, -490), 1, [0, 1]),
    ],
)
def test_duplicates_of_one_class_go(
    second: tuple[int, int, int, int], class_id: int, expected: list[int]
) -> None:
    boxes = np.array([(0, 0, 10, 10), second], np.float32)
    kept = suppress(boxes, np.array([0.9, 0.8]), np.array([0, class_id]), 0.5, 10)
    assert kept.tolist() == expected


def test_keeps_no_more_than_the_limit() -> None:
    boxes = np.array([(i * 10, 0, i * 10 + 5, 5) for i in range(9)], np.float32)
    kept = suppress(boxes, np.linspace(0, 1, 9), np.zeros(9, np.int64), 0.5, 3)
    assert kept.tolist() == [8, 7, 6]
