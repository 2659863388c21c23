"""`cv-engine evidence verify` on folders and object storage, and unsent evidence of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import cli
from cv_engine.cases import open_queue
from cv_engine.commands.analyze import exit_code, print_summary, summary_row
from cv_engine.commands.exit_codes import ExitCode, run
from cv_engine.commands.session import Session
from cv_engine.evidence.manifest import MANIFEST
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.storage import opening
from cv_engine.evidence.storage.opening import open_store
from cv_engine.recorded.report import Summary, VideoReport
from tests.evidence.media.scenes import parked
from tests.evidence.packages import CLIP, filed, package
from tests.evidence.storage.object_server import BUCKET, SECRET, ObjectServer, introduce

ADDRESS = f"s3://{BUCKET}/west"
_SOON_S = 0.3  # patience where nothing is going to come


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "key.pem")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    with ObjectServer(tmp_path / "server") as server:
        introduce(monkeypatch, server.url)
        yield server


@pytest.fixture
def sent(server: ObjectServer, tmp_path: Path, key: SigningKey) -> str:
    """The address of a package in the store."""
    folder = package(tmp_path / "spool", key)
    open_store(ADDRESS).put(folder)
    return f"{ADDRESS}/{folder.name}"


def _verify(*packages: object) -> int:
    return run(cli.app, ["evidence", "verify", *map(str, packages)])


def _rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_sound_package_in_the_store(
    sent: str, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _verify(sent, "--trusted", key.fingerprint) == 0
    intact, unchecked = capsys.readouterr().out.splitlines()
    assert intact == f"intact {sent}"
    assert "with its case is not checked: there is no queue beside it" in unchecked
    assert _verify(f"{sent}/", "--trusted", "0" * 64) == 1
    assert "not the trusted key" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "content", "words"),
    [
        (CLIP, b"CLIP", "its content was changed"),
        (CLIP, None, "is missing"),
        (MANIFEST, None, "is missing"),
        ("original/more", b"more", "was added"),
    ],
)
def test_changed_package_in_the_store(
    sent: str,
    server: ObjectServer,
    capsys: pytest.CaptureFixture[str],
    path: str,
    content: bytes | None,
    words: str,
) -> None:
    file = server.folder / sent.removeprefix("s3://") / path
    if content is None:
        server.delete(file)
    else:
        server.put(file, content)
    assert _verify(sent) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"CHANGED {sent}\n") and path in shown and words in shown


def test_packages_in_folders_and_stores_are_reported_in_order(
    sent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "spool" / sent.rpartition("/")[2]
    assert _verify(f"{ADDRESS}/none", folder, sent, "--format", "jsonl") == 1
    rows = _rows(capsys.readouterr().out)
    assert [(row["package"], row["intact"]) for row in rows] == [
        (f"{ADDRESS}/none", False),
        (str(folder), True),
        (sent, True),
    ]
    assert _verify(sent, tmp_path / "not-there") == 2


def test_a_package_in_an_unreachable_store_is_unread(
    sent: str,
    server: ObjectServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.stop()
    monkeypatch.setattr(opening.open_store, "__defaults__", (_SOON_S,))
    folder = tmp_path / "spool" / sent.rpartition("/")[2]
    assert _verify(sent, folder, "--format", "jsonl") == 1
    unread, intact = _rows(capsys.readouterr().out)
    assert unread["intact"] is None and "does not answer" in str(unread["unread"])
    assert intact["intact"] is True
    assert _verify(sent) == 1
    assert capsys.readouterr().out.startswith(f"unread {sent}\n")


@pytest.mark.parametrize(
    "address",
    ["s3://bucket", "s3://", "s3:/bucket/NAME", "ftp://bucket/NAME", "s3://bucket/../NAME",
     "s3://me:hunter2@bucket/NAME", "s3://bucket/a.partial"],
)  # fmt: skip
def test_malformed_address(
    server: ObjectServer, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _verify(address) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("Error: ")
    assert "hunter2" not in shown.err


def test_missing_credentials_are_named(
    server: ObjectServer,
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert _verify(sent) == 2
    shown = capsys.readouterr().err
    assert "set AWS_ACCESS_KEY_ID in the environment" in shown and SECRET not in shown


@pytest.fixture
def data(tmp_path: Path, key: SigningKey) -> Path:
    """A data folder with two cases and their packages."""
    with open_queue(tmp_path / "data/queue.db") as queue:
        for source in ("east", "west"):
            filed(queue, tmp_path / "data/evidence", key, source)
    return tmp_path / "data"


def _packages(data: Path) -> tuple[Path, Path]:
    east, west = sorted((data / "evidence").iterdir())
    assert "-east-" in east.name
    return east, west


def test_a_package_is_compared_with_the_case_in_its_data_folder(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    east, west = _packages(data)
    assert _verify(east, west) == 0
    assert capsys.readouterr().out == f"intact {east} (case 1)\nintact {west} (case 1)\n"


def test_another_valid_package_under_this_name_is_not_intact(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    east, west = _packages(data)
    shutil.rmtree(west)
    shutil.copytree(east, west)
    assert _verify(west) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(f"CHANGED {west} (case 1)\n")
    assert f"is of another finding, {east.name}" in shown
    # The name alone tells, too, where there is no queue.
    copy = shutil.copytree(west, tmp_path / "copies" / west.name)
    assert _verify(copy) == 1
    assert f"is of another finding, {east.name}" in capsys.readouterr().out


@pytest.mark.parametrize("signer", ["the same", "another"])
def test_a_package_of_the_same_finding_that_was_not_filed_is_not_intact(
    data: Path, tmp_path: Path, key: SigningKey, signer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    east, _ = _packages(data)
    shutil.rmtree(east)
    forger = key if signer == "the same" else SigningKey.load_or_create(tmp_path / "forger.pem")
    forged = package(east.parent, forger, "east", clip=b"another clip")
    assert forged == east
    assert _verify(east) == 1
    assert "is not the one that was filed with the case" in capsys.readouterr().out
    copy = shutil.copytree(east, tmp_path / "copies" / east.name)
    assert _verify(copy) == 0, "by itself the package is whole,"
    shown = capsys.readouterr().out
    assert "who signed the package is not checked" in shown, "and what is not known is said"
    assert "with its case is not checked" in shown
    assert _verify(copy, "--data", data) == 1
    assert "is not the one that was filed with the case" in capsys.readouterr().out


def test_a_package_that_no_case_names_is_not_intact(
    data: Path, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = package(data / "evidence", key, "north")
    assert _verify(planted, "--trusted", key.fingerprint) == 1
    assert "names no such finding: the package belongs to no case" in capsys.readouterr().out


def test_what_cannot_be_checked_is_said(
    data: Path, tmp_path: Path, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    east, west = _packages(data)
    renamed = shutil.copytree(east, tmp_path / "exhibit-7")
    assert _verify(renamed, "--trusted", key.fingerprint, "--format", "jsonl") == 0
    (row,) = _rows(capsys.readouterr().out)
    assert row["intact"] is True
    assert row["case"] is None
    assert "the folder is not named like a package" in str(row["unchecked"])
    with open_queue(tmp_path / "old/queue.db") as queue:  # as if filed by an earlier version
        queue.file(replace(parked("west"), evidence=west.name))
    assert _verify(west, "--data", tmp_path / "old") == 0
    assert "the queue recorded no digest" in capsys.readouterr().out
    assert _verify(west, "--data", tmp_path / "none") == 2
    assert "there is no queue; correct --data or --config" in capsys.readouterr().err
    assert not (tmp_path / "none").exists(), "verification makes no queue"


def test_a_queue_beside_the_package_that_cannot_be_read_is_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "queue.db").write_bytes(b"no database" * 1000)
    assert _verify(_packages(data)[0]) == 0
    assert "with its case is not checked: " in capsys.readouterr().out


def test_unsent_evidence_is_reported_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = "s3://evidence: the server does not answer"
    summary = Summary([VideoReport(Path("a.mp4"))], unsent={"a": away, "b": away, "c": "damaged"})
    print_summary(Session(None, tmp_path), summary)
    shown = capsys.readouterr().err
    where = f"{tmp_path / 'evidence'} not sent yet; the next run retries"
    assert f"2 evidence packages in {where}: {away}\n" in shown
    assert f"1 evidence package in {where}: damaged\n" in shown
    assert summary_row(summary)["evidence_unsent"] == [
        {"package": "a", "reason": away},
        {"package": "b", "reason": away},
        {"package": "c", "reason": "damaged"},
    ]
    assert exit_code(summary) is ExitCode.DONE
