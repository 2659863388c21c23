"""The composition root: each part is opened once, when it is used, and closed in the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cv_engine.cases import QueueError, Role
from cv_engine.cases.looks import each_look
from cv_engine.cases.taxonomy import Stage
from cv_engine.config import Config
from cv_engine.evidence.errors import EvidenceError
from cv_engine.services import Services
from models.errors import ModelError
from tests.cases.made import finding


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    with Services(Config(data=tmp_path / "data")):
        pass
    assert not (tmp_path / "data").exists()


def test_each_part_is_opened_once(tmp_path: Path) -> None:
    with Services(Config(data=tmp_path / "data")) as services:
        services.open(detector=False)
        assert services.cases.queue is services.queue
        assert services.cases.key is services.key
        assert services.cases.root == tmp_path / "data" / "evidence"
        assert services.send_evidence() == {}, "evidence is kept where it is written"
    assert (tmp_path / "data" / "queue.db").is_file()


_CITY = """\
version: "1"
default_standard: City
standards: [{id: City, digits: 3, provisional: false, provenance: the gazette}]
classes:
  - {kind: clutter, name: clutter, codes: {City: "407"}, limits: {confirm: 1 working day}}
"""
_OFFICE = "timezone: UTC\noffice_hours: {monday: [09:00-17:00], friday: [09:00-12:00]}\n"


def test_cases_have_the_classes_and_deadlines_of_the_citys_files(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(_CITY)
    (tmp_path / "c.yaml").write_text(_OFFICE)
    files = {"taxonomy": tmp_path / "t.yaml", "calendar": tmp_path / "c.yaml"}
    with Services(Config.model_validate({"data": tmp_path / "data", "cases": files})) as services:
        filed = services.queue.file(finding(kind="clutter"))
        case = services.queue.get(filed.case_id)
        assert case.code == "407"
        due = services.deadlines.due("clutter", Stage.CONFIRM, case.filed_at)
        assert due is not None and due > case.filed_at
        assert case.handling.due_at == due
    files.pop("calendar")
    config = Config.model_validate({"data": tmp_path / "data", "cases": files})
    with pytest.raises(QueueError, match="no calendar says when that is"):
        _ = Services(config).deadlines


def test_a_wrong_store_is_reported_before_anything_is_written(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"data": tmp_path / "data", "evidence": {"store": "s3://bucket/prefix"}}
    )
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.delenv(name, raising=False)
        with Services(config) as services, pytest.raises(EvidenceError):
            services.open(detector=False)
    assert not (tmp_path / "data").exists()


def test_registries_are_opened_once_and_accesses_are_logged(tmp_path: Path) -> None:
    with Services(Config(data=tmp_path / "data")) as services:
        assert services.registry is services.registry
        assert services.registry.vehicle("A1") is None
        assert not (tmp_path / "data").exists()
        assert services.registry.contact("A1", who="ann", role=Role.ENGINE, why="case 7") is None
        with services.queue.store.reading() as connection:
            (logged,) = each_look(connection)
        assert (logged.look.who, logged.look.plate) == ("ann", "A1")


def test_the_detector_is_opened_only_where_it_is_needed(tmp_path: Path) -> None:
    config = Config.model_validate({"data": tmp_path, "detector": {"model": "no-such-model"}})
    with Services(config) as services:
        services.open(detector=False)
        with pytest.raises(ModelError):
            services.open(detector=True)


def test_the_queue_alone_loads_neither_models_nor_pictures(tmp_path: Path) -> None:
    """A list of cases stays cheap."""
    code = (
        "import sys; from pathlib import Path; from cv_engine.config import Config; "
        "from cv_engine.services import Services\n"
        f"with Services(Config(data=Path({str(tmp_path)!r}))) as services: services.queue.count()\n"
        "print([name for name in ('cv2', 'av', 'onnxruntime', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.stdout.strip() == "[]"
