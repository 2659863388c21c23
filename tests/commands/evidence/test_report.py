"""`cv-engine evidence report` and `stamp`, on a case as `analyze` files it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pypdfium2
import pytest

import cli
from cv_engine.commands.exit_codes import run
from cv_engine.config import load_config
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.package import Style, write
from cv_engine.services import Services
from tests.evidence.media.scenes import car_park_still, parked
from tests.evidence.timestamp.conftest import keys_of_authority
from tests.evidence.timestamp.tsa import TimestampServer

__all__ = ["keys_of_authority"]


@pytest.fixture
def tsa(keys_of_authority: Path) -> Iterator[TimestampServer]:
    with TimestampServer(keys_of_authority) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, tsa: TimestampServer) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data: {tmp_path}/data\n"
        f"evidence:\n  timestamp: {{url: '{tsa.url}', certificate: '{tsa.certificate}'}}\n"
    )
    return path


@pytest.fixture
def stills(shared_data: Path) -> list[Still]:
    video = shared_data / "video"
    return [car_park_still(video, "start", 1.0), car_park_still(video, "end", 12.0)]


@pytest.fixture
def package(config: Path, stills: list[Still]) -> Path:
    """A package that case 1 names."""
    with Services(load_config(config)) as services:
        cases, finding = services.cases, parked()
        seal = cases.seal()
        style = Style(credentials=seal.credentials)
        cases.file(
            finding,
            lambda: write(
                cases.root, finding, stills, key=seal.key, sealed=seal.sealed, style=style
            ),
        )
        return cases.root / package_name(finding)


def _run(config: Path, *words: object) -> int:
    return run(cli.app, ["evidence", *map(str, words), "--config", str(config)])


def _text(pdf: Path) -> str:
    document = pypdfium2.PdfDocument(pdf)
    (page,) = document
    text = str(page.get_textpage().get_text_range())
    document.close()
    return " ".join(text.split())


def test_the_sheet_of_a_case_and_of_its_folder(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_case, by_folder = tmp_path / "case.pdf", tmp_path / "folder.pdf"
    assert _run(config, "report", 1, "--out", by_case) == 0
    assert run(cli.app, ["evidence", "report", str(package), "--out", str(by_folder)]) == 0
    for pdf in (by_case, by_folder):
        text = _text(pdf)
        assert "Case 1" in text and package.name in text
        assert "09009" in text, "the class of the taxonomy"
        assert "still without the timestamp of http://127.0.0.1" in text
        assert "GA/T 832-2014 (China) (from secondary copies): falls short" in text


def test_a_stamped_package_says_so_on_the_sheet_and_to_verify(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(config, "verify", package) == 0
    assert "still without the timestamp of http://127.0.0.1" in capsys.readouterr().out
    assert _run(config, "stamp") == 0
    assert f"stamped {package.name}" in capsys.readouterr().out
    assert _run(config, "verify", package) == 0
    shown = capsys.readouterr().out
    assert "by Trial signer" in shown and "still without" not in shown
    assert "content credentials in 4 pictures by station" in shown and "trusted" in shown
    assert _run(config, "report", 1, "--out", tmp_path / "a.pdf") == 0
    assert "by Trial signer" in _text(tmp_path / "a.pdf")


def test_an_authority_that_is_down_is_reported_and_asked_again(
    config: Path, package: Path, tsa: TimestampServer, capsys: pytest.CaptureFixture[str]
) -> None:
    tsa.status = 500
    assert _run(config, "stamp", "--format", "jsonl") == 1
    row = json.loads(capsys.readouterr().out)
    assert row["stamped"] is False and "answers 500" in row["reason"]
    tsa.status = 200
    assert _run(config, "stamp") == 0
    assert _run(config, "stamp", "--format", "jsonl") == 0
    assert capsys.readouterr().out.count("stamped") == 1, "nothing waits any more"


def test_a_revoked_key_is_no_matter_for_a_package_that_was_stamped_before(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(config, "stamp") == 0
    signer = json.loads((package / "manifest.json").read_text())["signature"]["fingerprint"]
    assert _run(config, "keys", "revoke", signer, "--why", "the disk was stolen") == 0
    bare = shutil.copytree(package, tmp_path / "bare" / package.name)
    capsys.readouterr()
    register = tmp_path / "data/keys.json"
    assert run(cli.app, ["evidence", "verify", str(bare), "--keys", str(register)]) == 0
    assert "the package is older, as its timestamp of" in capsys.readouterr().out


def test_a_changed_package_gets_no_sheet(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = package / "shareable/overview-end.jpg"
    picture.write_bytes(picture.read_bytes()[:-1])
    assert _run(config, "report", 1, "--out", tmp_path / "a.pdf") == 1
    shown = capsys.readouterr().err
    assert "no sheet is written" in shown and "shareable/overview-end.jpg" in shown
    assert not (tmp_path / "a.pdf").exists()


def test_a_picture_that_was_handed_out_is_verified_by_itself(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "received.jpg"
    shutil.copy(package / "shareable/overview-end.jpg", picture)
    assert _run(config, "verify", picture) == 0
    assert "content credentials of station" in capsys.readouterr().out
    content = bytearray(picture.read_bytes())
    content[-1000] ^= 1
    picture.write_bytes(content)
    assert _run(config, "verify", picture) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("CHANGED ") and "assertion.dataHash.mismatch" in shown
    plain = shutil.copy(package / "original/overview-end.jpg", tmp_path / "plain.jpg")
    assert _run(config, "verify", plain) == 1
    assert "has no content credentials" in capsys.readouterr().out


def test_wrong_input_is_explained(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(config, "report", 99, "--out", tmp_path / "a.pdf") == 2
    assert "there is no case 99" in capsys.readouterr().err
    assert _run(config, "report", 1, "--out", tmp_path / "none/a.pdf") == 2
    assert "choose another --out" in capsys.readouterr().err
    assert run(cli.app, ["evidence", "stamp", "--data", str(tmp_path / "data")]) == 2
    assert "there is no timestamping authority" in capsys.readouterr().err
    config.write_text("evidence:\n  timestamp: {url: 'http://x'}\n")
    assert _run(config, "stamp") == 2
    assert "certificate is missing" in capsys.readouterr().err
    config.write_text("evidence:\n  timestamp: {url: 'ftp://x', certificate: a.pem}\n")
    assert _run(config, "stamp") == 2
    config.write_text("evidence:\n  credentials: {key: a.pem}\n")
    assert _run(config, "stamp") == 2
    assert "certificate is missing" in capsys.readouterr().err


def test_the_citys_profiles_are_those_that_are_compared(
    config: Path, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        'version: "1"\nprofiles:\n'
        "  - {id: ours, name: Our court, provisional: false, provenance: its own text, points: [\n"
        "     {check: picture_size, width: 640, height: 360, text: large enough}]}\n"
    )
    config.write_text(f"{config.read_text()}  profiles: {ours}\n")
    assert _run(config, "verify", package, "--format", "jsonl") == 0
    (profile,) = json.loads(capsys.readouterr().out)["profiles"]
    assert (profile["id"], profile["outcome"]) == ("ours", "met")
    assert profile["points"][0]["found"] == "640 x 360 pixels"
