"""Verification finds every change, and raises no error for any content of a folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify


def _files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file())


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "package")


def _resigned(package: Path, change: Callable[[dict[str, Any]], None], key: SigningKey) -> None:
    """Forges a package: changes the manifest and signs it again."""
    manifest = json.loads((package / "manifest.json").read_bytes())
    change(manifest)
    data = json.dumps(manifest).encode()
    (package / "manifest.json").write_bytes(data)
    (package / "manifest.sig").write_bytes(key.sign(data))


def test_untouched_package(written: Path, key: SigningKey) -> None:
    assert verify(written) == []
    assert verify(written, key.fingerprint) == []
    pairs = [key.fingerprint[i : i + 2] for i in range(0, 64, 2)]
    assert verify(written, ":".join(pairs).upper()) == []
    assert [problem.where for problem in verify(written, "0" * 64)] == ["manifest.json"]


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_tampering_is_found(written: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        package = shutil.copytree(written, Path(folder) / "package")
        victim = data.draw(st.sampled_from(_files(package)))
        how = data.draw(st.sampled_from(["flip", "append", "truncate", "delete", "add", "folder"]))
        content = bytearray(victim.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        if how == "flip":
            content[at] ^= 1 << data.draw(st.integers(0, 7))
            victim.write_bytes(content)
        elif how == "append":
            victim.write_bytes(content + data.draw(st.binary(min_size=1, max_size=9)))
        elif how == "truncate":
            victim.write_bytes(content[:at])
        elif how == "delete":
            victim.unlink()
        elif how == "add":
            victim.with_name("added" + victim.suffix).touch()
        else:
            victim.with_name("added").mkdir()
        assert verify(package)


def test_links_and_other_things_are_found(copy: Path, tmp_path: Path) -> None:
    picture = copy / "original" / "overview-start.jpg"
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to(tmp_path / "elsewhere.jpg")  # the same bytes, but not in the package
    (copy / "shareable").rename(tmp_path / "shareable")
    (copy / "shareable").symlink_to(tmp_path / "shareable")
    os.mkfifo(copy / "pipe")
    (copy / "loop").symlink_to(copy)
    found = {problem.where for problem in verify(copy)}
    assert {"original/overview-start.jpg", "shareable/overview-start.jpg", "pipe", "loop"} <= found


def test_linked_manifest_and_signature_are_refused(copy: Path, tmp_path: Path) -> None:
    for name in ("manifest.sig", "manifest.json"):
        (copy / name).rename(tmp_path / name)
        (copy / name).symlink_to(tmp_path / name)
        assert [str(problem) for problem in verify(copy)] == [f"{name}: is not a regular file"]


def test_hostile_file_names_are_escaped(copy: Path) -> None:
    Path(os.fsdecode(os.fsencode(copy) + b"/\xff\n\x1b[2J")).touch()
    assert [problem.where for problem in verify(copy)] == ["'\\udcff\\n\\x1b[2J'"]


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc/passwd", "original/../../x", "a//b", "./a", "a/", "", ".", "..", "a\\b",
     "manifest.json", "manifest.sig", "a\x00b", "a\nb", "\ud800", 7, None],
)  # fmt: skip
def test_paths_outside_the_package_are_refused(copy: Path, key: SigningKey, path: object) -> None:
    def lead_out(manifest: dict[str, Any]) -> None:
        manifest["files"][0]["path"] = path

    _resigned(copy, lead_out, key)
    problems = verify(copy)
    assert len(problems) == 1
    assert "outside the package" in problems[0].what


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"schema": "cv-engine/evidence/1"}',
     b'{"schema": 1}', b"1" * 5000, b'{"a": 1, "a": 2}', b'{"schema": "cv-engine/evidence/2"}'],
)  # fmt: skip
def test_malformed_manifest_is_a_problem_not_an_exception(copy: Path, content: bytes) -> None:
    (copy / "manifest.json").write_bytes(content)
    assert [problem.where for problem in verify(copy)] == ["manifest.json"]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        pytest.param(("files",), {}, id="files no list"),
        pytest.param(("files", 0), "x", id="file no object"),
        pytest.param(("files", 0, "size"), -1, id="negative size"),
        pytest.param(("files", 0, "size"), True, id="size no number"),
        pytest.param(("files", 0, "size"), 10**30, id="size too large"),
        pytest.param(("files", 0, "sha256"), "0" * 63, id="short digest"),
        pytest.param(("files", 0, "path"), "x" * 300, id="name too long"),
        pytest.param(("files", 1, "path"), "original/closeup-end.jpg", id="twice"),
        pytest.param(("signature",), None, id="no signature"),
        pytest.param(("signature", "public_key"), "zz", id="key no hex"),
        pytest.param(("signature", "public_key"), "00", id="short key"),
        pytest.param(("signature", "fingerprint"), "0" * 64, id="other fingerprint"),
    ],
)
def test_wrong_values(
    copy: Path, key: SigningKey, where: tuple[str | int, ...], value: object
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        inside: Any = manifest
        for step in where[:-1]:
            inside = inside[step]
        inside[where[-1]] = value

    _resigned(copy, change, key)
    assert verify(copy)


def test_forged_package_needs_the_trusted_key_to_be_found(copy: Path, key: SigningKey) -> None:
    forger = SigningKey(Ed25519PrivateKey.generate())

    def forge(manifest: dict[str, Any]) -> None:
        manifest["finding"]["began"] = "2026-05-02T00:00:00+00:00"
        manifest["signature"] |= {
            "public_key": forger.public_key.hex(), "fingerprint": forger.fingerprint,
        }  # fmt: skip

    _resigned(copy, forge, forger)
    assert verify(copy) == []
    assert "not the trusted key" in verify(copy, key.fingerprint)[0].what


def test_a_folder_without_a_package_is_reported(tmp_path: Path) -> None:
    assert verify(tmp_path / "missing")
    assert [str(problem) for problem in verify(tmp_path)] == ["manifest.json: is missing"]
    (tmp_path / "file").touch()
    assert verify(tmp_path / "file")
