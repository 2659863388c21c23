"""Trains one network, and runs it on samples."""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional

from satellite.errors import SatelliteError
from satellite.imagery.views import Probability
from satellite.training.batches import Batch, CropSampler, to_input
from satellite.training.network import TinyCD
from satellite.training.samples import Sample
from satellite.training.sensor import Sensor
from satellite.training.settings import SIDE_MULTIPLE_PX, Settings
from satellite.training.small import Small

Network = Any  # torch is missing where types are checked
Tensor = Any

Report = Callable[[int, float], None]
"""Called after each epoch with its number from 1 and its mean loss."""

# Share of the steps over which the rate rises to its maximum: Adam's moments are noise at first.
_WARM_UP = 0.05
_GRADIENT_LIMIT = 1.0  # norm; bounds the effect of crops with unusual content
# Prefixes of the feature extractor's parameters, in each of the networks.
_FEATURES = ("_backbone.", "encoder.")
_CHECKPOINT = "checkpoint.pt"


def open_network(settings: Settings, weights: Path | None = None) -> Network:
    """Makes a network.

    Args:
        settings: Kind of network, and the seed of random weights.
        weights: A PyTorch file of parameters by name; random ones without it.

    Returns:
        The network on the CPU.

    Raises:
        SatelliteError: The file cannot be read, or is of another network.
    """
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    network = TinyCD() if settings.network == "tinycd" else Small()
    if weights is not None:
        try:
            network.load_state_dict(_loaded(weights), strict=True)
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise SatelliteError(
                f"{weights}: not weights of the network '{settings.network}': {reason}"
            ) from None
    return network


def _loaded(path: Path) -> Any:
    """The content of a PyTorch file, loaded as data: no code in its pickle is executed."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SatelliteError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SatelliteError(f"{path}: not a readable PyTorch file: {reason}") from None


def device_of(settings: Settings) -> str:
    """The torch device for some settings."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def fit(
    network: Network,
    crops: CropSampler,
    *,
    frozen: bool,
    folder: Path | None = None,
    report: Report | None = None,
) -> None:
    """Trains a network in place.

    With initial weights the result is interpolated between them and the trained weights, by the
    settings' ``share``.

    Args:
        network: A network from :func:`open_network`.
        crops: Source of the training data, with the settings.
        frozen: Whether the network has pretrained weights: the means and variances of its batch
            normalisation are kept, which are better than those of small batches, and so are the
            parameters that the settings exclude from tuning.
        folder: Folder of the checkpoint after each epoch, from which an interrupted training is
            resumed. A training with other settings or samples starts from the first epoch.
        report: Called after each epoch.

    Raises:
        SatelliteError: The loss is not finite.
    """
    settings, device = crops.settings, device_of(crops.settings)
    network.to(device)
    first = {name: values.clone() for name, values in network.state_dict().items()}
    optimiser = _optimiser(network, settings, frozen=frozen)
    key = _key(network, crops, frozen=frozen)
    for epoch in range(_load_checkpoint(network, optimiser, folder, key), settings.epochs):
        _set_mode(network, frozen=frozen)
        losses = []
        for number, batch in enumerate(crops.epoch(epoch)):
            rate = settings.rate * _rate_factor(epoch + number / crops.steps, settings.epochs)
            losses.append(_step(network, optimiser, batch, rate, device))
        if not math.isfinite(sum(losses)):
            raise SatelliteError(
                f"training diverged in epoch {epoch + 1}: choose a lower rate than {settings.rate}"
            )
        _save_checkpoint(network, optimiser, folder, key, epoch + 1)
        if report is not None:
            report(epoch + 1, sum(losses) / len(losses))
    if frozen:
        _interpolate_weights(network, first, settings.share)
    network.eval()


def _optimiser(network: Network, settings: Settings, *, frozen: bool) -> Any:
    """AdamW for the tuned parameters; the others are frozen."""
    for name, values in network.named_parameters():
        held = frozen and settings.tuned == "decoder" and name.startswith(_FEATURES)
        values.requires_grad_(not held)
    tuned = [values for values in network.parameters() if values.requires_grad]
    return torch.optim.AdamW(tuned, lr=settings.rate, weight_decay=settings.decay)


def _key(network: Network, crops: CropSampler, *, frozen: bool) -> str:
    """A digest that identifies a training: settings, training data, initial weights."""
    digest = hashlib.sha256(f"{crops.settings.digest} {frozen}".encode())
    for sample in (*crops.samples, *crops.land):
        digest.update(sample.name.encode())
        for layer in (sample.before, sample.after, sample.appeared, sample.gone, sample.known):
            digest.update(layer.tobytes())
    for values in network.state_dict().values():
        digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()


def _set_mode(network: Network, *, frozen: bool) -> None:
    network.train()
    for module in network.modules():
        if frozen and isinstance(module, torch.nn.BatchNorm2d):
            module.eval()


def _rate_factor(epoch: float, epochs: int) -> float:
    """Factor of the highest rate: a short warm-up, then half a cosine down to 0."""
    passed = epoch / epochs
    return min(1.0, (passed + 1e-3) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * passed))


def _step(network: Network, optimiser: Any, batch: Batch, rate: float, device: str) -> float:
    for group in optimiser.param_groups:
        group["lr"] = rate
    before, after, appeared, known = (
        torch.from_numpy(layer).to(device)
        for layer in (batch.before, batch.after, batch.appeared, batch.known)
    )
    loss = loss_of(network(before, after), appeared, known)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_LIMIT)
    optimiser.step()
    return float(loss.detach())


def loss_of(logits: Tensor, appeared: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy plus the Dice loss of the batch, which is insensitive to rare change.

    Args:
        logits: ``(n, 1, height, width)``.
        appeared: The truth, 0 to 1.
        known: 0 where the truth is unknown, else 1.

    Returns:
        A scalar.
    """
    each = functional.binary_cross_entropy_with_logits(logits, appeared, reduction="none")
    entropy = (each * known).sum() / known.sum().clamp(min=1.0)
    found, truth = torch.sigmoid(logits) * known, appeared * known
    # Added 1 avoids a division by zero for crops without change.
    overlap = (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return entropy + 1 - overlap


def _interpolate_weights(network: Network, first: Mapping[str, Tensor], share: float) -> None:
    """Interpolates from the initial weights to the trained ones by ``share``."""
    for name, values in network.state_dict().items():
        if values.is_floating_point():
            values.copy_(first[name].lerp(values, share))


def _load_checkpoint(network: Network, optimiser: Any, folder: Path | None, key: str) -> int:
    """Restores network and optimiser from a checkpoint; returns the number of finished epochs."""
    if folder is None or not (folder / _CHECKPOINT).exists():
        return 0
    # An unreadable checkpoint, or one of another training, is ignored.
    with suppress(SatelliteError):
        kept = _loaded(folder / _CHECKPOINT)
        if isinstance(kept, dict) and kept.get("key") == key:
            network.load_state_dict(kept["network"])
            optimiser.load_state_dict(kept["optimiser"])
            return int(kept["epochs"])
    return 0


def _save_checkpoint(
    network: Network, optimiser: Any, folder: Path | None, key: str, epochs: int
) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "key": key,
        "epochs": epochs,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    part = folder / f".{_CHECKPOINT}"
    torch.save(state, part)
    part.replace(folder / _CHECKPOINT)


def predict(
    network: Network, sample: Sample, settings: Settings, sensor: Sensor | None = None
) -> Probability:
    """Runs a network on a sample, as the settings' sensor would image it.

    Args:
        network: A trained network, on the settings' device or the CPU.
        sample: The sample; pictures finer than the sensor's are degraded to it.
        settings: Resolution and grid.
        sensor: Another sensor; its noise follows the settings' seed.

    Returns:
        Probability ``(height, width)`` that a building appeared, on the sample's own pixels.
    """
    sensor = sensor or Sensor(settings.resolution_m)
    rng = np.random.default_rng(settings.seed)
    inputs = []
    for picture in (sample.before, sample.after):
        seen = to_input(sensor.simulate(picture, sample.pixel_m, settings.pixel_m, rng))
        missing = [-side % SIDE_MULTIPLE_PX for side in seen.shape[1:]]
        padded = np.pad(seen, ((0, 0), (0, missing[0]), (0, missing[1])), "symmetric")
        inputs.append(torch.from_numpy(padded[None]).to(next(network.parameters()).device))
    network.eval()
    with torch.inference_mode():
        found = torch.sigmoid(network(*inputs))[0, 0].cpu().numpy()
    found = found[: seen.shape[1], : seen.shape[2]]
    size = sample.known.shape[::-1]
    return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_LINEAR), np.float32)
