from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from rich.console import Console

from models.change import open_change_network
from satellite.detection.network import NetworkDetector
from satellite.imagery.views import Views
from satellite.training.__main__ import main
from satellite.training.sensor import Sensor
from tests.satellite.training.places import place, write

torch = pytest.importorskip("torch", reason="training is an extra; torch is not installed")

from satellite.errors import SatelliteError  # noqa: E402
from satellite.training.fit import open_network, predict  # noqa: E402
from satellite.training.settings import Settings  # noqa: E402
from satellite.training.train import Data, train  # noqa: E402

SETTINGS = Settings(network="small", resolution_m=1.0, grid_m=0.5, side_px=64, epochs=2, batch=2)


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Three labelled tiles."""
    return write([place(seed=i, name=f"t{i}") for i in range(3)], tmp_path / "tiles")


def _quiet() -> Console:
    return Console(file=io.StringIO())


def test_a_training_writes_model_card_and_figures(tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    data = Data(tiles, terms="made up for a test")
    figures = train(data, out, settings=SETTINGS, console=_quiet())
    assert figures is not None
    assert list(figures.after) == ["t0", "t1", "t2"]
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    picture = np.zeros((1, 3, 64, 64), np.float32)
    appeared, gone = session.run(None, {"before": picture, "after": picture})
    assert appeared.shape == gone.shape == (1, 1, 64, 64)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["licence"] == "data: made up for a test"
    assert "made up for a test" in (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    network = open_change_network(out / "model.onnx", backend="onnxruntime", precision="fp32")
    assert (network.side_px, network.resolution_m) == (256, 0.5)
    assert network.calibration == figures.calibration
    kept = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert set(kept["after"]["tiles"]) == {"t0", "t1", "t2"}


def test_the_detector_agrees_with_the_trained_network(tmp_path: Path) -> None:
    tiles = write([place(64, seed=i, name=f"t{i}") for i in range(4)], tmp_path / "tiles")
    settings = replace(SETTINGS, epochs=12, rate=0.01, insertions=0.0)
    train(Data(tiles), tmp_path / "out", settings=settings, folds=0, console=_quiet())
    model = tmp_path / "out" / "model.onnx"
    detector = NetworkDetector(open_change_network(model, backend="onnxruntime", precision="fp32"))
    sample = place(64, seed=99)
    before, after = (
        Sensor(1.0).simulate(picture, 0.5, 1.0) for picture in (sample.before, sample.after)
    )
    found = detector(Views(before, after, np.zeros(before.shape[:2], np.uint8), 1.0)).appeared
    network = open_network(settings, tmp_path / "out" / "weights.pt")
    wanted = cv2.resize(predict(network, sample, settings), (32, 32), interpolation=cv2.INTER_AREA)
    inside = np.zeros_like(wanted, np.bool_)
    inside[6:-6, 6:-6] = True  # the two differ in padding beyond the border
    certain = (found > 0) & inside  # 0 where demolition is more probable
    assert certain.sum() > 50
    assert wanted.max() - wanted.min() > 0.3
    assert np.abs(found - wanted)[certain].mean() < 0.03


def test_a_finished_training_is_not_repeated(tiles: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(Data(tiles), out, settings=SETTINGS, console=_quiet())
    model = (out / "model.onnx").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoint.pt")}
    assert len(times) == 4  # three folds and all tiles
    train(Data(tiles), out, settings=SETTINGS, console=_quiet())
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (out / "model.onnx").read_bytes() == model


def test_training_starts_from_given_weights(tiles: Path, tmp_path: Path) -> None:
    train(Data(tiles), tmp_path / "one", settings=SETTINGS, folds=0, console=_quiet())
    weights = tmp_path / "one" / "weights.pt"
    figures = train(
        Data(tiles, land=tiles / "A"),
        tmp_path / "two",
        settings=SETTINGS,
        weights=weights,
        folds=2,
        console=_quiet(),
    )
    assert figures is not None
    assert list(figures.before) == ["t0", "t1", "t2"]
    card = (tmp_path / "two" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "3 pictures without labels" in card


def test_cross_validation_needs_two_tiles(tmp_path: Path) -> None:
    tiles = write([place(name="only")], tmp_path / "tiles")
    with pytest.raises(SatelliteError, match="give two tiles or more"):
        train(Data(tiles), tmp_path / "out", settings=SETTINGS, console=_quiet())


def test_the_command_trains_and_evaluates(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(tiles), "--network", "small", "--resolution", "1", "--side", "64"]
    fit = ["fit", *common, "--out", str(tmp_path / "out"), "--epochs", "1", "--folds", "0"]
    assert main(fit) == 0
    weights = str(tmp_path / "out" / "weights.pt")
    assert main(["evaluate", *common, "--weights", weights]) == 0
    assert "all pixels" in capsys.readouterr().out
    assert main(["evaluate", *common, "--weights", str(tmp_path / "none.pt")]) == 2
    assert "none.pt: cannot be read" in capsys.readouterr().err
