"""The command ``cv-engine doctor``: checks of the installation."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.config import Config

_PACKAGES = ("av", "numpy", "opencv-python-headless", "supervision", "shapely", "sqlalchemy")
_RUNTIMES = ("onnxruntime", "openvino")
_DECODERS = ("h264", "hevc", "mjpeg", "mpeg4", "vp9", "av1")
_LEAST_FREE_BYTES = 2 * 1024**3  # a few hundred cases with their clips
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # a clock that shows an earlier time is wrong


def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Check the installation, and report how to fix what is missing."""
    raise typer.Exit(_print_checks(Session(config, data, format)))


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: The part of the installation that was checked.
        state: ``"ok"``, ``"warning"`` (works with a drawback) or ``"failed"``.
        found: What was found.
        advice: How to fix a problem; empty where there is none.
    """

    name: str
    state: str
    found: str
    advice: str = ""

    def row(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return asdict(self)


def examine(config: Config) -> Iterator[Check]:
    """Check the installation for a configuration, one part at a time; never raises."""
    for name, check in _CHECKS.items():
        try:
            yield check(config)
        except Exception as error:
            yield Check(name, "failed", f"{type(error).__name__}: {error}", "reinstall: make setup")


def _print_checks(session: Session) -> ExitCode:
    """Print every check; the exit code is 1 where one failed."""
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
        return Check(
            "runtimes", "warning", found, "OpenVINO is faster; install it where it has a wheel"
        )
    return Check("runtimes", "ok", f"{found}{', with bf16' if has_bf16() else ''}")


def _versions(names: tuple[str, ...]) -> tuple[str, list[str]]:
    from importlib import metadata

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
        exists = Path(model).is_file()
        advice = "" if exists else "correct detector.model in the configuration"
        return Check("weights", "ok" if exists else "failed", model, advice)
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
    if free < _LEAST_FREE_BYTES:
        return Check(
            "data folder", "warning", found, "free disk space: evidence needs a few MB per case"
        )
    return Check("data folder", "ok", found)


def _queue(config: Config) -> Check:
    where = config.queue
    if not (isinstance(where, str) and "://" in where) and not Path(where).is_file():
        return Check("queue", "ok", "none yet; the first analysis creates it")
    from cv_engine.cases import open_queue

    with open_queue(where) as queue:
        return Check("queue", "ok", f"{queue.count()} cases")


def _clock(_: Config) -> Check:
    now = datetime.now(UTC)
    found = f"{now.isoformat(timespec='seconds')}, local offset {time.strftime('%z')}"
    if now < _EARLIEST:
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
