from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cv_engine.config import Config, ConfigError, load_config
from cv_engine.registry import Kind, RegistryError, RegistryUnavailable
from cv_engine.registry.service.service import ServiceOptions
from cv_engine.registry.tables.keys import KeyFile, KeyVariable


def _load(folder: Path, text: str) -> Config:
    path = folder / "config.yaml"
    path.write_text("registry:\n  " + text)
    return load_config(path)


def test_the_defaults_are_those_of_the_service(tmp_path: Path) -> None:
    config = _load(tmp_path, "service: {url: 'https://a.example'}\n").registry
    assert config.service.options({}) == ServiceOptions("https://a.example")
    assert Config().registry.service.options({}) is None


def test_tables_and_key_lie_in_the_data_folder_unless_they_are_named(tmp_path: Path) -> None:
    config = Config().registry
    assert config.tables_folder(tmp_path) == tmp_path / "registry"
    assert config.keys(tmp_path, {}) == KeyFile(tmp_path / "registry-key")
    named = _load(tmp_path, "folder: tables\n  key_file: keys/registry\n").registry
    assert named.tables_folder(Path("data")) == tmp_path / "tables"
    assert named.keys(Path("data"), {}) == KeyFile(tmp_path / "keys" / "registry")
    variable = _load(tmp_path, "key_env: KEY\n").registry
    assert variable.keys(tmp_path, {"KEY": "k"}) == KeyVariable("KEY", "k")


def test_the_token_of_a_service_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    for text in ("token_env: TOKEN", "token_file: token"):
        config = _load(tmp_path, f"service:\n    url: https://a.example\n    {text}\n").registry
        options = config.service.options({"TOKEN": " s3cret"})
        assert options is not None and options.token == "s3cret"
        assert "s3cret" not in repr(options)
    config = _load(tmp_path, "service:\n    url: https://a.example\n    token_env: NONE\n").registry
    with pytest.raises(RegistryError, match="environment variable NONE is not set"):
        config.service.options({})
    config = _load(tmp_path, "service:\n    url: https://a.example\n    token_file: no\n").registry
    with pytest.raises(RegistryError, match=r"token_file: .*no cannot be read \(No such file"):
        config.service.options({})


def test_some_registries_are_a_service_and_the_others_tables(tmp_path: Path) -> None:
    text = "service:\n    url: http://127.0.0.1:9\n    kinds: [vehicles, exemptions]\n"
    config = _load(tmp_path, text).registry
    now = datetime(2026, 5, 1, tzinfo=UTC)
    with config.open(tmp_path, {}, lambda look: None, lambda: now, lambda: 0.0) as opened:
        assert opened.permits(Kind.PARKING, now, plate="A1") == ()
        for ask in (lambda: opened.vehicle("A1"), lambda: opened.exemptions("A1", None, now)):
            with pytest.raises(RegistryUnavailable, match="cannot be reached"):
                ask()


def test_the_results_of_cameras_do_not_depend_on_registries(tmp_path: Path) -> None:
    assert _load(tmp_path, "timezone: Asia/Shanghai\n").digest == Config().digest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timezone: Mars\n", "config.yaml:2: registry.timezone: "),
        ("contact_role: engine\n", "'engine' is no role; known: viewer, officer, supervisor, adm"),
        ("key_env: A\n  key_file: b\n", "key_env and key_file are both there"),
        ("service: {url: registry.example}\n", "this is no web address; write one such as"),
        ("service: {url: 'https://user:pw@a.example'}\n", "its token is named by token_env"),
        ("service: {url: 'https://a:b/'}\n", "this is no web address"),
        ("service: {kinds: [cars]}\n", "'cars' is no registry; known: vehicles, merchants"),
        ("service: {token_env: A, token_file: b}\n", "token_env and token_file are both there"),
        ("service: {failures: 0}\n", "registry.service.failures: 0 is too small"),
        ("service: {timeout_s: 0}\n", "registry.service.timeout_s: 0 "),
    ],
)
def test_wrong_settings_are_reported_with_line_and_key(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    assert expected in str(caught.value)
    assert "pw@" not in str(caught.value)
