from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from satellite.errors import SatelliteError
from satellite.training.batches import CropSampler
from satellite.training.settings import Settings
from tests.satellite.training.places import place

torch = pytest.importorskip("torch", reason="training is an extra; torch is not installed")

from satellite.training.fit import fit, loss_of, open_network, predict  # noqa: E402

SETTINGS = Settings(
    network="small", resolution_m=0.5, grid_m=0.5, side_px=64, epochs=4, batch=4, draws=2, rate=0.01
)
PLACES = [place(seed=i, name=str(i)) for i in range(4)]


def _weights(network: object) -> dict[str, np.ndarray]:
    return {name: values.numpy().copy() for name, values in network.state_dict().items()}  # type: ignore[attr-defined]


def test_a_network_learns_to_find_new_houses() -> None:
    settings = replace(SETTINGS, epochs=10, insertions=0.0)
    network = open_network(settings)
    losses: list[float] = []
    fit(
        network,
        CropSampler(PLACES, settings),
        frozen=False,
        report=lambda _, loss: losses.append(loss),
    )
    assert losses[-1] < losses[0]
    unseen = place(seed=99)
    found = predict(network, unseen, settings)
    assert found.shape == unseen.appeared.shape
    assert found[unseen.appeared > 0].mean() > found[unseen.appeared == 0].mean() + 0.1


class _Cut(Exception):
    """Interrupts a training."""


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = open_network(SETTINGS)
    fit(whole, CropSampler(PLACES, SETTINGS), frozen=False)

    def cut(epoch: int, _: float) -> None:
        if epoch == 2:
            raise _Cut

    interrupted = open_network(SETTINGS)
    with pytest.raises(_Cut):
        fit(interrupted, CropSampler(PLACES, SETTINGS), frozen=False, folder=tmp_path, report=cut)
    epochs: list[int] = []
    resumed = open_network(SETTINGS)
    crops = CropSampler(PLACES, SETTINGS)
    fit(resumed, crops, frozen=False, folder=tmp_path, report=lambda e, _: epochs.append(e))
    assert epochs == [3, 4]
    wanted = _weights(whole)
    assert all(np.array_equal(values, wanted[name]) for name, values in _weights(resumed).items())


@pytest.mark.parametrize("change", ["settings", "samples", "damaged"])
def test_a_checkpoint_of_another_training_is_ignored(tmp_path: Path, change: str) -> None:
    settings = replace(SETTINGS, epochs=1, draws=1)
    fit(open_network(settings), CropSampler(PLACES, settings), frozen=False, folder=tmp_path)
    places = PLACES
    if change == "settings":
        settings = replace(settings, rate=0.02)
    elif change == "samples":
        places = PLACES[1:]
    else:
        (tmp_path / "checkpoint.pt").write_bytes(b"cut short")
    epochs: list[int] = []
    crops = CropSampler(places, settings)
    report = lambda e, _: epochs.append(e)  # noqa: E731
    fit(open_network(settings), crops, frozen=False, folder=tmp_path, report=report)
    assert epochs == [1]


def test_frozen_batch_statistics_do_not_change() -> None:
    settings = replace(SETTINGS, epochs=1)
    network = open_network(settings)
    first = _weights(network)
    fit(network, CropSampler(PLACES, replace(settings, tuned="all")), frozen=True)
    last = _weights(network)
    assert np.array_equal(first["encoder.0.0.1.running_mean"], last["encoder.0.0.1.running_mean"])
    assert not np.array_equal(first["encoder.0.0.0.weight"], last["encoder.0.0.0.weight"])


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_features_do_not_change(frozen: bool) -> None:
    network = open_network(SETTINGS)
    first = _weights(network)
    fit(network, CropSampler(PLACES, replace(SETTINGS, epochs=1)), frozen=frozen)
    changed = {n for n, values in _weights(network).items() if not np.array_equal(values, first[n])}
    assert "head.weight" in changed
    assert any(name.startswith("encoder.") for name in changed) is not frozen


def test_weights_are_interpolated_after_fine_tuning() -> None:
    found = []
    for share in (1.0, 0.5):
        settings = replace(SETTINGS, epochs=1, share=share)
        network = open_network(settings)
        first = _weights(network)["head.weight"]
        fit(network, CropSampler(PLACES, settings), frozen=True)
        found.append(_weights(network)["head.weight"])
    assert np.allclose(found[1], (first + found[0]) / 2, atol=1e-6)
    assert not np.allclose(found[1], found[0], atol=1e-6)


def test_unknown_pixels_do_not_affect_the_loss() -> None:
    logits = torch.randn(2, 1, 8, 8, requires_grad=True)
    truth, known = torch.ones(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    known[0] = 1
    loss_of(logits, truth, known).backward()
    assert logits.grad[0].abs().min() > 0
    assert logits.grad[1].abs().max() == 0


def test_better_predictions_have_a_lower_loss() -> None:
    truth = (torch.rand(1, 1, 16, 16) > 0.8).float()
    known = torch.ones_like(truth)
    losses = [float(loss_of(k * (2 * truth - 1), truth, known)) for k in (-3.0, 0.0, 3.0, 9.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.01


def test_predictions_are_on_the_samples_own_pixels() -> None:
    network = open_network(SETTINGS)
    for side in (50, 64, 75):
        sample = place(side=side, houses=0)
        assert predict(network, sample, replace(SETTINGS, resolution_m=2.0)).shape == (side, side)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(open_network(SETTINGS).state_dict(), path)
    assert open_network(SETTINGS, path) is not None
    with pytest.raises(SatelliteError, match="not weights of the network 'tinycd'"):
        open_network(Settings(), path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(SatelliteError, match="not a readable PyTorch file"):
        open_network(SETTINGS, path)
    with pytest.raises(SatelliteError, match="cannot be read"):
        open_network(SETTINGS, tmp_path / "none.pt")
