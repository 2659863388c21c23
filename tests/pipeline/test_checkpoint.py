"""A checkpoint gives back exactly what it was given, or nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import is_dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
import numpy as np
import pytest
import supervision as sv
from numpy.typing import NDArray

from cv_engine.config import Config
from cv_engine.live.worker.state import LiveState
from cv_engine.pipeline.checkpoint import VERSION, Checkpoint, Checkpoints, checkpoint_path, ended
from cv_engine.pipeline.observer import Observer
from cv_engine.recorded.state import RecordedState
from cv_engine.rules.dwell import Dwell, Phase
from cv_engine.rules.registry import kinds
from tests.pipeline.observing import Frame
from tests.tracking.scenes import TRUTH
from zones.zone import whole_frame

S = TypeVar("S")

WIDTH, HEIGHT = 320, 180
BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)


class State(msgspec.Struct):
    stays: dict[int, Dwell]
    picture: NDArray[np.uint8]


STATE = State({3: Dwell(Phase.IN, 1.0, 2.0)}, np.arange(12, dtype=np.uint8).reshape(3, 4))


def _saved(folder: Path, state: S) -> Checkpoint[S]:
    store = Checkpoints(folder, type(state))
    assert store.save("market", "settings", Checkpoint("key", 1.5, False, BEGAN, state))
    loaded = store.load("market", "settings")
    assert loaded is not None
    return loaded


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    back = _saved(tmp_path, STATE)
    assert (back.key, back.seen_s, back.finished, back.ended) == ("key", 1.5, False, BEGAN)
    assert back.state.stays == STATE.stays
    assert np.array_equal(back.state.picture, STATE.picture)
    assert ended(checkpoint_path(tmp_path, "market").read_bytes()) == BEGAN


def test_other_settings_and_other_cameras_have_none(tmp_path: Path) -> None:
    _saved(tmp_path, STATE)
    assert Checkpoints(tmp_path, State).load("market", "other") is None
    assert Checkpoints(tmp_path, State).load("harbour", "settings") is None


def test_a_state_of_another_type_is_ignored(tmp_path: Path) -> None:
    class Other(msgspec.Struct):
        stays: dict[int, Dwell]
        picture: str

    _saved(tmp_path, STATE)
    assert Checkpoints(tmp_path, Other).load("market", "settings") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_is_ignored(damage: str, tmp_path: Path) -> None:
    _saved(tmp_path, STATE)
    store = Checkpoints(tmp_path, State)
    path = store.path("market")
    data = path.read_bytes()
    half = len(data) // 2
    flipped = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
    path.write_bytes({"cut": data[:half], "flipped": flipped, "empty": b"", "text": b"x"}[damage])
    assert store.load("market", "settings") is None
    assert ended(path.read_bytes()) is None


def test_files_of_another_version_are_set_aside_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Checkpoints(tmp_path, State)
    monkeypatch.setattr("cv_engine.pipeline.checkpoint._HEAD", b"cv-engine checkpoint\0\1")
    for camera in ("market", "harbour"):
        assert before.save(camera, "settings", Checkpoint("key", 1.5, False, BEGAN, STATE))
    monkeypatch.undo()
    after = Checkpoints(tmp_path, State)
    assert after.load("market", "settings") is None
    assert capsys.readouterr().out.count("set aside") == 1
    assert len(list((tmp_path / "other-versions").iterdir())) == 2
    Checkpoints(tmp_path, State)
    assert "set aside" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "missing", State)
    assert not store.save("market", "settings", Checkpoint("key", 0.0, True, BEGAN, STATE))


def test_the_version_rises_with_what_is_kept() -> None:
    """Another digest means that old files no longer fit: raise VERSION, then correct it here."""
    kept: dict[str, list[str]] = {}
    for state in (RecordedState, LiveState):
        _collect(state, kept)
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]
    assert (VERSION, digest) == (6, "f0d95418705bdee5")


def _collect(kind: Any, kept: dict[str, list[str]]) -> None:
    """The field names of a type and of all types in it, by the name of the type."""
    for part in get_args(kind):
        _collect(part, kept)
    has_fields = is_dataclass(kind) or hasattr(kind, "__struct_fields__")
    if has_fields and isinstance(kind, type) and kind.__name__ not in kept:
        hints = get_type_hints(kind)
        kept[kind.__name__] = sorted(hints)
        for hint in hints.values():
            _collect(hint, kept)


class _Scene:
    """A street: a car comes, a person passes, a box is left, the light changes."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        coarse = rng.uniform(40, 200, (HEIGHT // 5, WIDTH // 5))
        self._ground = np.kron(coarse, np.ones((5, 5)))
        self._car = np.kron(rng.uniform(0, 255, (8, 12)), np.ones((6, 6)))
        self._noise = rng

    def picture(self, time_s: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
        image = self._ground * (1 + 0.1 * np.sin(time_s / 7))
        if time_s >= 5:
            image[90:138, 40:112] = self._car
        if time_s >= 9:
            image[60:90, 200:236] = 235
            image[66:84, 206:230] = 20
        image += self._noise.normal(0, 2, image.shape)
        return np.asarray(np.clip(image, 0, 255), np.uint8)

    def detections(self, time_s: float) -> sv.Detections:
        boxes = [[10 + 12 * time_s, 100, 30 + 12 * time_s, 170]]
        names = ["person"]
        TRUTH.boxes = [(40, 90, 112, 138)] if time_s >= 5 else []
        if time_s >= 5:
            boxes.append([40, 90, 112, 138])
            names.append("car")
        return sv.Detections(
            np.array(boxes, np.float32),
            confidence=np.full(len(boxes), 0.8, np.float32),
            class_id=np.zeros(len(boxes), int),
            data={"class_name": np.array(names)},
        )


def _observer() -> Observer:
    rules = {
        "parking": {"dwell_s": 6.0, "non_motor_dwell_s": 6.0},
        "clutter": {"dwell_s": 6.0},
    }
    config = Config.model_validate({"rules": rules, "video": {"sample_s": 1.0}})
    zones = [whole_frame(WIDTH, HEIGHT, kinds())]
    return Observer(WIDTH, HEIGHT, zones, config, sample_s=1.0, verify=TRUTH, drawn=False)


def _same(detections: sv.Detections) -> sv.Detections:
    return detections


def _watched(observer: Observer, scene: list[Any], times: range) -> list[str]:
    said = []
    for second in times:
        picture, detections = scene[second]
        at = datetime.fromtimestamp(BEGAN.timestamp() + second, UTC)
        seen = observer.observe(at.timestamp(), at, Frame(picture), partial(_same, detections))
        said.append(repr(seen))
    return said


@pytest.mark.parametrize("stop", [1, 2, 6, 9, 12, 17, 25])
def test_an_observer_continues_from_it_as_if_nothing_had_been(stop: int, tmp_path: Path) -> None:
    street = _Scene()
    scene = [(street.picture(second), street.detections(second)) for second in range(40)]
    undisturbed = _watched(_observer(), scene, range(40))
    assert "motor_vehicle_parked" in "".join(undisturbed), "the scene must show something"

    first = _observer()
    _watched(first, scene, range(stop))
    state = _saved(tmp_path, first.state()).state
    second = _observer()
    second.restore(state)
    assert _watched(second, scene, range(stop, 40)) == undisturbed[stop:]


def test_an_observer_keeps_all_that_changes() -> None:
    """A new attribute of an observer follows from the settings, or belongs into its state."""
    observer = _observer()
    fixed = {"_drawn", "_lost_s", "_rules", "_perception"}
    between_samples = {"_pending"}
    assert set(vars(observer)) == fixed | between_samples
    perception = set(vars(observer._perception)) - {"state", "_look"}
    assert perception == {
        *("small_size", "_scale", "_polygons", "_watched", "_confidence", "_refresh_s"),
        *("_min_side_px", "_sample_s", "_lost_s", "_ask_again_s", "_models", "_groups"),
        *("_explained", "_verify"),
    }
    assert all(set(vars(rule)) == {"settings", "dwells"} for rule in observer._rules)
