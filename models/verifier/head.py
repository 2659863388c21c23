"""The head: a small network from a region's description to the logit of a thing."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Head:
    """A network of one hidden layer, whose logits are calibrated.

    Attributes:
        into: Weights of the hidden units, (inputs, units), for inputs as they are.
        into_bias: Bias of the hidden units, (units,).
        out: Weights of the output, (units,).
        out_bias: Bias of the output.
        backbone: SHA-256 of the weights that the inputs must come from.
    """

    into: Floats
    into_bias: Floats
    out: Floats
    out_bias: float
    backbone: str

    def __call__(self, rows: Floats) -> Floats:
        """Return the logits (n,) of descriptions (n, inputs)."""
        hidden = np.maximum(rows @ self.into + self.into_bias, 0.0)
        return np.asarray(hidden @ self.out + self.out_bias, np.float32)

    def to_bytes(self) -> bytes:
        """Return the file's content: an ``.npz`` with the weights in half precision."""
        content = io.BytesIO()
        np.savez_compressed(
            content,
            into=self.into.astype(np.float16),
            into_bias=self.into_bias.astype(np.float32),
            out=self.out.astype(np.float32),
            out_bias=np.float32(self.out_bias),
            backbone=np.array(self.backbone),
        )
        return content.getvalue()

    @classmethod
    def read(cls, path: Path) -> Head:
        """Read a head.

        Raises:
            ModelError: The file is missing, damaged or no head.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                head = cls(
                    into=file["into"].astype(np.float32),
                    into_bias=file["into_bias"],
                    out=file["out"],
                    out_bias=float(file["out_bias"]),
                    backbone=str(file["backbone"]),
                )
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ModelError(f"{path}: cannot be read as a verifier's head: {error}") from None
        units = head.into_bias.shape
        if head.into.ndim != 2 or head.into.shape[1:] != units or head.out.shape != units:
            raise ModelError(f"{path}: the head's weights do not fit together")
        return head
