"""A data folder with cases whose evidence was written by the program."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import supervision as sv

from cv_engine.config import load_config
from cv_engine.evidence.media.still import Role, Still
from cv_engine.evidence.package import Style, write
from cv_engine.finding import Finding
from cv_engine.services import Services
from tests.cases.made import CAR_BOX, CORNER, at, finding

BESIDE = {"type": "Point", "coordinates": [121.553, 29.871]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three cases: a car and a heap with evidence, and a car without place and evidence."""
    folder = tmp_path / "data"
    placed = partial(finding, accuracy_m=3.0, basis="homography")
    car = placed(geometry=CORNER, attributes={"vehicle": "car", "limit_s": 300.0})
    heap = placed(1000, 9000, geometry=BESIDE, kind="clutter", zone="<b>gate</b>")
    with Services(load_config(None).model_copy(update={"data": folder})) as services:
        for each in (car, heap):
            _file(services, each)
        services.cases.queue.file(finding(20_000, 20_400, source="yard"))
    return folder


def _file(services: Services, filed: Finding) -> None:
    cases = services.cases
    seal = cases.seal()

    def written() -> None:
        style = Style(credentials=seal.credentials)
        stills = [_still("start", filed), _still("end", filed)]
        write(cases.root, filed, stills, key=seal.key, sealed=seal.sealed, style=style)

    cases.file(filed, written)


def _still(role: Role, filed: Finding) -> Still:
    image = np.random.default_rng(1).integers(0, 255, (360, 1280, 3), np.uint8)
    image = np.repeat(np.repeat(image[::8, ::8], 8, axis=0), 8, axis=1)
    began = at(0) if role == "start" else at(0) + timedelta(seconds=300)
    time = began + (filed.began - at(0))
    return Still(role, time, image, CAR_BOX, sv.Detections.empty())
