from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from satellite.training.batches import Batch, CropSampler, to_input
from satellite.training.settings import Settings
from tests.satellite.training.places import place

SETTINGS = Settings(side_px=64, batch=3, draws=2, resolution_m=1.0, grid_m=0.5)
PLACES = [place(seed=i, name=str(i)) for i in range(4)]


def _same(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        np.array_equal(getattr(a, part), getattr(b, part))
        for a, b in zip(one, other, strict=True)
        for part in ("before", "after", "appeared", "known")
    )


def test_an_epoch_draws_every_sample_equally_often() -> None:
    crops = CropSampler(PLACES, SETTINGS)
    batches = list(crops.epoch(0))
    assert [len(batch.before) for batch in batches] == [3, 3, 2]
    assert crops.steps == 3
    assert batches[0].before.shape == (3, 3, 64, 64)
    assert batches[0].appeared.shape == batches[0].known.shape == (3, 1, 64, 64)
    assert all(b.before.dtype == b.appeared.dtype == np.float32 for b in batches)


def test_unlabelled_land_is_drawn_as_well() -> None:
    land = [place(seed=9, name="land", houses=0)]
    assert CropSampler(PLACES, SETTINGS, land).steps == 4  # 5 places twice, 3 at a time


def test_epochs_are_reproducible_and_differ() -> None:
    first = list(CropSampler(PLACES, SETTINGS).epoch(3))
    assert _same(first, list(CropSampler(PLACES, SETTINGS).epoch(3)))
    assert not _same(first, list(CropSampler(PLACES, SETTINGS).epoch(4)))
    assert not _same(first, list(CropSampler(PLACES, replace(SETTINGS, seed=1)).epoch(3)))


def test_labelled_buildings_differ_from_their_surroundings() -> None:
    inside, outside = [], []
    for epoch in range(6):
        for batch in CropSampler(PLACES, replace(SETTINGS, insertions=0.0)).epoch(epoch):
            change = batch.after[:, 0] - batch.after[:, 1] - batch.before[:, 0] + batch.before[:, 1]
            inside.append(change[batch.appeared[:, 0] == 1])
            outside.append(change[batch.appeared[:, 0] == 0])
    assert np.concatenate(inside).mean() > np.concatenate(outside).mean() + 1


def test_unknown_pixels_stay_unknown() -> None:
    nowhere = [replace(p, known=np.zeros_like(p.known)) for p in PLACES]
    crops = CropSampler(nowhere, replace(SETTINGS, insertions=0.0))
    batches = [batch for epoch in range(10) for batch in crops.epoch(epoch)]
    shares = np.array([share for b in batches for share in b.known.mean(axis=(1, 2, 3))])
    # The truth is known only where one date is shown twice.
    assert set(np.unique(shares)) == {0.0, 1.0}
    assert 0.05 < np.mean(shares) < 0.35


@pytest.mark.parametrize("pixel_m", [0.3, 0.5, 2.1])
def test_tiles_of_any_resolution_fill_the_crop(pixel_m: float) -> None:
    crops = CropSampler([replace(p, pixel_m=pixel_m) for p in PLACES], SETTINGS)
    assert next(crops.epoch(0)).before.shape == (3, 3, 64, 64)


def test_input_is_normalised() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[..., 0] = 255
    found = to_input(picture)
    assert found.shape == (3, 2, 4)
    assert found[:, 0, 0] == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225])
