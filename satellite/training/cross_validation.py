"""Cross-validation: the accuracy of a network on samples that were left out of its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from satellite.errors import SatelliteError
from satellite.imagery.views import Probability
from satellite.training.batches import CropSampler
from satellite.training.fit import Network, fit, open_network, predict
from satellite.training.samples import Sample
from satellite.training.scores import Counts
from satellite.training.sensor import Sensor
from satellite.training.settings import Settings
from satellite.training.validation import Validation, validate

FoldReport = Callable[[int, int, float], None]
"""Called after each epoch with the fold's number from 1, the epoch's number, and the mean loss."""


def cross_validate(
    samples: Sequence[Sample],
    settings: Settings,
    folder: Path,
    *,
    weights: Path | None = None,
    folds: int | None = None,
    others: Sequence[Sample] = (),
    land: Sequence[Sample] = (),
    report: FoldReport | None = None,
) -> Validation:
    """Trains a network for each fold without that fold, and evaluates it on the fold.

    Args:
        samples: Labelled samples, sorted by name.
        settings: Settings of each training.
        folder: Folder for each fold's checkpoint; finished epochs are not repeated.
        weights: Initial weights of each training.
        folds: Number of folds; neighbours in the list stay together, since tiles of one scene have
            similar names. Default: each sample is a fold.
        others: Samples used in every training but not evaluated.
        land: Unlabelled samples.
        report: Called after each epoch.

    Returns:
        The figures.

    Raises:
        SatelliteError: There are fewer than two folds.
    """
    count = len(samples) if folds is None else min(folds, len(samples))
    if count < 2:
        raise SatelliteError(
            f"{count} fold of {len(samples)} labelled tiles: give two tiles or more, or 0 folds to "
            "train without figures"
        )
    groups = [[int(i) for i in part] for part in np.array_split(np.arange(len(samples)), count)]
    degraded = Sensor(settings.resolution_m).degraded()
    first: dict[str, Probability] = {}
    last: dict[str, Probability] = {}
    poor_first: dict[str, Counts] = {}
    poor_last: dict[str, Counts] = {}
    for number, group in enumerate(groups, 1):
        held = [samples[i] for i in group]
        rest = [sample for i, sample in enumerate(samples) if i not in group]
        network = open_network(settings, weights)
        if weights is not None:
            first |= {sample.name: predict(network, sample, settings) for sample in held}
            poor_first |= _counted(network, held, settings, degraded)
        crops = CropSampler([*rest, *others], settings, land)
        kept = folder / f"fold-{number:03d}"
        fold_report = None if report is None else partial(report, number)
        fit(network, crops, frozen=weights is not None, folder=kept, report=fold_report)
        last |= {sample.name: predict(network, sample, settings) for sample in held}
        poor_last |= _counted(network, held, settings, degraded)
    found = validate([[samples[i] for i in group] for group in groups], first, last)
    return replace(found, poor_before=poor_first, poor_after=poor_last)


def _counted(
    network: Network, samples: Sequence[Sample], settings: Settings, sensor: Sensor
) -> dict[str, Counts]:
    found = {sample.name: predict(network, sample, settings, sensor) for sample in samples}
    return {s.name: Counts.of(found[s.name], s.appeared, s.known) for s in samples}
