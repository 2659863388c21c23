"""The model card: training data, accuracy and terms of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from satellite.training.scores import Counts
from satellite.training.settings import Settings
from satellite.training.validation import Validation, pooled

# Terms of published weights by the SHA-256 of their file; they bind every network trained from
# them.
_TERMS = {
    "743645b87199c96bd0c3271ae5df6f0918b3f1d84618dfb9396843ca08ee4a3e": (
        "TinyCD's published LEVIR-CD weights: research and comparison only, no commercial use"
    )
}
_UNSTATED = "not stated: ask the authors before use of anything that was trained with them"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a network.

    Attributes:
        data: Description of the training data.
        tiles: Number of labelled tiles.
        verdicts: Number of cases with a verdict.
        land: Number of pictures without labels.
        terms: Terms of the data as stated by the user; ``None`` where not stated.
        weights_sha256: SHA-256 of the file of initial weights; ``None`` without one.
        trained: Date of the training.
    """

    data: str
    tiles: int
    verdicts: int
    land: int
    terms: str | None
    weights_sha256: str | None
    trained: date

    @property
    def all_terms(self) -> list[str]:
        """Terms that bind every user of the network."""
        found = [f"data: {self.terms or _UNSTATED}"]
        if self.weights_sha256 is not None:
            found.append(f"first weights: {_TERMS.get(self.weights_sha256, _UNSTATED)}")
        return found


def card(
    origin: Origin, settings: Settings, validation: Validation | None, sha256: str, parameters: int
) -> str:
    """Writes the model card.

    Args:
        origin: Origin of the network.
        settings: Settings of the training.
        validation: Figures of the network; ``None`` without any.
        sha256: Hex digest of the ONNX file.
        parameters: Number of trained parameters.

    Returns:
        Markdown.
    """
    parts = [
        f"# Change network `{settings.network}`, {settings.resolution_m:g} m",
        _facts(origin, settings, sha256, parameters),
        "## Terms\n\n" + "\n".join(f"- {line}" for line in origin.all_terms),
        "## Figures\n\n" + (_figures(validation) if validation else _NO_FIGURES),
        "## Limits\n\n" + _limits(settings),
    ]
    return "\n\n".join(parts) + "\n"


_NO_FIGURES = (
    "Not measured. Compare the network on labelled tiles of your own before you rely on it."
)


def _facts(origin: Origin, settings: Settings, sha256: str, parameters: int) -> str:
    pretrained = origin.weights_sha256 is not None
    tuned = f"{settings.tuned}, share {settings.share:g}" if pretrained else "all"
    rows = {
        "file": f"`model.onnx`, SHA-256 `{sha256}`",
        "trained": f"{origin.trained.isoformat()} by `satellite.training`",
        "data": f"{origin.data}: {origin.tiles} labelled tiles, {origin.verdicts} verdicts, "
        f"{origin.land} pictures without labels",
        "first weights": f"SHA-256 `{origin.weights_sha256}`"
        if origin.weights_sha256
        else "random",
        "parameters": f"{parameters:,}",
        "sensor": f"{settings.resolution_m:g} m; pictures are resampled to {settings.pixel_m:g} m",
        "training": f"{settings.epochs} epochs of {settings.draws} crops of each tile, "
        f"{settings.side_px} px, batch {settings.batch}, AdamW, rate {settings.rate:g}, "
        f"decay {settings.decay:g}, tuned: {tuned}, {settings.insertions:g} insertions, "
        f"seed {settings.seed}",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _figures(validation: Validation) -> str:
    head = (
        "Pixels of tiles that the network was not trained on: each fold of tiles was left out "
        "once, and a network trained like this one on the rest.\n\n"
        "| tile | F1 before | F1 | precision | recall | IoU |\n|---|---|---|---|---|---|\n"
    )
    rows = [
        _row(name, validation.before.get(name), counts) for name, counts in validation.after.items()
    ]
    before = pooled(validation.before) if validation.before else None
    rows.append(_row("**all pixels**", before, pooled(validation.after)))
    rows.append(_row("**calibrated**", None, pooled(validation.calibrated)))
    if validation.poor_after:
        before = pooled(validation.poor_before) if validation.poor_before else None
        rows.append(_row("**blurred and noisy**", before, pooled(validation.poor_after)))
    scale = validation.calibration
    tail = (
        "\n\n`before` is with the initial weights, on pictures of the same resolution. Tiles "
        "without change have an F1 of 0 whatever is found. `blurred and noisy`: all pixels, seen "
        "by a degraded sensor of this resolution.\n\n"
        f"Probabilities are calibrated: logits times {scale.scale:.3f} plus {scale.bias:.3f}, by "
        "the program with the values in the file. "
        f"Expected calibration error on tiles left out: {validation.error_raw:.3f} without, "
        f"{validation.error:.3f} with calibration."
    )
    return head + "\n".join(rows) + tail


def _row(name: str, before: Counts | None, after: Counts) -> str:
    first = "" if before is None else f"{before.f1:.3f}"
    figures = (after.f1, after.precision, after.recall, after.iou)
    return f"| {name} | {first} | " + " | ".join(f"{value:.3f}" for value in figures) + " |"


def _limits(settings: Settings) -> str:
    return (
        f"- Meant for pictures of {settings.resolution_m:g} m. Sharper ones are outside of the "
        "training data.\n"
        "- Labelled tiles that are neighbours or of one scene make figures look better than "
        "they are elsewhere: judge by places, seasons and sensors that are not in the data.\n"
        "- Demolition is found by the same network with the dates exchanged, trained mostly on "
        "exchanged dates and inserted buildings."
    )


def metadata(
    origin: Origin, settings: Settings, validation: Validation | None
) -> Mapping[str, str]:
    """The metadata of the ONNX file, which keep the essentials of the card.

    Args:
        origin: Origin of the network.
        settings: Settings of the training.
        validation: Figures of the network; their calibration is included.

    Returns:
        Texts by the keys that :class:`models.change.ChangeNetwork` reads, and more:
        ``resolution_m`` is the pixel size of the network's own grid, ``sensor_m`` of the images.
    """
    found = {
        "resolution_m": f"{settings.pixel_m:g}",
        "sensor_m": f"{settings.resolution_m:g}",
        "licence": "; ".join(origin.all_terms),
        "training": f"{origin.data}, by satellite.training on {origin.trained.isoformat()}",
    }
    if settings.network == "tinycd":  # the small network does not depend on the size
        found["imgsz"] = f"[{settings.side_px}, {settings.side_px}]"
    if validation is not None:
        found["held_out_f1"] = f"{pooled(validation.after).f1:.4f}"
        found["calibration"] = validation.calibration.to_text()
    return found
