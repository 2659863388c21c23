"""Settings of a training."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from satellite.errors import SatelliteError

# Pixel size of the network's grid relative to the sensor's. The small network is trained from
# random weights, on the sensor's own pixels four times as fast as on pixels of half the side, and
# as well. With TinyCD's published weights at 2 m, F1 on LEVIR-CD's tiles is 0.61 on a grid of 0.5
# m, where the picture is so smooth that they find no edges, 0.90 at 0.8 m, 0.86 at 1 m and 0.32 at
# 2 m, where houses are smaller than in their training data. The detector enlarges pictures by as
# much, and no further.
_GRID_SHARE = {"tinycd": 0.4, "small": 1.0}
_FINEST_M = 0.5  # pixel size of the pictures on which the published weights were trained

Architecture = Literal["tinycd", "small"]
Tuned = Literal["decoder", "all"]

# Both networks halve their input three times and double it again.
SIDE_MULTIPLE_PX = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained.

    Attributes:
        network: TinyCD, or the project's own small network.
        resolution_m: Resolution of the sensor, metres per pixel; finer labelled tiles are degraded
            to it.
        grid_m: Pixel size of the network's grid, metres, to which pictures are resampled. 0:
            derived from the resolution, see :attr:`pixel_m`.
        side_px: Side of the training crops, pixels of the grid; TinyCD, whose instance
            normalisation depends on the side, is later run on tiles of this size.
        tuned: The trained part of a network with initial weights: the decoder after its backbone,
            or all. On eight tiles the decoder is better; all is for hundreds of tiles.
        epochs: Number of passes over the labelled tiles.
        draws: Crops of each tile per epoch.
        batch: Crops per step.
        rate: Highest learning rate of AdamW; falls to 0 along a cosine.
        decay: Weight decay of AdamW.
        insertions: Mean number of buildings inserted into a crop.
        share: Share of the trained weights in the result, where training starts from weights; the
            interpolation keeps more of what these had learned (Wortsman et al., "Robust fine-tuning
            of zero-shot models", 2022, whose default this is).
        seed: Seed of every random choice; on the same machine it gives the same weights.
        threads: Number of CPU threads.
        device: A torch device, or ``"auto"``: CUDA where available.
    """

    network: Architecture = "tinycd"
    resolution_m: float = 2.0
    grid_m: float = 0.0
    side_px: int = 160
    tuned: Tuned = "decoder"
    epochs: int = 8
    draws: int = 2
    batch: int = 4
    rate: float = 3e-3
    decay: float = 1e-2
    insertions: float = 2.0
    share: float = 0.5
    seed: int = 0
    threads: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuses values that are out of range.

        Raises:
            SatelliteError: A number is out of range.
        """
        if self.side_px <= 0 or self.side_px % SIDE_MULTIPLE_PX:
            raise SatelliteError(
                f"side_px is {self.side_px}: crops must be a multiple of {SIDE_MULTIPLE_PX} pixels"
            )
        for name in ("resolution_m", "pixel_m", "epochs", "draws", "batch", "rate", "threads"):
            if not getattr(self, name) > 0:
                raise SatelliteError(f"{name} is {getattr(self, name)}: it must be more than 0")
        if not 0 < self.share <= 1:
            raise SatelliteError(f"share is {self.share}: it must be more than 0, at most 1")

    @classmethod
    def of(cls, network: Architecture, *, pretrained: bool) -> Settings:
        """The default settings of a network.

        Args:
            network: The kind of network.
            pretrained: Whether training starts from weights; from random ones it takes far longer.
        """
        usual = cls(network)
        if network == "small":
            usual = replace(usual, side_px=64)
        if pretrained:
            return usual
        return replace(usual, epochs=80, draws=4, batch=8, rate=5e-3, insertions=4.0)

    @property
    def pixel_m(self) -> float:
        """Pixel size of the network's grid, metres."""
        return self.grid_m or max(_FINEST_M, _GRID_SHARE[self.network] * self.resolution_m)

    @property
    def digest(self) -> str:
        """A digest of the settings that a resumed training must share with the interrupted one.

        ``share`` is not among them, since the weights are interpolated after the training.
        """
        facts = {k: v for k, v in asdict(self).items() if k not in ("share", "threads", "device")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
