"""The section ``outlets``: what is refused, where, and that secrets stay secret."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cv_engine.cases.outbox.errors import OutletError
from cv_engine.cases.outbox.mqtt import Mqtt
from cv_engine.cases.outbox.people import People
from cv_engine.cases.outbox.webhook import Webhook
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.config import ConfigError, load_config

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ALL = """
outlets:
  webhooks:
    - name: platform
      url: https://token@platform.city.example/cases
      secret_env: PLATFORM
      kinds: [clutter]
      events: [filed, state]
      states: [reported]
      zones: [north]
      departments: [cleansing]
      hours: Mo-Fr 08:00-18:00
      timezone: Asia/Shanghai
  mqtt:
    - name: broker
      url: mqtts://broker.city.example
      user: engine
      password_file: password
  people:
    - name: duty
      to_env: DUTY
      quiet: 22:00-07:00
      language: zh
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_outlets_are_opened_with_secrets_of_the_environment_and_of_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    config = load_config(_write(tmp_path, _ALL))
    assert config.outlets.names == ("platform", "broker", "duty")
    environment = {"PLATFORM": _SECRET, "DUTY": "json://chat.city.example"}
    webhook, broker, people = config.outlets.open(
        environment, lambda: datetime.now(UTC), load_taxonomy()
    )
    assert isinstance(webhook, Webhook)
    assert isinstance(broker, Mqtt)
    assert isinstance(people, People)
    assert (webhook.url, len(webhook.keys[0])) == (
        "https://token@platform.city.example/cases",
        24,
    )
    assert (broker.host, broker.port, broker.tls) == ("broker.city.example", 8883, True)
    assert broker.password == "geheim"
    assert "geheim" not in repr(broker)
    assert people.quiet is not None
    assert people.every_s == 900


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, _ALL))
    clock = lambda: datetime.now(UTC)  # noqa: E731
    with pytest.raises(OutletError, match=r"'platform': secret_env: .* PLATFORM is not set"):
        config.outlets.open({}, clock, load_taxonomy())
    with pytest.raises(OutletError, match=r"'broker': password_file: .*password cannot be read"):
        config.outlets.open({"PLATFORM": _SECRET}, clock, load_taxonomy())
    (tmp_path / "password").write_text("geheim")
    with pytest.raises(OutletError, match=r"'platform'.*openssl"):
        config.outlets.open({"PLATFORM": "geheim"}, clock, load_taxonomy())


def test_a_kind_that_the_taxonomy_does_not_have_is_refused(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, _ALL.replace("[clutter]", "[cars]")))
    with pytest.raises(OutletError, match=r"'platform': kinds: there is no kind 'cars'"):
        config.outlets.open({}, lambda: datetime.now(UTC), load_taxonomy())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "webhooks:\n    - {name: a, url: ftp://geheim@x, secret_env: S}",
            "config.yaml:3: outlets.webhooks[0].url: this is no web address",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x}",
            "config.yaml:3: outlets.webhooks[0]: secret_env is missing",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret: geheim}",
            "config.yaml:3: outlets.webhooks[0].secret: unknown key",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret_env: S, secret_file: s}",
            "secret_env and secret_file are both there",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret_env: S, events: [closed]}",
            "there is no event 'closed'; known: filed, joined",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret_env: S, states: [filed]}",
            "there is no state 'filed'; known: reported",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret_env: S, hours: soon}",
            "outlets.webhooks[0]: ",
        ),
        (
            "webhooks:\n    - {name: a, url: https://x, secret_env: S}\n"
            "  mqtt:\n    - {name: a, url: mqtt://x}",
            "two outlets are named 'a'",
        ),
        ("mqtt:\n    - {name: a, url: mqtt://u:geheim@x}", "this is no broker's address"),
        ("mqtt:\n    - {name: a, url: 'mqtt://x:99999'}", "this is no broker's address"),
        ("mqtt:\n    - {name: a, url: mqtt://x, topic: 'a/#'}", "no wildcards"),
        ("mqtt:\n    - {name: a, url: mqtt://x, password_env: P}", "user is missing"),
        ("mqtt:\n    - {name: a, url: mqtt://x, tls_ca: ca.pem}", "tls_ca has no effect"),
        ("people:\n    - {name: a}", "to_env is missing"),
        ("people:\n    - {name: a, to_env: T, every_s: 0}", "every_s: 0 is too small"),
        ("people:\n    - {name: a, to_env: T, language: fr}", "language: 'fr'"),
        ("people:\n    - {name: a, to_env: T, quiet: 25:00-07:00}", "outlets.people[0]"),
        ("people:\n    - {name: a, to_env: T, timezone: Mars}", "Mars"),
    ],
)
def test_a_wrong_outlet_is_refused_with_its_line(
    tmp_path: Path, written: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(_write(tmp_path, f"outlets:\n  {written}\n"))
    assert message in str(refused.value)
    assert "geheim" not in str(refused.value)
