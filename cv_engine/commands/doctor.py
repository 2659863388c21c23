"""Checks of the installation: what the program stands on, and what to do where something is missing."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import Format
from cv_engine.commands.session import Session
from cv_engine.config.settings import Config

_PACKAGES = ("av", "numpy", "opencv-python-headless", "supervision", "shapely", "sqlalchemy")
_RUNTIMES = ("onnxruntime", "openvino")
_DECODERS = ("h264", "hevc", "mjpeg", "mpeg4", "vp9", "av1")
_LITTLE_SPACE_BYTES = 2 * 1024**3  # some hundred cases with their clips
_BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this is wrong: times go into evidence


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What was checked.
        state: ``"ok"``, ``"warning"`` (it works, with a drawback) or ``"failed"``.
        found: What was found.
        advice: What to do, empty where all is well.
    """

    name: str
    state: str
    found: str
    advice: str = ""

    def row(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def examine(config: Config) -> Iterator[Check]:
    """Check the installation for this configuration, one thing at a time; never raises."""
    for name, check in _CHECKS.items():
        try:
            yield check(config)
        except Exception as error:
            yield Check(name, "failed", f"{type(error).__name__}: {error}", "reinstall: make setup")


def tell(session: Session) -> ExitCode:
    """Print every check; failed where the program cannot do its main job."""
    checks = []
    colours = {"ok": "green", "warning": "yellow", "failed": "bold red"}
    for check in examine(session.config):
        checks.append(check)
        if session.format is Format.JSONL:
            session.line(check.row())
            continue
        advice = f" -> {check.advice}" if check.advice else ""
        mark = f"[{colours[check.state]}]{check.state:8}[/]"
        session.out.print(f"{mark}{check.name:12} {escaped(check.found + advice)}")
    failed = any(check.state == "failed" for check in checks)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _python(_: Config) -> Check:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok", found)


def _packages(_: Config) -> Check:
    found, missing = _versions(_PACKAGES)
    if missing:
        return Check("packages", "failed", f"missing: {', '.join(missing)}", "run make setup")
    return Check("packages", "ok", found)


def _runtimes(_: Config) -> Check:
    found, missing = _versions(_RUNTIMES)
    if len(missing) == len(_RUNTIMES):
        return Check("runtimes", "failed", "none", "run make setup")
    from models.runtime.runtime import has_bf16, has_openvino

    if not has_openvino():
        return Check("runtimes", "warning", found, "OpenVINO would be faster where it has a wheel")
    return Check("runtimes", "ok", f"{found}{', with bf16' if has_bf16() else ''}")


def _versions(names: tuple[str, ...]) -> tuple[str, list[str]]:
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    return ", ".join(found), missing


def _weights(config: Config) -> Check:
    from models.registry.weights import cache_folder, list_models

    model = config.detector.model
    known = {row["name"]: row for row in list_models()}
    if model not in known:
        there = Path(model).is_file()
        advice = "" if there else "correct detector.model in the configuration"
        return Check("weights", "ok" if there else "failed", model, advice)
    if not known[model]["cached"]:
        return Check(
            "weights", "warning", f"{model} is not cached", f"run cv-engine models pull {model}"
        )
    return Check("weights", "ok", f"{model} ({known[model]['licence']}) in {cache_folder()}")


def _codecs(_: Config) -> Check:
    from av import codecs_available, library_versions

    missing = [name for name in _DECODERS if name not in codecs_available]
    version = ".".join(str(part) for part in library_versions["libavcodec"])
    if missing:
        return Check(
            "codecs", "warning", f"no decoder for {', '.join(missing)}", "install av from its wheel"
        )
    return Check("codecs", "ok", f"libavcodec {version} with {', '.join(_DECODERS)}")


def _data(config: Config) -> Check:
    folder = config.data
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return Check(
            "data folder", "failed", f"{folder} cannot be written", "choose another: --data"
        )
    free = shutil.disk_usage(folder).free
    found = f"{config.data}, {free / 1024**3:.1f} GB free"
    if free < _LITTLE_SPACE_BYTES:
        return Check("data folder", "warning", found, "make room: evidence needs a few MB per case")
    return Check("data folder", "ok", found)


def _queue(config: Config) -> Check:
    where = config.queue
    if not (isinstance(where, str) and "://" in where) and not Path(where).is_file():
        return Check("queue", "ok", "none yet; the first analysis makes it")
    from cv_engine.cases import open_queue

    with open_queue(where) as queue:
        return Check("queue", "ok", f"{queue.count()} cases")


def _clock(_: Config) -> Check:
    now = datetime.now(UTC)
    found = f"{now.isoformat(timespec='seconds')}, local offset {time.strftime('%z')}"
    if now < _BUILT:
        return Check("clock", "failed", found, "set the clock: times go into the evidence")
    return Check("clock", "ok", found)


_CHECKS: dict[str, Callable[[Config], Check]] = {
    "python": _python,
    "packages": _packages,
    "runtimes": _runtimes,
    "weights": _weights,
    "codecs": _codecs,
    "data folder": _data,
    "queue": _queue,
    "clock": _clock,
}
