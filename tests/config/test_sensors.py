from __future__ import annotations

import re
from pathlib import Path

import pytest

from cv_engine.config import Config, ConfigError, default_config_path, load_config
from cv_engine.sensors.device import Watching
from cv_engine.sensors.message import FIELDS, ClockBounds


def _problem(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text("sensors:\n  " + text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).removeprefix(f"{folder}/")


def test_the_defaults_are_those_of_the_state_machine() -> None:
    assert Config().sensors.watching == Watching()
    assert Config().sensors.clock_bounds == ClockBounds()


def test_the_commented_topic_is_a_valid_one(tmp_path: Path) -> None:
    text = default_config_path().read_text()
    block = text[text.index("  # topics:\n") : text.index("  topics: []\n")]
    path = tmp_path / "config.yaml"
    path.write_text("sensors:\n" + re.sub(r"(?m)^  # ", "  ", block))
    (topic,) = load_config(path).sensors.topics
    assert set(topic.payload.pointers) <= set(FIELDS)
    assert topic.payload.events["1"] == "tilted"
    assert all(name in block for name in (*type(topic).model_fields, *FIELDS))


def test_a_topic_without_pointers_has_the_own_payload(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("sensors:\n  tls_ca: ca.pem\n  topics:\n    - topic: covers/#\n")
    sensors = load_config(path).sensors
    assert sensors.topics[0].payload.pointers == FIELDS
    assert sensors.tls_ca == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "topics:\n    - topic: covers/a+\n",
            "config.yaml:3: sensors.topics[0].topic: 'covers/a+'",
        ),
        ("topics:\n    - topic: '#/a'\n", "config.yaml:3: sensors.topics[0].topic: '#/a' is no"),
        ("topics:\n    - topic: a\n      pointers: {time: /t}\n", "config.yaml:4: "),
        ("topics:\n    - topic: a\n      pointers: {device: id}\n", "'id' is no JSON pointer"),
        ("topics:\n    - topic: a\n      pointers: {angle: /a}\n", "'angle' is no field"),
        ("topics:\n    - topic: a\n      events: {'1': open}\n", "'open' is not one of bouncing"),
        ("topics:\n    - topic: a\n      scale: {tilt_deg: 0}\n", "greater than 0"),
        ("tilt_clear_deg: 20.0\n", "tilt_clear_deg is larger than tilt_deg"),
        ("password_env: A\n  password_file: b\n", "one of them is enough"),
        ("enter_reports: 0\n", "config.yaml:2: sensors.enter_reports: 0 is too small"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in _problem(tmp_path, text)
