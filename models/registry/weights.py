"""Weights by the name of a model, downloaded once into the cache, or by the path of a file."""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import platformdirs
from filelock import FileLock, Timeout

from models.errors import ModelError
from models.families import DetectorFamily, Task
from models.files import sha256_of, write_atomically
from models.registry.download import Progress, download
from models.registry.manifest import ModelSpec, load_manifest
from models.runtime.graph import inspect

__all__ = ["ModelSpec", "Weights", "cache_folder", "fetch", "list_models", "load_manifest"]

# Counts changes to the graphs built here; each version is another file of the cache.
_GRAPH_VERSION = 2
_WHAT = {
    "detect": "an object detector",
    "change": "a change network, which compares two satellite images",
    "faces": "a face model",
    "plates": "a detector of number plates",
}
_LOCK_TIMEOUT_S = 900  # longer than any download: a process that holds the lock longer hangs


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that are ready to run.

    Attributes:
        spec: Description of the model.
        path: The ONNX file.
        sha256: Digest of the published file, from which the ONNX file may have been built; for a
            user's own file, the digest of that file.
    """

    spec: ModelSpec
    path: Path
    sha256: str


def cache_folder(cache: Path | None = None) -> Path:
    """Return the folder of the models' cache, made if missing; in the user's cache by default.

    Raises:
        ModelError: The folder cannot be made.
    """
    folder = cache or platformdirs.user_cache_path("cv-engine", appauthor=False) / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"the models' cache {folder} cannot be made: {error.strerror}; choose another folder"
        ) from None
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on ``path``, which other processes respect, within the block.

    Raises:
        ModelError: The folder cannot be written, or another process does not release the lock.
    """
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_TIMEOUT_S):
            yield
    except Timeout:
        raise ModelError(f"another process keeps {path} locked for {_LOCK_TIMEOUT_S} s") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be written: {error.strerror or error}") from None


def list_models(cache: Path | None = None) -> list[dict[str, Any]]:
    """List the models known by name.

    Args:
        cache: Folder of the models' cache; the user's own if left out.

    Returns:
        One row per model: ``name``, ``task``, ``family``, ``input`` (pixels), ``ap`` (per cent or
        ``None``), ``licence``, ``cached`` (whether it runs without a network).
    """
    folder = cache_folder(cache)
    return [
        {
            "name": spec.name,
            "task": spec.task,
            "family": spec.family,
            "input": spec.input_size,
            "ap": spec.ap,
            "licence": spec.licence,
            "cached": _published(spec, folder).is_file(),
        }
        for spec in load_manifest().values()
    ]


def fetch(
    name_or_path: str | Path,
    *,
    cache: Path | None = None,
    family: DetectorFamily | None = None,
    classes: Sequence[str] | None = None,
    task: Task | None = None,
    progress: Progress | None = None,
) -> Weights:
    """Get a model's weights, ready to run.

    Args:
        name_or_path: A name of the manifest, or the path of an ONNX file or of a checkpoint whose
            SHA-256 is in the manifest.
        cache: Folder of the models' cache; the user's own if left out.
        family: How the output of a user's file is read; inferred by the detector if left out.
        classes: Class names of a user's file; from its metadata if left out.
        task: The task that the model must be for; any task if left out.
        progress: Called as the download proceeds.

    Returns:
        The weights.

    Raises:
        ModelError: The name is unknown, the model is for another task, or the file is damaged or
            unsuitable.
        ModelUnavailable: No source gave the file.
    """
    spec = load_manifest().get(str(name_or_path))
    if spec is None:
        weights = _from_path(name_or_path, family, classes, task, cache)
        _check_task(weights.spec, task)
        return weights
    _check_task(spec, task)
    folder = cache_folder(cache)
    published = _published(spec, folder)
    with locked(published):
        if not published.is_file() or sha256_of(published) != spec.sha256:
            download(spec, published, progress)
        return _prepare(spec, published, folder)


def _check_task(spec: ModelSpec, task: Task | None) -> None:
    """Raise an error for a model of another task than the one asked for."""
    if task is None or spec.task == task:
        return
    known = ", ".join(_names(task))
    found = _WHAT.get(spec.task, "no model")
    raise ModelError(
        f"'{spec.name}' is {found}, not {_WHAT[task]}: choose another model (known: {known})"
    )


def _names(task: Task | None) -> list[str]:
    return [name for name, spec in load_manifest().items() if task in (None, spec.task)]


def _published(spec: ModelSpec, folder: Path) -> Path:
    suffix = "pt" if spec.format == "checkpoint" else "onnx"
    return folder / f"{spec.name}-{(spec.sha256 or '')[:12]}.{suffix}"


def _prepare(spec: ModelSpec, published: Path, folder: Path) -> Weights:
    """Return the published file itself, or the graph that is built from it."""
    assert spec.sha256 is not None  # the manifest requires one
    if spec.format == "onnx":
        return Weights(spec, published, spec.sha256)
    built = folder / f"{_published(spec, folder).stem}-g{_GRAPH_VERSION}.onnx"
    if not is_intact(built):
        from models.convert.torch_checkpoint import read_checkpoint

        checkpoint = read_checkpoint(published, spec.sha256)
        store(_built(spec, checkpoint).SerializeToString(), built)
    return Weights(spec, built, spec.sha256)


def _built(spec: ModelSpec, checkpoint: dict[str, Any]) -> onnx.ModelProto:
    if spec.family == "tinycd":
        from models.convert import tinycd

        return tinycd.build(tinycd.state_of(checkpoint), metadata=spec.metadata())
    from models.convert import yolov8

    return yolov8.build(checkpoint)


def store(data: bytes, target: Path, **facts: Any) -> None:
    """Write a file made here into the cache, with a note of its digest for :func:`is_intact`."""
    note = target.with_suffix(".json")
    note.unlink(missing_ok=True)
    write_atomically(target, data)
    content = {"sha256": sha256_of(target), **facts}
    write_atomically(note, json.dumps(content, indent=1).encode())


def is_intact(path: Path) -> bool:
    """Whether a file written by :func:`store` is unchanged."""
    try:
        note = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(note["sha256"] == sha256_of(path))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _from_path(
    name_or_path: str | Path,
    family: DetectorFamily | None,
    classes: Sequence[str] | None,
    task: Task | None,
    cache: Path | None,
) -> Weights:
    path = Path(name_or_path)
    if not path.is_file():
        raise ModelError(_unknown(str(name_or_path), task))
    digest = sha256_of(path)
    if path.suffix in (".pt", ".pth"):
        return _from_checkpoint(path, digest, cache)
    graph = inspect(path)
    for spec in load_manifest().values():
        if digest == spec.sha256:
            return Weights(replace(spec, family=family or spec.family), path, digest)
    spec = ModelSpec(
        name=path.stem,
        task=graph.task,
        family=family,
        classes=tuple(classes) if classes else graph.class_names or (),
        input_size=graph.side_px,
        licence=graph.metadata.get("licence", "unknown"),
    )
    return Weights(spec, path, digest)


def _from_checkpoint(path: Path, digest: str, cache: Path | None) -> Weights:
    for spec in load_manifest().values():
        if spec.format == "checkpoint" and spec.sha256 == digest:
            folder = cache_folder(cache)
            with locked(_published(spec, folder)):
                return _prepare(spec, path, folder)
    raise ModelError(
        f"{path}: a PyTorch checkpoint is a pickle, which can run any code, and the SHA-256 of "
        f"this one ({digest}) is not in the manifest: export it to ONNX and give that file"
    )


def _unknown(text: str, task: Task | None) -> str:
    if text.endswith((".onnx", ".pt", ".pth")) or "/" in text:
        return f"{text}: there is no such file"
    names = _names(task)
    close = difflib.get_close_matches(text, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"'{text}' is no known model{hint} (known: {', '.join(names)}; or give a file's path)"
