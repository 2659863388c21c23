"""Training of one network, and what it then says of a place."""

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

Network = Any  # torch is not there where types are checked
Tensor = Any

Report = Callable[[int, float], None]
"""Called after each epoch with its number from 1 and the mean loss in it."""

# The rate rises to its highest over this share of the steps: Adam's moments are noise at first.
_WARM_UP = 0.05
_GRADIENT_LIMIT = 1.0  # norm; a crop with odd content must not throw the weights about
# Names of what turns a picture into features, in each of the networks.
_FEATURES = ("_backbone.", "encoder.")
_CHECKPOINT = "checkpoint.pt"


def open_network(settings: Settings, weights: Path | None = None) -> Network:
    """Makes a network.

    Args:
        settings: Which one, and the seed of its first weights.
        weights: A PyTorch file of its parameters by name; without it they are random.

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
    """What a PyTorch file holds, read as data: none of its pickle's code is run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SatelliteError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SatelliteError(f"{path}: not a readable PyTorch file: {reason}") from None


def device_of(settings: Settings) -> str:
    """The torch device that settings mean."""
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

    What begins with weights ends between these and what training made of them: at the settings' ``share``.

    Args:
        network: What :func:`open_network` made.
        course: What it learns from, and the settings.
        frozen: It begins with weights that learned from many pictures: keep the means and variances of
            their batch normalisation, which are better than what batches of a few give, and what the
            settings say is not tuned.
        folder: Where its state is kept after each epoch. A training that was cut off goes on from
            there; one with other settings or samples begins anew.
        report: Told how far it is.

    Raises:
        SatelliteError: The loss is no number any more.
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
                f"training broke down in epoch {epoch + 1}: choose a lower rate than {settings.rate}"
            )
        _save_checkpoint(network, optimiser, folder, key, epoch + 1)
        if report is not None:
            report(epoch + 1, sum(losses) / len(losses))
    if frozen:
        _interpolate_weights(network, first, settings.share)
    network.eval()


def _optimiser(network: Network, settings: Settings, *, frozen: bool) -> Any:
    """AdamW for what is tuned; the rest is held."""
    for name, values in network.named_parameters():
        held = frozen and settings.tuned == "decoder" and name.startswith(_FEATURES)
        values.requires_grad_(not held)
    tuned = [values for values in network.parameters() if values.requires_grad]
    return torch.optim.AdamW(tuned, lr=settings.rate, weight_decay=settings.decay)


def _key(network: Network, crops: CropSampler, *, frozen: bool) -> str:
    """Tells a training from any other: the settings, what is learned from, the first weights."""
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
    """What of the highest rate is used: a short rise, then half a cosine down to 0."""
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
    """Binary cross entropy, and the Dice loss of the batch, which does not mind how rare change is.

    Args:
        logits: ``(n, 1, height, width)``.
        appeared: The truth, 0 to 1.
        known: 0 where there is none.

    Returns:
        A scalar.
    """
    each = functional.binary_cross_entropy_with_logits(logits, appeared, reduction="none")
    entropy = (each * known).sum() / known.sum().clamp(min=1.0)
    found, truth = torch.sigmoid(logits) * known, appeared * known
    # The 1 keeps crops without any change from dividing nothing by nothing.
    overlap = (2 * (found * truth).sum() + 1) / (found.sum() + truth.sum() + 1)
    return entropy + 1 - overlap


def _interpolate_weights(network: Network, first: Mapping[str, Tensor], share: float) -> None:
    """Moves the weights back to where they began, but for a share of the way."""
    for name, values in network.state_dict().items():
        if values.is_floating_point():
            values.copy_(first[name].lerp(values, share))


def _load_checkpoint(network: Network, optimiser: Any, folder: Path | None, key: str) -> int:
    """Epochs that are done already; network and optimiser are then as they were after these."""
    if folder is None or not (folder / _CHECKPOINT).exists():
        return 0
    # What cannot be read or is of another training is no reason to stop: it is then trained anew.
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
    """What a network says of a place that the sensor of the settings sees.

    Args:
        network: A trained network, on the device of the settings or the CPU.
        sample: The place; finer pictures than the sensor's are degraded to it.
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
