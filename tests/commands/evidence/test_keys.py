"""`cv-engine evidence keys`: created, listed, rotated and revoked, and what packages say then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import cli
from cv_engine.cases import open_queue
from cv_engine.commands.exit_codes import run
from cv_engine.config import load_config
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.keys import KeyRing
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.naming import package_name
from cv_engine.evidence.package import write
from cv_engine.services import Services
from tests.evidence.media.scenes import car_park_still, parked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="session")
def stills(shared_data: Path) -> list[Still]:
    return [car_park_still(shared_data / "video", "start", 1.0)]


def _run(data: Path, *words: str) -> int:
    return run(cli.app, ["evidence", "keys", *words, "--data", str(data)])


def _filed(data: Path, stills: list[Still], source: str) -> Path:
    """A package that a case names, sealed as `analyze` seals it."""
    config = load_config(None).model_copy(update={"data": data})
    with Services(config) as services:
        cases: CaseFiler = services.cases
        finding, seal = parked(source), cases.seal()
        cases.file(
            finding,
            lambda: write(cases.root, finding, stills, key=seal.key, sealed=seal.sealed),
        )
    return data / "evidence" / package_name(finding)


def _rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_keys_are_created_listed_and_rotated(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(data, "list") == 0
    assert "`cv-engine evidence keys create` makes one" in capsys.readouterr().err
    assert _run(data, "rotate") == 2
    assert "there is no key yet" in capsys.readouterr().err
    assert _run(data, "create", "--format", "jsonl") == 0
    (first,) = _rows(capsys)
    assert first["state"] == "signs" and first["created"] is not None
    assert _run(data, "create") == 2
    assert _run(data, "rotate", "--format", "jsonl") == 0
    old, new = _rows(capsys)
    assert (old["fingerprint"], old["state"]) == (first["fingerprint"], "replaced")
    assert new["state"] == "signs"


def test_packages_of_each_key_stay_valid_after_rotation(
    data: Path, stills: list[Still], capsys: pytest.CaptureFixture[str]
) -> None:
    before = _filed(data, stills, "north")
    assert _run(data, "rotate") == 0
    after = _filed(data, stills, "south")
    capsys.readouterr()
    assert run(cli.app, ["evidence", "verify", str(before), str(after)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("intact") == 2
    signers = {json.loads((p / "manifest.json").read_text())["signature"]["fingerprint"]
               for p in (before, after)}  # fmt: skip
    assert signers == {record.fingerprint for record in KeyRing(data).records()}


def test_a_revoked_key_says_since_when_and_why(
    data: Path, stills: list[Still], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _filed(data, stills, "north")
    (record,) = KeyRing(data).records()
    assert _run(data, "revoke", record.fingerprint[:16], "--why", "the disk was stolen") == 0
    assert "the disk was stolen" in capsys.readouterr().out
    # The case's history recorded the package before: that proves its age.
    assert run(cli.app, ["evidence", "verify", str(package)]) == 0
    shown = capsys.readouterr().out
    assert "is revoked since" in shown and "the disk was stolen" in shown
    assert "the package is older, as the case's history of" in shown
    # A bare folder with the register alone proves nothing of the kind.
    bare = shutil.copytree(package, tmp_path / "bare" / package.name)
    words = ["evidence", "verify", str(bare), "--keys", str(data / "keys.json")]
    assert run(cli.app, words) == 1
    assert "nothing proves that the package is older" in capsys.readouterr().out
    # From now on another key signs.
    assert run(cli.app, ["evidence", "verify", str(_filed(data, stills, "south"))]) == 0


def test_a_key_revoked_since_before_the_filing_proves_nothing(
    data: Path, stills: list[Still], capsys: pytest.CaptureFixture[str]
) -> None:
    package = _filed(data, stills, "north")
    (record,) = KeyRing(data).records()
    words = ("--why", "copied", "--since", "2020-01-01T00:00:00+08:00")
    assert _run(data, "revoke", record.fingerprint, *words) == 0
    capsys.readouterr()
    assert run(cli.app, ["evidence", "verify", str(package)]) == 1
    assert "copied; the package is known from" in capsys.readouterr().out


def test_wrong_input_is_explained(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(data, "create")
    assert _run(data, "revoke", "zz", "--why", "x") == 2
    assert "'zz' names no key of this station" in capsys.readouterr().err
    assert _run(data, "revoke", "", "--why", "x", "--since", "soon") == 2
    (data / "keys.json").write_text("{}")
    assert _run(data, "list") == 2
    assert "is no register of keys" in capsys.readouterr().err


def test_the_key_of_another_station_is_named(
    data: Path, stills: list[Still], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = _filed(data, stills, "north")
    _run(tmp_path / "other", "create")
    keys = str(tmp_path / "other/keys.json")
    with open_queue(data / "queue.db"):
        pass
    assert run(cli.app, ["evidence", "verify", str(package), "--keys", keys]) == 1
    assert "is no key of this station" in capsys.readouterr().out
