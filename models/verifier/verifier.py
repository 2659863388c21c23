"""Whether a region that has come to rest shows a thing that was not there before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.verifier.backbone import Backbone, open_backbone
from models.verifier.crops import Region
from models.verifier.features import COUNT, describe
from models.verifier.head import Head

__all__ = ["Region", "Verifier", "open_verifier"]

Floats = NDArray[np.float32]

# Written by `python -m benchmarks verifier --write`; see the README beside it.
HEAD = Path(__file__).with_name("head.npz")


class Verifier:
    """A loaded verifier, for use by one thread at a time.

    Example:
        >>> verifier = open_verifier()  # doctest: +SKIP
        >>> verifier(background, latest, regions) > 0  # more likely a thing  # doctest: +SKIP

    Attributes:
        backbone: The layers of the detector that describe the pictures.
        head: The network that judges.
    """

    def __init__(self, backbone: Backbone, head: Head) -> None:
        if head.backbone != backbone.sha256:
            raise ModelError(
                f"the verifier's head was trained on weights {head.backbone[:12]}..., but these "
                f"are {backbone.sha256[:12]}...: fetch the weights of the manifest"
            )
        if len(head.into) != COUNT:
            raise ModelError(f"the verifier's head has {len(head.into)} inputs, not {COUNT}")
        self.backbone = backbone
        self.head = head

    def __call__(self, before: Floats, now: Floats, regions: Sequence[Region]) -> Floats:
        """Judge regions.

        Args:
            before: The empty view, grey levels 0 to 255, shape (h, w).
            now: The view now, of the same shape and light.
            regions: The regions, within the pictures.

        Returns:
            For each region, the logit of the probability that a thing stands there now that did not
            before; the logits of several samples of one region may be averaged. Shape (n,).

        Raises:
            ModelError: The backbone fails.
        """
        return self.head(describe(self.backbone, before, now, regions))


def open_verifier(*, cache: Path | None = None, threads: int = 1) -> Verifier:
    """Open the verifier.

    Args:
        cache: Folder of the models' cache, from which the backbone comes; the user's own if left
            out.
        threads: CPU threads.

    Raises:
        ModelError: The backbone's weights cannot be fetched, or the head is damaged.
    """
    return Verifier(open_backbone(cache=cache, threads=threads), Head.read(HEAD))
