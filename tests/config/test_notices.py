from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cv_engine.config import Config, ConfigError, default_config_path, load_config
from cv_engine.config.notices import NoticesConfig
from cv_engine.notices.errors import NoticeError
from cv_engine.notices.gateways.file import FileGateway
from cv_engine.notices.gateways.http import HttpGateway
from tests.notices.made import POLICY


def _load(folder: Path, text: str) -> NoticesConfig:
    path = folder / "config.yaml"
    path.write_text("notices:\n" + re.sub(r"(?m)^", "  ", text))
    return load_config(path).notices


def _problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(folder, text)
    return str(caught.value).removeprefix(f"{folder}/")


def _now() -> datetime:
    return datetime(2026, 5, 1, tzinfo=UTC)


def test_the_defaults_are_those_of_the_rules() -> None:
    policy = Config().notices.policy()
    names = [name for name in type(policy).__slots__ if name != "zone"]
    assert {n: getattr(policy, n) for n in names} == {n: getattr(POLICY, n) for n in names}
    assert not Config().notices.is_on
    with pytest.raises(NoticeError, match="name a gateway"):
        Config().notices.open({}, _now)


@pytest.mark.parametrize("name", ["http", "apprise", "car_parks"])
def test_the_commented_entries_are_valid_ones(tmp_path: Path, name: str) -> None:
    text = default_config_path().read_text()
    block = text[text.index(f"  # {name}:\n") : text.index(f"  {name}: null\n")]
    section = _load(tmp_path, re.sub(r"(?m)^  # ", "", block))
    entry = getattr(section, name)
    fields = set(type(entry).model_fields)
    assert all(f"{field.removesuffix('_file')}" in block for field in fields)


def test_a_gateway_gets_its_token_from_the_environment(tmp_path: Path) -> None:
    text = "http:\n  url: https://sms.example/m\n  body: {to: '{to}', text: '{text}'}\n"
    section = _load(tmp_path, text + "  token_env: SMS_TOKEN\n")
    gateway = section.open({"SMS_TOKEN": "s3cret\n"}, _now)
    assert isinstance(gateway, HttpGateway)
    assert gateway.headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(gateway) + str(section.model_dump())
    with pytest.raises(NoticeError, match=r"notices\.http\.token_env: .* SMS_TOKEN is not set"):
        section.open({}, _now)


def test_relative_paths_start_at_the_configuration(tmp_path: Path) -> None:
    section = _load(tmp_path, "file: sms.jsonl\ncar_parks: {path: p.json}\n")
    gateway = section.open({}, _now)
    assert isinstance(gateway, FileGateway)
    assert gateway.path == tmp_path / "sms.jsonl"
    assert section.car_parks is not None
    assert section.car_parks.path == tmp_path / "p.json"


def test_quiet_hours_are_those_of_the_time_zone_over_its_changes(tmp_path: Path) -> None:
    section = _load(tmp_path, 'quiet: "22:00-07:00"\ntimezone: Europe/Berlin\n')
    policy = section.policy()
    # 2026-03-29: 02:00 becomes 03:00; 2026-10-25: 03:00 becomes 02:00.
    for text, quiet in (
        ("2026-03-28T20:59:00", False),
        ("2026-03-28T21:00:00", True),
        ("2026-03-29T04:59:00", True),
        ("2026-03-29T05:00:00", False),
        ("2026-10-24T19:59:00", False),
        ("2026-10-24T20:00:00", True),
        ("2026-10-25T05:59:00", True),
        ("2026-10-25T06:00:00", False),
    ):
        assert policy.is_quiet(datetime.fromisoformat(text).replace(tzinfo=UTC)) is quiet, text


_HTTP = "http:\n  url: {}\n  body: {}\n"
_BODY = "{to: '{to}', text: '{text}'}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file: a\n" + _HTTP.format("http://a", _BODY), "file and http are both there"),
        (_HTTP.format("sms.example", _BODY), "this is no web address"),
        (_HTTP.format("http://a", "{to: '{to}'}"), "the body lacks {text}"),
        (_HTTP.format("http://a", _BODY) + "  report_url: http://a/b\n", "lacks {id}"),
        (
            _HTTP.format("http://a", _BODY) + "  report_url: http://a/{id}\n",
            "id_pointer is missing",
        ),
        (_HTTP.format("http://a", _BODY) + "  token_env: A\n  token_file: b\n", "are both there"),
        ("apprise: {}\n", "address_env is missing"),
        ("quiet: at night\n", "is no day"),
        ("timezone: Asia/Ningbo\n", "is no time zone"),
        ("grace_s: 10\n", "a number of seconds from 60 to 86400"),
        ("surge_factor: 1\n", "a number above 1"),
        ("templates: {en: 'leave {street}'}\n", "the field {street}"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in _problem(tmp_path, text)
