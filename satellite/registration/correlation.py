"""Measures the sub-pixel shift between two small windows of the same ground.

Windows are correlated by their gradients, which are invariant to light, gain and season; changed
ground correlates with nothing and so adds noise, not bias (orientation correlation: Fitch et al.
2002, BMVC; Tzimiropoulos et al. 2010, IEEE Trans. PAMI 32). The peak is located between pixels by
evaluating the inverse transform there (Guizar-Sicairos et al. 2008, Optics Letters 33).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Gradients = NDArray[np.complex64]
Spectrum = NDArray[np.complex64]
Surface = NDArray[np.float32]

# Small gradients are noise and count in proportion to their length, larger ones by direction alone.
# The bound is in means of the window's own gradients, so that gain does not matter; and at least so
# many grey levels per pixel.
_SOFT = 0.7
_LEAST_SOFT = 0.05
# Whitening of the spectrum, 0 (a broad peak) to 1 (phase correlation: noise counts as much as
# structure). Between 0.5 and 0.8 most chips have a clear peak, on the tiles tried.
_WHITENED = 0.5
# Distance in pixels within which gradients are affected by the edge of nodata.
_EDGE_PX = 7
# Sub-pixel search: offsets around the highest whole-pixel shift.
_FINE = np.arange(-20, 21) / 20.0


@dataclass(frozen=True, slots=True)
class Peak:
    """The best match of two windows.

    Attributes:
        dx: Shift along x, pixels: the second window shows at x + dx what the first shows at x.
        dy: Shift along y, pixels.
        height: Correlation at the peak, in standard deviations of all searched shifts. On different
            ground the highest of 841 shifts reaches 4.2 once in a hundred times.
    """

    dx: float
    dy: float
    height: float


def texture(grey: Grey, valid: NDArray[np.bool_]) -> float:
    """Root mean square gradient of a window's valid pixels ``(h, w)``, grey levels per pixel."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0).astype(np.float32)
    down, across = np.diff(smooth, axis=0)[:, 1:], np.diff(smooth, axis=1)[1:]
    squares = down * down + across * across
    if not valid.all():
        inside = cv2.erode(valid.astype(np.uint8), np.ones((_EDGE_PX, _EDGE_PX), np.uint8))
        squares = squares[inside[1:, 1:] > 0]
    return float(np.sqrt(squares.mean())) if squares.size else 0.0


def weighted_centre(valid: Grey) -> tuple[float, float]:
    """Centre (x, y) of a window, weighted as in its correlation, pixels.

    Args:
        valid: 1 where the window is valid, 0 elsewhere.
    """
    weights = _window_function(*valid.shape) * valid
    total = max(float(weights.sum()), 1e-9)
    height, width = valid.shape
    x = float(weights.sum(axis=0) @ (np.arange(width) + 0.5)) / total
    return x, float(weights.sum(axis=1) @ (np.arange(height) + 0.5)) / total


def correlate(
    before: Grey, after: Grey, before_valid: Grey | None = None, after_valid: Grey | None = None
) -> Spectrum:
    """Cross power spectrum of the gradients of two windows of the same shape.

    Args:
        before: Grey levels ``(h, w)``.
        after: Grey levels of the other window.
        before_valid: 1 where ``before`` is valid, 0 elsewhere; ``None`` if all of it is.
        after_valid: 1 where ``after`` is valid, 0 elsewhere; ``None`` if all of it is.
    """
    first, second = _gradients(before, before_valid), _gradients(after, after_valid)
    spectrum = np.conj(scipy.fft.fft2(first)) * scipy.fft.fft2(second)
    return np.asarray(spectrum / (np.abs(spectrum) + 1e-9) ** _WHITENED, np.complex64)


def surface(spectrum: Spectrum, reach: int) -> Surface:
    """Correlation at whole shifts of up to ``reach`` pixels.

    Returns:
        ``(2 reach + 1, 2 reach + 1)``, zero shift in the middle; mean 0, standard deviation 1.
    """
    full = scipy.fft.ifft2(spectrum).real
    wrapped = np.arange(-reach, reach + 1)
    part = full[np.ix_(wrapped, wrapped)]
    part = part - part.mean()
    return np.asarray(part / max(float(part.std()), 1e-12), np.float32)


def find_peak(spectrum: Spectrum, reach: int, within: int | None = None) -> Peak:
    """Finds the shift at which two windows match best.

    Args:
        spectrum: Cross power spectrum of the windows.
        reach: Largest shift, pixels, of the correlations against which the height is measured.
        within: Largest shift that is accepted, pixels; ``None``: ``reach``.
    """
    around = surface(spectrum, reach)
    middle = reach if within is None else within
    inner = around[reach - middle : reach + middle + 1, reach - middle : reach + middle + 1]
    row, col = divmod(int(inner.argmax()), inner.shape[1])
    dx, dy = _subpixel_shift(spectrum, col - middle, row - middle)
    return Peak(dx, dy, float(inner[row, col]))


def _gradients(grey: Grey, valid: Grey | None) -> Gradients:
    """Gradients as complex numbers of length 1 at most, tapered towards the window's edge."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (5, 5), 1.0)
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    length = cv2.magnitude(across, down)
    soft = _SOFT * max(float(length.mean()), _LEAST_SOFT)
    scale = _window_function(*grey.shape) / (length + np.float32(soft))
    if valid is not None:
        scale = scale * cv2.erode(valid, np.ones((_EDGE_PX, _EDGE_PX), np.uint8))
    complex_valued = np.empty(grey.shape, np.complex64)
    complex_valued.real, complex_valued.imag = across * scale, down * scale
    return complex_valued


def _subpixel_shift(spectrum: Spectrum, dx: int, dy: int) -> tuple[float, float]:
    """The best shift near a whole one: the inverse transform as two matrix products."""
    height, width = spectrum.shape
    down = _fourier_rows(height) * np.exp(2j * np.pi * dy * scipy.fft.fftfreq(height))
    across = _fourier_rows(width) * np.exp(2j * np.pi * dx * scipy.fft.fftfreq(width))
    fine = (down.astype(np.complex64) @ spectrum @ across.astype(np.complex64).T).real
    y, x = divmod(int(fine.argmax()), fine.shape[1])
    return float(dx + _FINE[x]), float(dy + _FINE[y])


@lru_cache(maxsize=8)
def _fourier_rows(length: int) -> NDArray[np.complex128]:
    return np.asarray(np.exp(2j * np.pi * np.outer(_FINE, scipy.fft.fftfreq(length))))


@lru_cache(maxsize=8)
def _window_function(height: int, width: int) -> NDArray[np.float32]:
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), np.float32)
