from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from models.platt import Platt
from satellite.training.card import Origin, card, metadata
from satellite.training.settings import Settings
from satellite.training.validation import validate
from tests.satellite.training.places import place

PUBLISHED = "743645b87199c96bd0c3271ae5df6f0918b3f1d84618dfb9396843ca08ee4a3e"
ORIGIN = Origin("tiles", 9, 4, 0, "city's own", PUBLISHED, date(2026, 3, 1))
PLACES = [place(seed=i, name=f"tile-{i}") for i in range(3)]
FIGURES = validate(
    [[sample] for sample in PLACES],
    {sample.name: np.zeros((96, 96), np.float32) for sample in PLACES},
    {sample.name: 0.8 * sample.appeared.astype(np.float32) + 0.1 for sample in PLACES},
)


def test_the_card_states_origin_and_figures() -> None:
    text = card(ORIGIN, Settings(seed=7), FIGURES, "abc123", 285128)
    for part in ("abc123", "2026-03-01", "9 labelled tiles, 4 verdicts", "285,128", "seed 7"):
        assert part in text
    assert "| tile-1 | 0.000 | 1.000 | 1.000 | 1.000 | 1.000 |" in text
    assert "| **all pixels** | 0.000 | 1.000 |" in text


def test_terms_of_data_and_initial_weights_are_listed() -> None:
    text = card(ORIGIN, Settings(), FIGURES, "abc", 1)
    assert "data: city's own" in text
    assert "no commercial use" in text


def test_missing_terms_are_listed_as_not_stated() -> None:
    unknown = replace(ORIGIN, terms=None, weights_sha256="00" * 32)
    assert [line.split(":")[1].strip() for line in unknown.all_terms] == ["not stated"] * 2
    own = replace(ORIGIN, weights_sha256=None)
    assert own.all_terms == ["data: city's own"]
    assert "random" in card(own, Settings(), None, "abc", 1)


def test_a_card_without_figures_says_so() -> None:
    assert "Not measured" in card(ORIGIN, Settings(), None, "abc", 1)
    assert "calibration" not in metadata(ORIGIN, Settings(), None)


def test_metadata_contain_resolution_terms_and_calibration() -> None:
    found = metadata(ORIGIN, Settings(resolution_m=2.1, grid_m=1.0, side_px=128), FIGURES)
    assert found["resolution_m"] == "1"  # of the network's input
    assert found["sensor_m"] == "2.1"
    assert found["imgsz"] == "[128, 128]"
    assert found["held_out_f1"] == "1.0000"
    assert "no commercial use" in found["licence"]
    assert Platt.from_text(found["calibration"]) == FIGURES.calibration
