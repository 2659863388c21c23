"""Train a plate reader: ``python -m models.plates.training.train china --out FILE``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.plates.training import pool
from models.plates.training.network import PlateNetwork

_WEIGHT_DECAY = 0.01
_LAYOUT_WEIGHT = 0.2
_FIRST_PLACE_WEIGHT = 3.0  # provinces are 31 fine characters, and there is one on each plate
_WARM_UP_STEPS = 60
_AVERAGE = 0.998  # exponential average of the weights: about 500 steps
_FIRST_AVERAGE_STEPS = 10  # while the average is young, it forgets the random start
_FIRST_SAMPLES = 6000  # that have to be rendered before training begins
_REPORT_STEPS = 100
_CHECKED = 900  # rendered plates of a seed that is not trained on

# Drawn once: noise is half of the cost of a batch.
_NOISE = np.random.default_rng(0).normal(0, 1, (400, 32, 128, 3)).astype(np.float32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", choices=sorted(pool.SCRIPTS))
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--start", type=Path, help="checkpoint to start from")
    parser.add_argument("--resume", action="store_true", help="where a run into --out stopped")
    parser.add_argument("--pool", type=Path, required=True, help="file for the rendered samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=150_000)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--decay-steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="processes that render")
    return parser.parse_args()


def _batch(
    samples: Any, ready: Any, size: int, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Take samples at random, each a little changed so that none comes twice."""
    rows = samples[np.sort(random.choice(ready, size))]
    pictures = rows["picture"].astype(np.float32)
    shifts = random.integers([-2, -4], [3, 5], (size, 2))
    for k, (dy, dx) in enumerate(shifts):
        pictures[k] = np.roll(pictures[k], (dy, dx), (0, 1))
    gain = np.exp(random.normal(0, 0.15, (size, 1, 1, 3))).astype(np.float32)
    noise = _NOISE[int(random.integers(0, len(_NOISE) - size)) :][:size].copy()
    noise *= np.abs(random.normal(0, 3, (size, 1, 1, 1))).astype(np.float32)
    pictures = np.clip(pictures * gain + noise, 0, 255)
    return (
        torch.from_numpy(pictures).permute(0, 3, 1, 2),
        torch.from_numpy(rows["places"].astype(np.int64)),
        torch.from_numpy(rows["layout"].astype(np.int64)),
    )


def _begin_with(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Take over the weights of a checkpoint, even of another country: what has the same shape."""
    own = network.state_dict()
    network.load_state_dict(
        own | {name: value for name, value in state.items() if own[name].shape == value.shape}
    )


def _averaged(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
    """Average the weights exponentially."""
    decay = min(_AVERAGE, float(1 + count) / float(_FIRST_AVERAGE_STEPS + count))
    return mean.lerp(value.to(mean.dtype), 1 - decay) if mean.is_floating_point() else value


def _rate(step: int, arguments: argparse.Namespace) -> float:
    left = (arguments.steps - step) / max(1, arguments.decay_steps)
    return float(arguments.rate * min(1.0, (step + 1) / _WARM_UP_STEPS, max(0.003, left)))


def _checked(network: nn.Module, script: pool.Script, seed: int) -> tuple[float, float]:
    """Return the share of whole plates and of characters right, on plates not trained on."""
    pictures, truths = [], []
    classes = script.country.classes
    for index in range(_CHECKED // pool.VIEWS):
        for picture, plate in pool.render(script, seed, index):
            pictures.append(picture)
            places = [classes[character] for character in plate.text]
            truths.append(places + [0] * (script.places - len(places)))
    network.eval()
    guesses = []
    with torch.no_grad():
        for k in range(0, len(pictures), 250):
            batch = torch.from_numpy(np.stack(pictures[k : k + 250])).float().permute(0, 3, 1, 2)
            guesses.append(network(batch)[0].argmax(dim=2).numpy())
    network.train()
    right = np.concatenate(guesses) == np.array(truths)
    return float(right.all(axis=1).mean()), float(right.mean())


def main() -> None:
    """Train, and write a checkpoint with the averaged weights."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    script = pool.SCRIPTS[arguments.script]
    samples = pool.start(
        arguments.pool, arguments.script, arguments.seed, arguments.samples, arguments.processes
    )
    network = PlateNetwork(
        script.places, len(script.country.characters), len(script.country.layouts), arguments.width
    ).to(memory_format=torch.channels_last)
    if arguments.start:
        _begin_with(network, torch.load(arguments.start, weights_only=True))
    average = torch.optim.swa_utils.AveragedModel(network, avg_fn=_averaged, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=_WEIGHT_DECAY)
    last = arguments.out.with_suffix(".last.pt")
    if arguments.resume:
        saved = torch.load(last, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
    random = np.random.default_rng(arguments.seed)
    while (ready := np.flatnonzero(samples["ready"])).size < min(
        _FIRST_SAMPLES, arguments.samples // 2
    ):
        time.sleep(2)
    weights = torch.ones(script.places)
    weights[0] = _FIRST_PLACE_WEIGHT
    weights = weights / weights.mean()
    mean_loss, begun = 0.0, time.monotonic()
    for step in range(arguments.steps):
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, arguments)
        pictures, places, layouts = _batch(samples, ready, arguments.batch, random)
        with torch.autocast("cpu", torch.bfloat16):
            characters, layout = network(pictures.contiguous(memory_format=torch.channels_last))
        losses = nn.functional.cross_entropy(
            characters.float().transpose(1, 2), places, label_smoothing=0.01, reduction="none"
        )
        loss = (losses * weights).mean() + _LAYOUT_WEIGHT * nn.functional.cross_entropy(
            layout.float(), layouts
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        average.update_parameters(network)
        mean_loss = 0.98 * mean_loss + 0.02 * loss.item() if step else loss.item()
        if (step + 1) % _REPORT_STEPS == 0 or step + 1 == arguments.steps:
            ready = np.flatnonzero(samples["ready"])
            line = f"step {step + 1} loss {mean_loss:.4f} pool {ready.size}"
            if (step + 1) % (5 * _REPORT_STEPS) == 0 or step + 1 == arguments.steps:
                whole, single = _checked(average.module, script, arguments.seed + 1_000_000)
                line += f" plates {whole:.4f} characters {single:.4f}"
            torch.save(average.module.state_dict(), arguments.out)
            torch.save({"network": network.state_dict(), "optimiser": optimiser.state_dict()}, last)
            print(f"{line} {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
