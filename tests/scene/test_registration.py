"""Where a view lies in an earlier picture of it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cv_engine.scene.pose import Pose
from cv_engine.scene.pyramid import Pyramid
from cv_engine.scene.registration import aligned, follow
from tests.tracking.scenes import HEIGHT, WIDTH, Corners, Gray, put, shot, texture

SIZE = (160, 96)
VIEW = texture(3, *SIZE, 40, 210, grain=9).astype(np.uint8)


def _seen(zoom: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.uint8]:
    matrix = cv2.getRotationMatrix2D((SIZE[0] / 2, SIZE[1] / 2), degrees, zoom)
    matrix += np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    moved = cv2.warpAffine(VIEW, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


@pytest.mark.parametrize(
    ("zoom", "degrees", "shift"),
    [(1.0, 0.0, (9.0, -5.0)), (1.08, 0.0, (0.0, 0.0)), (1.0, 4.0, (2.0, 1.0))],
)
def test_a_moved_view_is_aligned(zoom: float, degrees: float, shift: tuple[float, float]) -> None:
    seen = _seen(zoom, degrees, shift)
    back = aligned(seen, VIEW)
    assert back is not None
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(back[inner].astype(np.float32) - VIEW[inner]).mean() < 6.0
    assert np.abs(seen[inner].astype(np.float32) - VIEW[inner]).mean() > 15.0


def test_a_picture_without_edges_cannot_be_aligned() -> None:
    flat = np.full(SIZE[::-1], 90, np.uint8)
    assert aligned(flat, VIEW) is None
    assert aligned(flat, flat) is None


def _follow(picture: Gray, empty: NDArray[np.float32], last: Pose) -> Pose:
    return follow(Pyramid.of(picture), Pyramid.of(empty), last)


class TestFollow:
    """Sample by sample, from the place in the sample before."""

    STREET = texture(3, WIDTH, HEIGHT, 40, 210, grain=14)
    EMPTY = STREET.astype(np.float32)
    LORRY: Corners = (80, 60, 190, 172)  # a fifth of the picture
    SWAYED = Pose(1.02, 0.01, 4.0, -3.0)

    def _shows(
        self,
        pose: Pose,
        seed: int = 0,
        light: tuple[float, float] = (1.0, 0.0),
        passing: Corners | None = None,
    ) -> Gray:
        size = (WIDTH, HEIGHT)
        drawn = np.asarray(
            cv2.warpAffine(self.STREET, pose.matrix, size, borderMode=cv2.BORDER_REFLECT),
            np.float64,
        )
        if passing is not None:
            put(drawn, passing, 99)
        return shot(drawn, seed, *light)

    def _pose(self, zoom: float, degrees: float, shift: tuple[float, float]) -> Pose:
        """About the middle of the picture."""
        a, b = (zoom * of(math.radians(degrees)) for of in (math.cos, math.sin))
        x, y = WIDTH / 2, HEIGHT / 2
        return Pose(a, b, x - a * x + b * y + shift[0], y - b * x - a * y + shift[1])

    def _error_px(self, found: Pose, true: Pose) -> float:
        """Of the corner that is farthest off."""
        return found.after(true.inverse()).displacement((WIDTH, HEIGHT))

    @pytest.mark.parametrize(
        ("light", "passing"),
        [
            pytest.param((1.0, 0.0), None, id="as-it-was"),
            pytest.param((0.9, 5.0), None, id="other-light"),
            pytest.param((1.1, 0.0), LORRY, id="other-light-and-a-lorry"),
        ],
    )
    @pytest.mark.parametrize(
        ("zoom", "degrees", "shift"),
        [
            pytest.param(1.0, 0.0, (6.0, -4.0), id="shift"),
            pytest.param(1.0, 0.0, (1.0, 0.0), id="a-pixel"),
            pytest.param(1.05, 0.0, (0.0, 0.0), id="zoomed-in"),
            pytest.param(0.95, 0.0, (0.0, 0.0), id="zoomed-out"),
            pytest.param(1.0, 1.5, (0.0, 0.0), id="turn"),
            pytest.param(1.02, -1.0, (4.0, -3.0), id="all-at-once"),
        ],
    )
    def test_a_camera_that_sways_is_followed(
        self,
        zoom: float,
        degrees: float,
        shift: tuple[float, float],
        light: tuple[float, float],
        passing: Corners | None,
    ) -> None:
        true = self._pose(zoom, degrees, shift)
        found = _follow(self._shows(true, 1, light, passing), self.EMPTY, Pose())
        assert self._error_px(found, true) < 0.5

    @pytest.mark.parametrize("gain", [0.5, 0.7, 1.4])
    def test_in_another_light_it_sways_too(self, gain: float) -> None:
        """The empty view keeps the light of its first picture."""
        found = _follow(self._shows(self.SWAYED, 1, (gain, 0.0)), self.EMPTY, Pose())
        assert self._error_px(found, self.SWAYED) < 0.5

    def test_a_large_zoom_is_found_within_a_few_samples(self) -> None:
        true, last = self._pose(1.1, 0.0, (0.0, 0.0)), Pose()
        for n in range(4):
            last = _follow(self._shows(true, n), self.EMPTY, last)
        assert self._error_px(last, true) < 0.5

    def test_no_other_view_is_taken_for_it(self) -> None:
        others = [texture(100 + n, WIDTH, HEIGHT, 40, 210, grain=9 + n % 15) for n in range(30)]
        found = [_follow(shot(other, 1), self.EMPTY, Pose()) for other in others]
        assert [n for n, pose in enumerate(found) if not pose.is_identity] == []

    @pytest.mark.parametrize("last", [Pose(), SWAYED], ids=["at-first", "swayed"])
    @pytest.mark.parametrize(
        "light", [(1.0, 0.0), (0.9, 5.0), (0.6, 0.0), (1.4, 0.0), (1.0, 25.0), (1.0, -25.0)]
    )
    def test_a_fixed_camera_stays_exactly_where_it_was(
        self, light: tuple[float, float], last: Pose
    ) -> None:
        for n, left in enumerate(range(-100, WIDTH, 50)):
            passing = (left, 50, left + 110, 162)
            assert _follow(self._shows(last, n, light, passing), self.EMPTY, last) is last

    @pytest.mark.parametrize("last", [Pose(), SWAYED], ids=["at-first", "swayed"])
    def test_without_edges_nothing_can_be_told(self, last: Pose) -> None:
        flat = shot(np.full((HEIGHT, WIDTH), 90.0), 1)
        assert _follow(flat, np.full((HEIGHT, WIDTH), 90, np.float32), last) is last
        assert _follow(flat, self.EMPTY, last) is last
        assert _follow(self._shows(self.SWAYED), flat.astype(np.float32), last) is last

    @pytest.mark.parametrize("last", [Pose(), SWAYED], ids=["at-first", "swayed"])
    def test_another_view_is_nowhere(self, last: Pose) -> None:
        other = texture(77, WIDTH, HEIGHT, 40, 210, grain=11)
        assert _follow(shot(other, 1), self.EMPTY, last) is last

    def test_a_view_farther_off_is_another_view(self) -> None:
        far = Pose(dx=0.5 * WIDTH)
        assert _follow(self._shows(far), self.EMPTY, Pose()) == Pose()

    @pytest.mark.parametrize(
        ("step_px", "within_px"),
        [
            pytest.param(1.0, 0.5, id="a-pixel-a-sample"),
            pytest.param(4.0, 0.5, id="in-gusts"),
            # A step so short hardly shows: it is made up for later.
            pytest.param(0.2, 1.5, id="slow"),
        ],
    )
    def test_a_drift_is_followed_step_by_step(self, step_px: float, within_px: float) -> None:
        """To five per cent of the width, and back."""
        far = round(0.05 * WIDTH / step_px)
        last = Pose()
        for n in [*range(far + 1), *range(far, -1, -1)]:
            true = Pose(dx=-step_px * n, dy=0.5 * step_px * n)
            last = _follow(self._shows(true, n % 50), self.EMPTY, last)
            assert self._error_px(last, true) < within_px
