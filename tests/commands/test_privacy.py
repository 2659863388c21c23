"""The commands of `cv-engine privacy`, run on a data folder as an operator runs them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cv_engine.cases import open_queue
from cv_engine.evidence.signing import SigningKey
from tests.cases.made import Clock
from tests.commands.program import Done, run_program
from tests.privacy.city import PLATE, City


@dataclass
class Town:
    """A data folder with one rejected case of long ago, and one that is open."""

    folder: Path
    city: City
    rejected: int
    open: int

    def run(self, *arguments: object, data: bool = True) -> Done:
        where = ("--data", self.folder / "data") if data else ()
        return run_program(self.folder, *arguments, *where)

    def rows(self, *arguments: object) -> list[dict[str, object]]:
        done = self.run(*arguments, "--format", "jsonl")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    clock, key = Clock(), SigningKey.load_or_create(tmp_path / "key.pem")
    clock.now = datetime.now(UTC) - timedelta(days=40)
    data = tmp_path / "data"
    with open_queue(data / "queue.db", clock=clock) as queue:
        city = City(queue, data / "evidence", key, clock)
        yield Town(tmp_path, city, city.reject(city.park()), city.park())


def test_a_purge_deletes_by_the_default_rule_and_the_package_verifies_as_purged(
    town: Town,
) -> None:
    package = town.city.package(town.rejected)
    assert town.rows("privacy", "purge", "--dry-run") == [
        {"rule": "rejected, 30 days (of every class)", "cases": 1}
    ]
    assert package.is_dir()
    done = town.run("privacy", "purge", "--by", "Chief")
    assert (done.returncode, package.exists()) == (0, False)
    assert "the evidence of 1 cases: rejected, 30 days" in done.stdout
    verified = town.run("evidence", "verify", package, data=False)
    assert verified.returncode == 0
    assert "purged" in verified.stdout and "rejected, 30 days" in verified.stdout
    shown = town.run("cases", "show", town.rejected)
    assert f"{package.name} (purged at " in shown.stdout
    assert town.run("cases", "audit").returncode == 0


def test_a_package_that_is_missing_for_no_rule_is_not_called_purged(town: Town) -> None:
    import shutil

    package = town.city.package(town.open)
    shutil.rmtree(package)
    verified = town.run("evidence", "verify", package, data=False)
    assert verified.returncode == 2
    assert "there is no such folder" in verified.stdout


def test_originals_are_copied_after_the_look_is_logged(town: Town) -> None:
    name = town.city.package(town.open).name
    refused = town.run("privacy", "originals", town.open, "--out", "o", "--why", " ")
    assert (refused.returncode, (town.folder / "o").exists()) == (2, False)
    assert "--why" in refused.stderr
    rows = town.rows(
        *("privacy", "originals", town.open, "--out", town.folder / "o"),
        *("--why", "appeal 3", "--by", "Li"),
    )
    assert [row["package"] for row in rows] == [name]
    assert (town.folder / "o" / name / "original" / "overview-start.jpg").is_file()
    (look,) = town.rows("privacy", "looks", "--case", town.open)
    assert (look["who"], look["what"], look["why"]) == ("Li", "originals", "appeal 3")


def test_a_viewer_of_the_organisation_sees_no_originals(town: Town) -> None:
    (town.folder / "organisation.yaml").write_text(
        "departments:\n  - {id: traffic, name: Traffic}\n"
        "officers:\n  - {name: Vera, role: viewer}\n"
    )
    config = town.folder / "config.yaml"
    config.write_text("cases: {organisation: organisation.yaml}\n")
    done = town.run(
        *("privacy", "originals", town.open, "--out", "o", "--why", "curious"),
        *("--by", "Vera", "--config", config),
    )
    assert done.returncode == 2
    assert "it takes the role officer" in done.stderr
    assert town.rows("privacy", "looks") == []


def test_an_export_holds_what_is_held_and_is_logged(town: Town) -> None:
    out = town.folder / "out.zip"
    done = town.run("privacy", "export", "浙b·12345", "--out", out, "--by", "Chief")
    assert done.returncode == 0
    assert "2 cases, 2 pictures" in done.stdout
    with zipfile.ZipFile(out) as archive:
        names = {name.removesuffix(".json") for name in archive.namelist()}
        assert {"cases", "looks", "notices", "registry", "README.txt"} <= names
        assert "registry.json  records of the registry" in archive.read("README.txt").decode()
    (look,) = town.rows("privacy", "looks", "--plate", PLATE)
    assert (look["who"], look["why"]) == ("Chief", "request of the person")


def test_what_the_registry_holds_is_exported_and_that_is_logged(town: Town) -> None:
    (town.folder / "v.csv").write_text("plate,owner,phone\n浙B12345,王,13800000000\n")
    imported = town.run("registry", "import", "vehicles", town.folder / "v.csv")
    assert imported.returncode == 0, imported.stderr
    out = town.folder / "out.zip"
    done = town.run("privacy", "export", PLATE, "--out", out, "--by", "Chief")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(out) as archive:
        (record,) = json.loads(archive.read("registry.json"))
    assert record["contact"]["phone"] == "13800000000"
    looks = town.rows("privacy", "looks", "--plate", PLATE)
    assert {row["what"] for row in looks} == {"all data of a plate", "contact"}


def test_an_erasure_says_what_is_erased_and_what_is_kept(town: Town) -> None:
    (town.folder / "v.csv").write_text(f"plate,phone\n{PLATE},13800000000\n")
    assert town.run("registry", "import", "vehicles", "v.csv").returncode == 0
    done = town.run("privacy", "erase", PLATE, "--why", "request 17", "--by", "Chief")
    assert done.returncode == 0
    assert "the plate in 1 cases" in done.stdout
    assert f"kept: case {town.open}: it is reported" in done.stdout
    assert "not erased: registry vehicles: it is the city's own list" in done.stdout
    assert "backups" in done.stderr
    (row,) = (row for row in town.rows("cases", "list") if row["id"] == town.rejected)
    assert row["attributes"] == {"plate": {"erased": True}, "colour": "white"}
    assert town.run("cases", "audit").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("erase", "not a plate at all", "--why", "x"), "is no plate"),
        (("export", PLATE, "--out", "missing/out.zip"), "missing"),
        (("originals", 99, "--out", "o", "--why", "x"), "no case 99"),
        (("share", 99, "--out", "o"), "no case 99"),
        (("looks", "--plate", "?"), "is no plate"),
    ],
)
def test_wrong_input_is_told_and_changes_nothing(
    town: Town, arguments: tuple[object, ...], said: str
) -> None:
    done = town.run("privacy", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert town.city.package(town.rejected).is_dir()


def test_what_may_be_handed_out_is_copied_without_originals(town: Town) -> None:
    name = town.city.package(town.open).name
    done = town.run("privacy", "share", town.open, "--out", town.folder / "copies")
    assert done.returncode == 0
    copied = [path for path in (town.folder / "copies").rglob("*") if path.is_file()]
    assert [path.relative_to(town.folder / "copies") for path in copied] == [
        Path(name) / "overview-start.jpg"
    ]
    assert copied[0].read_bytes().startswith(b"shareable")


def test_a_class_may_keep_evidence_longer(town: Town) -> None:
    config = town.folder / "config.yaml"
    config.write_text("cases:\n  retention: {rejected: 60 days}\n")
    assert town.rows("privacy", "purge", "--dry-run", "--config", config) == []
    config.write_text("cases:\n  retention: {rejected: 2 working days}\n")
    done = town.run("privacy", "purge", "--dry-run", "--config", config)
    assert done.returncode == 2
    assert "cases.retention.rejected" in done.stderr and "working time" in done.stderr
