"""Batches of augmented random crops of the samples, for each epoch."""

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

# Share of crops with swapped dates: the network must distinguish construction from demolition.
_SWAPPED = 0.2
# Share of crops that show one date twice, except light and shift: unchanged ground.
_UNCHANGED = 0.15
_ZOOM = (0.9, 1.3)
# Residual misregistration of aligned pairs, with a margin, sensor pixels.
_SHIFT_PX = 0.75
_ROUNDING = 1e-3  # tolerance of averages over pixels: a share of 1 is computed as nearly 1
# Mean and standard deviation of ImageNet's colours, 0 to 1, with which TinyCD's backbone was
# trained.
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops for one training step.

    Attributes:
        before: float32 ``(n, 3, side, side)``, normalised.
        after: float32 ``(n, 3, side, side)`` of the later date, normalised.
        appeared: float32 ``(n, 1, side, side)``, 0 to 1: share of a pixel covered by new buildings.
        known: float32 ``(n, 1, side, side)``: 0 where the truth is unknown, else 1.
    """

    before: Floats
    after: Floats
    appeared: Floats
    known: Floats


@dataclass(slots=True)
class CropSampler:
    """Draws augmented crops from samples, as a sensor would image them.

    Attributes:
        samples: Labelled samples.
        land: Unlabelled samples, drawn like the others; see
            :func:`~satellite.training.samples.read_land`.
        settings: Sizes, resolution and seed.
    """

    samples: Sequence[Sample]
    settings: Settings
    land: Sequence[Sample] = ()
    _buildings: list[Cutout] = field(init=False)

    def __post_init__(self) -> None:
        """Cuts out the buildings to insert."""
        self._buildings = cutouts(self.samples)

    @property
    def steps(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self._places) * self.settings.draws // self.settings.batch)

    @property
    def _places(self) -> list[Sample]:
        return [*self.samples, *self.land]

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch.

        Args:
            number: Number of the epoch, from 0; the same number gives the same batches, so that a
                resumed training repeats the uninterrupted one.

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
    """Converts a picture to a network's input.

    Args:
        picture: uint8 ``(height, width, 3)`` RGB.

    Returns:
        float32 ``(3, height, width)``, normalised with ImageNet's mean and standard deviation.
    """
    scaled = (picture.astype(np.float32) / 255 - MEAN) / DEVIATION
    return np.ascontiguousarray(np.moveaxis(scaled, -1, 0))
