from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models import ModelError
from models.registry.weights import Weights
from models.verifier import Verifier, open_verifier
from models.verifier.backbone import CHANNELS, open_backbone
from models.verifier.features import COUNT, describe
from models.verifier.head import Head
from models.verifier.verifier import HEAD

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Area:
    box: tuple[int, int, int, int]
    mask: NDArray[np.bool_]


@pytest.fixture(scope="module")
def verifier(yolov8n: Weights, model_cache: Path) -> Verifier:
    return open_verifier(cache=model_cache)


@pytest.fixture(scope="module")
def street(shared_data: Path) -> Floats:
    """An empty street, 480 pixels wide."""
    path = shared_data / "images/kinds/clean_street/clean_33.jpg"
    return picture(path, 480)


@pytest.fixture(scope="module")
def umbrella(shared_data: Path) -> Floats:
    """A woman under an umbrella, without what is around her."""
    whole = picture(shared_data / "detector/coco128/images/000000000036.jpg", 160)
    return whole[30:200, 30:140]


def picture(path: Path, width: int) -> Floats:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    size = (width, round(image.shape[0] * width / image.shape[1]))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(scaled, (3, 3), 0), np.float32)


def ellipse(x: int, y: int, width: int, height: int) -> Area:
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
    return Area((x, y, x + width, y + height), mask > 0)


def window(area: Area) -> tuple[slice, slice]:
    x1, y1, x2, y2 = area.box
    return slice(y1, y2), slice(x1, x2)


def with_thing(view: Floats, thing: Floats, area: Area) -> Floats:
    now = view.copy()
    x1, y1, x2, y2 = area.box
    scaled = cv2.resize(thing, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    now[window(area)][area.mask] = np.asarray(scaled, np.float32)[area.mask]
    return now


def with_light(view: Floats, factor: float, area: Area) -> Floats:
    now = view.copy()
    now[window(area)][area.mask] *= np.float32(factor)
    return np.minimum(now, 255)


PLACES = [ellipse(x, y, 40, 64) for x, y in ((60, 150), (220, 170), (390, 120))]


def test_things_are_told_from_shadows_and_uncovered_ground(
    verifier: Verifier, street: Floats, umbrella: Floats
) -> None:
    thing, shadow, gone = [], [], []
    for area in PLACES:
        now = with_thing(street, umbrella, area)
        thing += verifier(street, now, [area]).tolist()
        gone += verifier(now, street, [area]).tolist()
        shadow += verifier(street, with_light(street, 0.6, area), [area]).tolist()
    assert min(thing) > 0 > max(*shadow, *gone)


def test_a_view_that_shifted_is_no_thing(verifier: Verifier, street: Floats) -> None:
    shifted = np.roll(street, (2, 3), (0, 1))
    assert verifier(street, shifted, PLACES).max() < 0


def test_nothing_to_judge_gives_no_logits(verifier: Verifier, street: Floats) -> None:
    logits = verifier(street, street, [])
    assert logits.shape == (0,)
    assert logits.dtype == np.dtype(np.float32)


def test_many_regions_at_once_are_judged_as_each_by_itself(
    verifier: Verifier, street: Floats, umbrella: Floats
) -> None:
    now = with_thing(street, umbrella, PLACES[0])
    areas = [*PLACES, *(ellipse(10 * k, 100 + k, 12 + k, 9) for k in range(20))]
    together = verifier(street, now, areas)
    single = np.concatenate([verifier(street, now, [area]) for area in areas])
    np.testing.assert_allclose(together, single, atol=2e-3)
    assert np.ptp(together) > 1


def test_the_same_pictures_give_the_same_logits(
    verifier: Verifier, street: Floats, umbrella: Floats
) -> None:
    now = with_thing(street, umbrella, PLACES[1])
    first, second = (verifier(street, now, PLACES) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("corner", [(0, 0), (440, 0), (0, -64), (440, -64)])
def test_in_the_corner_of_the_picture_a_thing_differs_from_light(
    verifier: Verifier, street: Floats, umbrella: Floats, corner: tuple[int, int]
) -> None:
    area = ellipse(corner[0], corner[1] % street.shape[0], 40, 64)
    now = with_thing(street, umbrella, area)
    thing = verifier(street, now, [area])[0]
    light = verifier(street, with_light(street, 0.6, area), [area])[0]
    assert light < 0
    assert thing > light + 2


def test_a_region_as_large_as_the_picture_has_a_logit(verifier: Verifier, street: Floats) -> None:
    height, width = street.shape
    whole = Area((0, 0, width, height), np.ones(street.shape, np.bool_))
    assert np.isfinite(verifier(street, street * np.float32(0.5), [whole])).all()


def test_a_single_pixel_has_a_logit(verifier: Verifier, street: Floats) -> None:
    dot = Area((5, 5, 6, 6), np.ones((1, 1), np.bool_))
    assert np.isfinite(verifier(street, np.zeros_like(street), [dot])).all()


def test_a_picture_that_did_not_change_differs_nowhere(verifier: Verifier, street: Floats) -> None:
    (row,) = describe(verifier.backbone, street, street, PLACES[:1])
    assert row.shape == (COUNT,)
    # Of the first level: two means each of the empty view, of the view now and of the difference.
    means = row[: 6 * CHANNELS[0]].reshape(CHANNELS[0], 6)
    np.testing.assert_array_equal(means[:, :2], means[:, 2:4])
    assert not means[:, 4:].any()
    assert means[:, :4].all()


def test_a_head_of_other_weights_is_refused(
    yolov8n: Weights, model_cache: Path, tmp_path: Path
) -> None:
    backbone = open_backbone(cache=model_cache)
    head = Head.read(HEAD)
    other = Head(head.into, head.into_bias, head.out, head.out_bias, "0" * 64)
    with pytest.raises(ModelError, match="was trained on weights 000000000000"):
        Verifier(backbone, other)
    short = Head(head.into[:5], head.into_bias, head.out, head.out_bias, head.backbone)
    with pytest.raises(ModelError, match="has 5 inputs"):
        Verifier(backbone, short)


def test_a_head_survives_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    head = Head(
        rng.normal(size=(7, 4)).astype(np.float32),
        rng.normal(size=4).astype(np.float32),
        rng.normal(size=4).astype(np.float32),
        0.5,
        "ab" * 32,
    )
    path = tmp_path / "head.npz"
    path.write_bytes(head.to_bytes())
    rows = rng.normal(size=(20, 7)).astype(np.float32)
    np.testing.assert_allclose(Head.read(path)(rows), head(rows), atol=0.02)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x05\x06" + bytes(18)])
def test_a_damaged_head_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "head.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        Head.read(path)
