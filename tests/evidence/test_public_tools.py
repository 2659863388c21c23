"""The steps that docs/evidence.md shows: a bare folder, public tools, and not this program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evidence.test_flipped import keys_of_authority, whole

__all__ = ["keys_of_authority", "whole"]

_TOOLS = ("jq", "sha256sum", "openssl", "basenc")
pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in _TOOLS), reason=f"needs {', '.join(_TOOLS)}"
)
_GUIDE = Path(__file__).parents[2] / "docs/evidence.md"
SAID = ("", "Signature Verified Successfully", "Verification: OK", "Time stamp: ")


def _steps() -> list[str]:
    """The shell commands of the section, block by block."""
    section = _GUIDE.read_text().partition("## Without this program\n")[2]
    blocks = re.findall(r"(?:^    .+\n)+", section, re.MULTILINE)
    return [re.sub("^    ", "", block, flags=re.MULTILINE) for block in blocks]


def _run(step: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-euo", "pipefail", "-c", step]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def package(whole: Path, tmp_path: Path) -> Path:
    """The bare folder, away from its queue and keys."""
    return shutil.copytree(whole, tmp_path / "bare" / whole.name)


def test_every_step_accepts_the_package(package: Path) -> None:
    steps = _steps()
    assert len(steps) == len(SAID)
    for step, said in zip(steps, SAID, strict=True):
        done = _run(step, package)
        assert done.returncode == 0, (step, done.stderr)
        assert said in done.stdout if said else done.stdout == ""


@pytest.mark.parametrize(
    ("number", "path"),
    [
        (0, "original/overview-end.jpg"),
        (0, "original/clip-frames.csv"),
        (1, "manifest.sig"),
        (1, "manifest.json"),
        (2, "manifest.json"),
        (2, "timestamp/authority.pem"),
    ],
)
def test_a_step_refuses_a_changed_file(package: Path, number: int, path: str) -> None:
    content = bytearray((package / path).read_bytes())
    content[len(content) // 2] ^= 1
    (package / path).write_bytes(content)
    assert _run(_steps()[number], package).returncode != 0
