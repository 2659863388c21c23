"""What a network is shown in an epoch: crops of the samples, varied anew each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from satellite.imagery.views import Picture
from satellite.training.augment import cropped, relit, shifted, swapped, turned, unchanged
from satellite.training.insertion import Cutout, cutouts, inserted
from satellite.training.samples import Sample
from satellite.training.sensor import Sensor, resized
from satellite.training.settings import Settings

Floats = NDArray[np.float32]

# Share of crops whose dates are swapped: the network must tell new buildings from demolished ones.
_SWAPPED = 0.2
# Share of crops that show one date twice, but for light and shift: nothing changed there.
_UNCHANGED = 0.15
_ZOOM = (0.9, 1.3)
# Residual misregistration of pairs that the program has aligned, sensor pixels, and some more.
_SHIFT_PX = 0.75
_ROUNDING = 1e-3  # of means over pixels: a share of 1 comes out as nearly 1
# Mean and standard deviation of ImageNet's colours, 0 to 1: what TinyCD's backbone was trained with.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops for one step.

    Attributes:
        before: float32 ``(n, 3, side, side)``, normalised.
        after: The same of the later date.
        appeared: float32 ``(n, 1, side, side)``, 0 to 1: share of a pixel that new buildings cover.
        known: The same: 0 where nothing is known.
    """

    before: Floats
    after: Floats
    appeared: Floats
    known: Floats


@dataclass(slots=True)
class CropSampler:
    """Draws crops from samples, as a sensor would see them.

    Attributes:
        samples: Labelled places.
        land: Places without labels, drawn like the others; see :func:`~satellite.training.samples.read_land`.
        settings: Sizes, resolution and seed.
    """

    samples: Sequence[Sample]
    settings: Settings
    land: Sequence[Sample] = ()
    _buildings: list[Cutout] = field(init=False)

    def __post_init__(self) -> None:
        """Cuts out the buildings that will be inserted."""
        self._buildings = cutouts(self.samples)

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self._places) * self.settings.draws // self.settings.batch)

    @property
    def _places(self) -> list[Sample]:
        return [*self.samples, *self.land]

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Counts from 0; the same number gives the same batches, so that a training that was
                cut off goes on as if it had not been.

        Yields:
            Batches; the last one may be smaller.
        """
        rng = np.random.default_rng((self.settings.seed, number))
        places = self._places
        order = np.concatenate([rng.permutation(len(places)) for _ in range(self.settings.draws)])
        for start in range(0, len(order), self.settings.batch):
            chosen = order[start : start + self.settings.batch]
            crops = [self._crop(self._varied(places[i], rng), rng) for i in chosen]
            yield Batch(*(np.stack(layers) for layers in zip(*crops, strict=True)))

    def _varied(self, sample: Sample, rng: np.random.Generator) -> Sample:
        side_m = self.settings.side_px * self.settings.pixel_m
        sample = turned(cropped(sample, side_m, rng.uniform(*_ZOOM), rng), rng)
        if rng.random() < _UNCHANGED:
            sample = unchanged(sample, rng)
        sample = inserted(sample, self._buildings, self.settings.insertions, rng)
        sample = shifted(sample, _SHIFT_PX * self.settings.resolution_m, rng)
        if rng.random() < _SWAPPED:
            sample = swapped(sample)
        return relit(sample, rng)

    def _crop(
        self, sample: Sample, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats, Floats]:
        side, grid_m = self.settings.side_px, self.settings.pixel_m
        sensor = Sensor(self.settings.resolution_m).varied(rng)
        pictures = [
            resized(
                sensor.simulate(picture, sample.pixel_m, grid_m, rng), side, side, cv2.INTER_LINEAR
            )
            for picture in (sample.before, sample.after)
        ]
        masks = [
            cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)[None]
            for mask in (sample.appeared, sample.known)
        ]
        appeared, known = (np.asarray(mask, np.float32) for mask in masks)
        entirely = np.asarray(known > 1 - _ROUNDING, np.float32)
        return to_input(pictures[0]), to_input(pictures[1]), appeared, entirely


def to_input(picture: Picture) -> Floats:
    """A picture as a network takes it.

    Args:
        picture: uint8 ``(height, width, 3)`` RGB.

    Returns:
        float32 ``(3, height, width)``, normalised with ImageNet's mean and standard deviation.
    """
    scaled = (picture.astype(np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 0))
