from __future__ import annotations

import numpy as np
import pytest

from satellite.imagery.bands import Role
from satellite.imagery.sampling import sample_windows
from satellite.imagery.stretch import Span, spans_of


def test_a_span_is_linear_and_saturates() -> None:
    values = np.array([[-5, 0, 80, 200, 300, 65535]], np.float32)
    expected = [[0, 0, 102, 255, 255, 255]]
    assert Span(0, 200).picture(values).tolist() == expected
    assert Span(0, 200).picture(values.astype(np.int32)).tolist() == expected
    assert Span(0, 200).picture(np.abs(values[:, 1:]).astype(np.uint16)).tolist() == [
        expected[0][1:]
    ]


def test_haze_is_removed_and_colours_are_kept() -> None:
    rng = np.random.default_rng(0)
    light = rng.random(100_000) * 0.2
    samples: dict[Role, np.ndarray] = {
        "red": light + 0.01,
        "green": light * 0.8 + 0.03,
        "blue": light * 0.6 + 0.06,
        "nir": light * 3 + 0.02,
    }
    spans = spans_of(samples)
    widths = {role: span.high - span.low for role, span in spans.items()}
    assert widths["red"] == widths["green"] == widths["blue"] == pytest.approx(0.197, abs=0.003)
    assert widths["nir"] == pytest.approx(0.59, abs=0.01)
    assert spans["blue"].low == pytest.approx(0.06, abs=0.002)


@pytest.mark.parametrize(("width", "height"), [(50, 40), (960, 96), (961, 5000), (40_000, 30_000)])
def test_sample_windows_are_few_and_spread_evenly(width: int, height: int) -> None:
    windows = list(sample_windows(width, height))
    assert len(windows) <= 100
    for window in windows:
        assert 0 <= window.col_off <= width - window.width
        assert 0 <= window.row_off <= height - window.height
    area = sum(window.width * window.height for window in windows)
    assert area <= 100 * 96 * 96
    if width <= 960 and height <= 960:
        assert area == width * height
    assert max(window.col_off + window.width for window in windows) > 0.9 * width
