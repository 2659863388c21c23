"""Plates of a stay and the vehicles' registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from structlog.testing import capture_logs

from cv_engine.config import Config
from cv_engine.pipeline.registered import Registered
from cv_engine.registry import Kind, Registry, RegistryUnavailable
from cv_engine.services import Services
from models.plates.countries.china import CHINA
from models.plates.reader import Reading
from models.plates.voting import PlateText, vote
from tests.registry import made

OURS, LOOKALIKE = "浙B00007", "浙B0000T"


def _torn(text: str, other: str) -> Reading:
    """A reading that cannot quite tell two plates apart, and slightly favours the first one."""
    places = np.full((8, len(CHINA.characters)), 1e-5, np.float32)
    for place, pair in enumerate(zip(text, other, strict=True)):
        for character, share in zip(pair, (0.6, 0.4), strict=True):
            places[place, CHINA.classes[character]] += share
    places[7, 0] = 1.0
    layouts = np.full(len(CHINA.layouts), 1 / len(CHINA.layouts), np.float32)
    return Reading(np.log(places / places.sum(axis=1, keepdims=True)), layouts)


def _voted(services: Services) -> PlateText:
    plates = services.plates
    assert plates is not None
    voted = vote([_torn(LOOKALIKE, OURS)], CHINA, knowledge=plates.knowledge)
    assert voted is not None
    return voted


def test_a_registered_plate_is_preferred_once_its_registry_is_imported(tmp_path: Path) -> None:
    with Services(Config(data=tmp_path)) as services:
        before = _voted(services)
        made.load(tmp_path, Kind.VEHICLES, made.vehicles(tmp_path, 20))
        after = _voted(services)
    assert before.text == LOOKALIKE
    assert after.text == OURS
    assert after.confidence > 0.9


def test_a_registry_that_cannot_be_opened_stops_no_reading(tmp_path: Path) -> None:
    service = {"url": "https://registry.city.example/v1", "token_env": "NO_SUCH_VARIABLE"}
    config = Config.model_validate({"data": tmp_path, "registry": {"service": service}})
    with Services(config) as services, capture_logs() as logs:
        assert [_voted(services).text for _ in range(2)] == [LOOKALIKE] * 2
    assert [log["event"] for log in logs] == ["plates are read without the registry"]
    assert "NO_SUCH_VARIABLE" in logs[0]["reason"]


def test_each_outage_of_the_registry_is_reported_once(tmp_path: Path) -> None:
    made.load(tmp_path, Kind.VEHICLES, made.vehicles(tmp_path, 20))
    registry = made.registry(tmp_path)
    answers = [False, False, True, False]

    def opened() -> Registry:
        if not answers.pop(0):
            raise RegistryUnavailable("the disk is gone")
        return registry

    registered = Registered(opened)
    with capture_logs() as logs:
        assert [registered.has(OURS) for _ in range(4)] == [False, False, True, False]
    assert len(logs) == 2
