"""What is decided about a training before it starts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Literal

from satellite.errors import SatelliteError

# Pixel of the network's grid against the sensor's. The small network learns from nothing, and does so four
# times as fast on the sensor's own pixels as on ones of half the side, and as well. With TinyCD's published weights at 2 m, F1 on LEVIR-CD's
# tiles is 0.61 on a grid of 0.5 m, where the picture is so smooth that they see no edges, 0.90 on one of
# 0.8 m, 0.86 at 1 m and 0.32 at 2 m, where houses are smaller than any they know. The detector enlarges
# pictures as much, and no further.
_GRID_SHARE = {"tinycd": 0.4, "small": 1.0}
_FINEST_M = 0.5  # pixel of the pictures that those weights learned from

Architecture = Literal["tinycd", "small"]
Tuned = Literal["decoder", "all"]

# Both networks halve their input three times and double it again.
SIDE_MULTIPLE_PX = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained.

    Attributes:
        network: TinyCD, or the project's own small network.
        resolution_m: What the sensor resolves, metres per pixel; finer labelled tiles are degraded to it.
        grid_m: Pixel of the grid on which the network works, metres; pictures are resampled to it. 0: as
            fits the resolution, see :attr:`pixel_m`.
        side_px: Side of the crops that the network sees while it learns, pixels of that grid; TinyCD, whose
            instance normalisation depends on it, is run on tiles of this size later.
        tuned: What is trained of a network that begins with weights: only what follows its backbone, or all.
            On eight tiles the first is better; all is for hundreds of them.
        epochs: Times that the network goes through the labelled tiles.
        draws: Crops from each tile and epoch.
        batch: Crops per step.
        rate: Highest step size of AdamW; it falls to 0 along a cosine.
        decay: Weight decay of AdamW.
        insertions: Buildings put into a crop on average.
        share: Of the trained weights in the result, where training begins with weights: mixed with those, it
            keeps more of what they knew (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022,
            whose default this is).
        seed: Of every random choice; the same seed on the same machine gives the same weights.
        threads: CPU threads.
        device: A torch device, or ``"auto"``: CUDA where there is one.
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
        """Refuses what cannot work.

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
        """What suits a network.

        Args:
            network: Which.
            begun: Whether it begins with weights; from nothing it has far more to learn.
        """
        usual = cls(network)
        if network == "small":
            usual = replace(usual, side_px=64)
        if pretrained:
            return usual
        return replace(usual, epochs=80, draws=4, batch=8, rate=5e-3, insertions=4.0)

    @property
    def pixel_m(self) -> float:
        """Side of the pixels of the network's grid, metres."""
        return self.grid_m or max(_FINEST_M, _GRID_SHARE[self.network] * self.resolution_m)

    @property
    def digest(self) -> str:
        """Tells a training from one with other settings: what was begun is only continued alike.

        The weights are mixed after it.
        """
        facts = {k: v for k, v in asdict(self).items() if k not in ("share", "threads", "device")}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
