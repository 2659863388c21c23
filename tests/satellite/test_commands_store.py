"""Evidence of satellite cases in a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import cli
from cv_engine.cases import open_queue
from cv_engine.commands.exit_codes import run
from cv_engine.evidence.storage.opening import open_store
from tests.evidence.storage.object_server import BUCKET, ObjectServer, introduce
from tests.satellite.images import write
from tests.satellite.levir import Tiles

pytest.importorskip("obstore", reason="the extra s3 is not installed")

ADDRESS = f"s3://{BUCKET}/west"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    with ObjectServer(tmp_path / "server") as server:
        introduce(monkeypatch, server.url)
        yield server


def test_evidence_is_sent_to_the_store_complete(
    server: ObjectServer, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles, images = Tiles(shared_data), tmp_path / "images"
    images.mkdir()
    for picture, month in zip(tiles.growing()[:2], ("01", "02"), strict=True):
        write(images / f"a-2026{month}01.tif", picture)
    satellite = {"model": str(tiles.weights), "workers": 1}
    areas = [{"name": "west", "images": str(images)}]
    settings = {"satellite": {**satellite, "areas": areas}, "evidence": {"store": ADDRESS}}
    (tmp_path / "my.yaml").write_text(json.dumps(settings))  # which is YAML, too
    monkeypatch.chdir(tmp_path)
    command = ["satellite", "run", "--config", "my.yaml", "--data", "data"]
    for _ in range(2):
        assert run(cli.app, command) == 0
        with open_queue(tmp_path / "data" / "queue.db") as queue:
            named = sorted({name for case in queue.cases() for name in queue.evidence(case.id)})
        store = open_store(ADDRESS)
        assert store.names() == named != []
        assert all(store.problems(name) == [] for name in named)
        assert list((tmp_path / "data" / "evidence").iterdir()) == []
    assert run(cli.app, ["evidence", "verify", f"{ADDRESS}/{named[0]}"]) == 0
