"""A checkpoint gives back exactly what it was given, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.config.settings import Config
from cv_engine.pipeline.checkpoint import Checkpoint, Checkpoints
from cv_engine.pipeline.observer import Observer
from cv_engine.rules.dwell import Dwell, Phase
from zones.zone import whole_frame

WIDTH, HEIGHT = 320, 180
BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)


def _saved(folder: Path, state: dict[str, Any]) -> Checkpoint:
    store = Checkpoints(folder)
    assert store.save("market", "settings", Checkpoint("key", 1.5, False, BEGAN, state))
    loaded = store.load("market", "settings")
    assert loaded is not None
    return loaded


_plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(Phase),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.integers(), inner),
    max_leaves=20,
)


@given(state=st.dictionaries(st.text(), _plain))
def test_plain_values_come_back_as_they_were(
    state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    back = _saved(tmp_path_factory.mktemp("state"), state).state
    assert back == state
    assert repr(back) == repr(state)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float32", "float64"])
def test_arrays_come_back_bit_for_bit(kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(0, 100, (7, 5)).astype(kind)
    if kind.startswith("float"):
        values[0, :3] = np.nan, np.inf, -np.inf
    back = _saved(tmp_path, {"array": values, "scalar": values[2, 2]}).state
    assert back["array"].dtype == values.dtype
    assert back["array"].tobytes() == values.tobytes()
    assert type(back["scalar"]) is type(values[2, 2])
    assert back["array"].flags.writeable


def test_one_array_in_two_places_stays_one(tmp_path: Path) -> None:
    box = np.zeros(4, np.float32)
    back = _saved(tmp_path, {"track": box, "candidate": box}).state
    assert back["track"] is back["candidate"]


def test_what_it_does_not_know_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a checkpoint holds no PosixPath"):
        _saved(tmp_path, {"path": tmp_path})


def test_other_settings_are_as_good_as_none(tmp_path: Path) -> None:
    _saved(tmp_path, {})
    assert Checkpoints(tmp_path).load("market", "other") is None
    assert Checkpoints(tmp_path).load("harbour", "settings") is None


def test_other_software_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _saved(tmp_path, {})
    monkeypatch.setattr("cv_engine.pipeline.checkpoint._software", lambda: "another release")
    assert Checkpoints(tmp_path).load("market", "settings") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_one_is_as_good_as_none(damage: str, tmp_path: Path) -> None:
    _saved(tmp_path, {"dwell": Dwell(Phase.IN, 1.0, 2.0)})
    (path,) = tmp_path.glob("*.checkpoint")
    data = path.read_bytes()
    half = len(data) // 2
    flipped = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
    damaged = {"cut": data[:half], "flipped": flipped, "empty": b"", "text": b"x" * 99}
    path.write_bytes(damaged[damage])
    assert Checkpoints(tmp_path).load("market", "settings") is None


def test_where_it_cannot_be_written_the_run_goes_on(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path / "missing")
    assert not store.save("market", "settings", Checkpoint("key", 0.0, True, BEGAN, {}))


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
    zones = [whole_frame(WIDTH, HEIGHT)]
    return Observer(WIDTH, HEIGHT, zones, config, sample_s=1.0, drawn=False)


def _same(detections: sv.Detections) -> sv.Detections:
    return detections


def _watched(observer: Observer, scene: list[Any], times: range) -> list[str]:
    said = []
    for second in times:
        picture, detections = scene[second]
        at = datetime.fromtimestamp(BEGAN.timestamp() + second, UTC)
        seen = observer.observe(at.timestamp(), at, picture, partial(_same, detections))
        said.append(repr(seen))
    return said


@pytest.mark.parametrize("stop", [1, 2, 6, 9, 12, 17, 25])
def test_an_observer_goes_on_from_it_as_if_nothing_had_been(stop: int, tmp_path: Path) -> None:
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
    fixed = {
        *("small_size", "_scale", "_zones", "_config", "_sample_s", "_drawn", "_watched"),
        *("_ask_again_s", "_lost_s", "_refresh_s"),
    }
    between_samples = {"_question"}  # there is none, or nothing may be kept
    kept = {"_background", "_health", "_trackers", "_keeper", "_asked_at"}
    in_stays = {"_parking", "_clutter"}
    told = "say here whether it follows from the settings or belongs into Observer.state()"
    assert set(vars(_observer())) == fixed | between_samples | kept | in_stays, told
    assert {name.lstrip("_") for name in kept} | {"stays"} == set(_observer().state())
