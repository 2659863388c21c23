"""What the regions that the engine asks about show, in a scene of plain shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
import supervision as sv
from numpy.typing import NDArray

from benchmarks.composed.scene import Options, Scene, draw_scene
from benchmarks.verification import engine
from benchmarks.verification.engine import OF_ENGINE, engine_pairs
from benchmarks.verification.pairs import Pair
from models.verifier.features import COUNT
from tests.benchmarks.composed.props import background, cutouts


class _Nothing:
    """In place of detector and verifier: names nothing, and is never sure."""

    input_size = 320
    backbone = None

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[sv.Detections]:
        return [sv.Detections.empty() for _ in images]

    @staticmethod
    def head(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(len(rows), np.float32)


def _scene(event: str) -> Scene:
    options = Options(event=event, size=(320, 240), length_s=30.0)
    return draw_scene(4, cutouts(), [background()], options)


def _pairs(monkeypatch: pytest.MonkeyPatch, event: str) -> list[Pair]:
    def undescribed(_: object, __: object, ___: object, regions: Sequence[object]) -> Any:
        return np.zeros((len(regions), COUNT), np.float32)

    monkeypatch.setattr(engine, "describe", undescribed)
    return engine_pairs(_scene(event), cast(Any, _Nothing()), cast(Any, _Nothing()), 5)


def test_what_is_put_down_is_a_thing_and_counts_more_than_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = _pairs(monkeypatch, "put")
    assert "thing" in {pair.kind for pair in pairs}
    assert {pair.weight for pair in pairs if pair.kind == "thing"} == {4}
    assert {pair.weight for pair in pairs if pair.kind == "person"} <= {1}
    assert {pair.fold[1] for pair in pairs} == {OF_ENGINE}


def test_an_empty_street_shows_no_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "thing" not in {pair.kind for pair in _pairs(monkeypatch, "none")}
