"""Addresses of stores, names of packages, and a folder as a store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage.address import split_address
from cv_engine.evidence.storage.opening import open_store
from cv_engine.evidence.storage.store import Store
from cv_engine.evidence.verify import verify
from tests.evidence.packages import CLIP, content, package
from tests.evidence.storage.object_server import BUCKET

pytest.importorskip("obstore", reason="the extra s3 is not installed")

ADDRESS = f"s3://{BUCKET}/district/west"


def test_folder_as_a_store(tmp_path: Path, key: SigningKey) -> None:
    root = tmp_path / "evidence"
    folder = package(root, key)
    store = open_store(root)
    assert verify(folder) == [] == store.problems(folder.name)
    assert store.names() == [folder.name] and store.has(folder.name)
    assert content(store.fetch(folder.name, tmp_path / "back")) == content(folder)
    with pytest.raises(EvidenceError, match="lies outside"):
        store.put(package(tmp_path / "elsewhere", key))
    assert open_store(tmp_path / "not-there").names() == []
    (folder / CLIP).unlink()
    assert not store.has(folder.name)


@pytest.mark.parametrize(
    "address",
    ["s3:/bucket/x", "s3://", "s3:///x", "s3://key:hunter2@bucket/x", "s3://bucket/a//b",
     "s3://bucket/../x", "s3://bucket/x?key=hunter2", "ftp://bucket/x", "S3://bucket"],
)  # fmt: skip
def test_malformed_addresses_are_refused(environment: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(EvidenceError, match="write it as s3://bucket/prefix") as caught:
        open_store(address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("s3://bucket/district/west/NAME", ("s3://bucket/district/west", "NAME")),
        ("s3://bucket/NAME/", ("s3://bucket", "NAME")),
        ("evidence/NAME", ("evidence", "NAME")),
    ],
)
def test_address_of_a_package(address: str, parts: tuple[str, str]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", "a.partial", "a\n"])
def test_malformed_names_are_refused(store: Store, tmp_path: Path, name: str) -> None:
    for asked in (store, open_store(tmp_path)):
        with pytest.raises(EvidenceError, match="no name of an evidence package"):
            asked.fetch(name, tmp_path)
        with pytest.raises(EvidenceError, match="no name of an evidence package"):
            asked.problems(name)


def test_missing_credentials_are_named_before_any_request(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(EvidenceError, match="set AWS_SECRET_ACCESS_KEY in the environment"):
        open_store(ADDRESS)


@pytest.mark.parametrize("endpoint", ["nonsense", "host:9000", "http://", "https://me:hunter2@x"])
def test_malformed_endpoints_are_refused(environment: pytest.MonkeyPatch, endpoint: str) -> None:
    environment.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(EvidenceError, match="AWS_ENDPOINT_URL is no address") as caught:
        open_store(ADDRESS)
    assert "hunter2" not in str(caught.value)


def test_missing_extra_says_how_to_install_it(environment: pytest.MonkeyPatch) -> None:
    environment.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(EvidenceError, match=r"pip install 'cv-engine\[s3\]'"):
        open_store(ADDRESS)
