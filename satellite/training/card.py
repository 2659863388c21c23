"""The model card: what a network was trained on, how good it is, and under which terms it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from satellite.training.scores import Counts
from satellite.training.settings import Settings
from satellite.training.validation import Validation, pooled

# Terms of published weights, by the SHA-256 of their file; they bind whatever is trained from them.
_TERMS = {
    "743645b87199c96bd0c3271ae5df6f0918b3f1d84618dfb9396843ca08ee4a3e": (
        "TinyCD's published LEVIR-CD weights: research and comparison only, no commercial use"
    )
}
_UNSTATED = "not stated: ask whoever made them before anyone uses what was trained with them"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a network comes from.

    Attributes:
        data: What it learned from, in words.
        tiles: Number of labelled tiles.
        verdicts: Number of cases with a verdict.
        land: Number of pictures without labels.
        terms: Terms of the data, as its user states them; ``None`` where nobody did.
        weights_sha256: SHA-256 of the file of weights that training began with; ``None`` for none.
        trained: The day.
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
        """Terms that bind whoever uses the network."""
        found = [f"data: {self.terms or _UNSTATED}"]
        if self.weights_sha256 is not None:
            found.append(f"first weights: {_TERMS.get(self.weights_sha256, _UNSTATED)}")
        return found


def card(
    origin: Origin, settings: Settings, validation: Validation | None, sha256: str, parameters: int
) -> str:
    """Writes the card.

    Args:
        origin: What the network comes from.
        settings: How it was trained.
        validation: Its figures; ``None`` where none were taken.
        sha256: Of the ONNX file.
        parameters: Number of trained values.

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


_NO_FIGURES = "None were taken. Compare it on labelled tiles of your own before you rely on it."


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
        else "random: nobody else's",
        "parameters": f"{parameters:,}",
        "sensor": f"{settings.resolution_m:g} m; pictures are resampled to {settings.pixel_m:g} m for it",
        "training": f"{settings.epochs} epochs of {settings.draws} crops of each tile, "
        f"{settings.side_px} px, batch {settings.batch}, AdamW, rate {settings.rate:g}, "
        f"decay {settings.decay:g}, tuned: {tuned}, {settings.insertions:g} insertions, seed {settings.seed}",
    }
    return "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items())


def _figures(validation: Validation) -> str:
    head = (
        "Pixels of tiles that the network did not learn from: each fold of tiles was left out once, and "
        "a network trained like this one on the rest.\n\n"
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
        "\n\n`before` is with the first weights, on pictures of the same resolution. Tiles without change "
        "have an F1 of 0 whatever is found. `blurred and noisy`: all pixels, seen by a poor sensor of this "
        "resolution.\n\n"
        f"Probabilities are calibrated: logits times {scale.scale:.3f} plus {scale.bias:.3f}, by the program "
        "with what the file says. "
        f"Expected calibration error on tiles left out: {validation.error_raw:.3f} without, "
        f"{validation.error:.3f} with it."
    )
    return head + "\n".join(rows) + tail


def _row(name: str, before: Counts | None, after: Counts) -> str:
    first = "" if before is None else f"{before.f1:.3f}"
    figures = (after.f1, after.precision, after.recall, after.iou)
    return f"| {name} | {first} | " + " | ".join(f"{value:.3f}" for value in figures) + " |"


def _limits(settings: Settings) -> str:
    return (
        f"- Meant for pictures of {settings.resolution_m:g} m. Sharper ones lie outside of what it has "
        "seen.\n"
        "- Labelled tiles that are neighbours or of one scene make figures look better than they are "
        "elsewhere: judge by places, seasons and sensors that are not in the data.\n"
        "- Demolition is the same network with the dates exchanged; it was taught mostly by exchanged "
        "dates and inserted buildings."
    )


def metadata(
    origin: Origin, settings: Settings, validation: Validation | None
) -> Mapping[str, str]:
    """What goes into the ONNX file, so that it is not lost when the card is.

    Args:
        origin: What the network comes from.
        settings: How it was trained.
        validation: Its figures; its calibration goes into the file.

    Returns:
        Texts by the names that :class:`models.change.ChangeNetwork` knows, and some more:
        ``resolution_m`` is there the pixel of the network's own grid, ``sensor_m`` the images'.
    """
    found = {
        "resolution_m": f"{settings.pixel_m:g}",
        "sensor_m": f"{settings.resolution_m:g}",
        "licence": "; ".join(origin.all_terms),
        "training": f"{origin.data}, by satellite.training on {origin.trained.isoformat()}",
    }
    if settings.network == "tinycd":  # the small one is the same at any size
        found["imgsz"] = f"[{settings.side_px}, {settings.side_px}]"
    if validation is not None:
        found["held_out_f1"] = f"{pooled(validation.after).f1:.4f}"
        found["calibration"] = validation.calibration.to_text()
    return found
