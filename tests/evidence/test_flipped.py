"""One flipped byte anywhere in a package is named: pictures, lists, seal and timestamp."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.evidence.certificate import own_signer
from cv_engine.evidence.keys import KeyRing
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, Sealed
from cv_engine.evidence.media.clip import ClipSource
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.package import Style, write
from cv_engine.evidence.stamping import Stamper
from cv_engine.evidence.storage.store import LocalStore
from cv_engine.evidence.timestamp.authority import Authority
from cv_engine.evidence.timestamp.token import AUTHORITY, FILES, SUMS, TOKEN
from cv_engine.evidence.timestamp.waiting import Waiting
from cv_engine.evidence.verify import examine, manifest_sha256, verify
from tests.evidence.media.scenes import BEGAN, parked
from tests.evidence.timestamp.conftest import keys_of_authority
from tests.evidence.timestamp.tsa import TimestampServer

__all__ = ["keys_of_authority"]
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
    video: Path,
    stills: list[Still],
    keys_of_authority: Path,
) -> Path:
    """A package with everything: clip and list, content credentials, and a timestamp."""
    data = tmp_path_factory.mktemp("whole")
    key, root = KeyRing(data).load_or_create(NOW), data / "evidence"
    with TimestampServer(keys_of_authority) as tsa:
        package = write(
            root,
            parked(),
            stills,
            key=key,
            clips=[ClipSource(video / "lot_leave_arrive.mp4", 2.0, 3.0, 0.5, 0.5, zero=BEGAN)],
            style=Style(credentials=own_signer(data, key, NOW, "1")),
            sealed=Sealed(NOW, tsa.url),
        )
        waiting = Waiting(data / "unstamped", tsa.url)
        waiting.add(package.name, manifest_sha256(package) or "")
        authority = Authority.of(tsa.url, tsa.certificate)
        Stamper(authority, waiting, root, lambda: LocalStore(root)).stamp_waiting()
    shown = examine(package, keys=KeyRing(data).records())
    assert shown.problems == [] and shown.timestamp is not None
    return package


def _files(package: Path) -> list[str]:
    found = (path for path in package.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(package)) for path in found)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_named(whole: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_files(whole)))
    content = bytearray((whole / path).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    _check(whole, path, bytes(content))


def _check(whole: Path, path: str, content: bytes) -> None:
    before = (whole / path).read_bytes()
    try:
        (whole / path).write_bytes(content)
        named = {problem.where for problem in verify(whole)}
    finally:
        (whole / path).write_bytes(before)
    # The seal is two files that no longer fit, and so is the timestamp of changed bytes.
    if path in (MANIFEST, SIGNATURE):
        assert named & {MANIFEST, SIGNATURE}
    elif path == SUMS:
        assert named & {SUMS, TOKEN, AUTHORITY}
    else:
        assert path in named or (path == AUTHORITY and TOKEN in named)


@pytest.mark.parametrize("path", [*FILES, SIGNATURE])
def test_every_single_byte_of_seal_and_timestamp_is_covered(whole: Path, path: str) -> None:
    content = (whole / path).read_bytes()
    for at in range(len(content)):
        _check(whole, path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@pytest.mark.parametrize("path", FILES)
def test_a_timestamp_that_lacks_a_part_is_named(whole: Path, tmp_path: Path, path: str) -> None:
    package = shutil.copytree(whole, tmp_path / whole.name)
    (package / path).unlink()
    assert [str(problem) for problem in verify(package)] == [f"{path}: is missing"]


def test_what_is_added_to_a_timestamp_is_named(whole: Path, tmp_path: Path) -> None:
    package = shutil.copytree(whole, tmp_path / whole.name)
    (package / "timestamp/more").touch()
    assert [problem.where for problem in verify(package)] == ["timestamp/more"]
    (package / "timestamp/more").unlink()
    (package / "timestamp").rename(tmp_path / "elsewhere")
    (package / "timestamp").symlink_to(tmp_path / "elsewhere")
    assert "timestamp" in {problem.where.split("/")[0] for problem in verify(package)}


def test_the_timestamp_of_another_package_is_named(
    whole: Path, tmp_path: Path, stills: list[Still]
) -> None:
    key = KeyRing(tmp_path).load_or_create(NOW)
    other = write(tmp_path / "evidence", parked("other"), stills, key=key)
    shutil.copytree(whole / "timestamp", other / "timestamp")
    (problem,) = verify(other)
    assert problem.where == TOKEN and "not a valid timestamp of this manifest" in problem.what
