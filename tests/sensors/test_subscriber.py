"""The program at a real broker: restarted brokers, killed programs, refused connections."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from cv_engine.cases import Case, open_queue
from cv_engine.sensors.registry import open_registry
from tests.live.stream.certificates import identity
from tests.mosquitto import Mosquitto
from tests.sensors.made import at, device

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 120.0  # a busy machine takes its time
_COVERS, _ROUNDS = 60, 6


def _config(folder: Path, port: int, where: str, **more: Any) -> Path:
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "tls": False,
        "enter_s": 0.2,
        "reorder_s": 0.1,
        "topics": [{"topic": "covers/+"}],
        **more,
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps({"data": "data", "store": where, "sensors": settings}))
    return path


@contextmanager
def _watching(config: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """The program, once it has told that it receives; killed at the end."""
    command = [sys.executable, "-m", "tests.sensors.watching_process", "--verbose"]
    command += ["sensors", "watch", "--config", str(config)]
    with subprocess.Popen(
        command,
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def _read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    read = ""
    for line in process.stderr:
        read += line
        if words in line:
            return read
    raise AssertionError(f"the program ended without {words!r}:\n{read}")


def _eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + _LONGEST_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


class _Devices:
    """Covers that publish, each message acknowledged by the broker."""

    def __init__(self, mosquitto: Mosquitto, user: str | None = None) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(user, user)
        self._client.connect("127.0.0.1", mosquitto.port)
        self._client.loop_start()

    def publish(self, name: str, *, retain: bool = False, **values: Any) -> None:
        now = datetime.now(UTC).isoformat()
        data = json.dumps({"device": name, "time": now, **values})
        self._client.publish(f"covers/{name}", data, qos=1, retain=retain).wait_for_publish(60)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def _devices(mosquitto: Mosquitto, user: str | None = None) -> Iterator[_Devices]:
    devices = _Devices(mosquitto, user)
    try:
        yield devices
    finally:
        devices.end()


def _register(where: str) -> None:
    with open_registry(where) as registry:
        registry.register([device(f"cover-{n}") for n in range(_COVERS)], at(0))


def _cases(where: str) -> list[Case]:
    with open_queue(where) as queue:
        return queue.cases()


def test_every_event_is_one_case_though_the_program_is_killed_again_and_again(
    tmp_path: Path, mosquitto: Mosquitto, where: str
) -> None:
    _register(where)
    config = _config(tmp_path, mosquitto.port, where)
    with _watching(config) as process:  # from here on the broker keeps what arrives
        _read_until(process, "subscribed")
    chance = random.Random(3)
    covers = iter(range(_COVERS))
    with _devices(mosquitto) as devices:
        for _ in range(_ROUNDS):
            for number in islice(covers, _COVERS // _ROUNDS):
                devices.publish(f"cover-{number}", event="tilted", tilt_deg=20 + number)
            with _watching(config) as process:
                _read_until(process, "subscribed")
                time.sleep(chance.uniform(0, 0.2))  # amid messages, on a machine of any speed
    with _watching(config):
        _eventually(lambda: len(_cases(where)) >= _COVERS)
    cases = _cases(where)
    assert sorted(case.source for case in cases) == sorted(f"cover-{n}" for n in range(_COVERS))
    with open_queue(where) as queue:
        for case in cases:
            assert [entry.event for entry in queue.history(case.id)] == ["filed"]
            number = int(case.source.removeprefix("cover-"))
            assert case.attributes["what"] == f"tilted {20 + number} degrees"


def test_a_broker_that_is_restarted_is_found_again(tmp_path: Path, mosquitto: Mosquitto) -> None:
    where = str(tmp_path / "queue.sqlite")
    _register(where)
    with _watching(_config(tmp_path, mosquitto.port, where)) as process:
        _read_until(process, "subscribed")
        mosquitto.stop()
        _read_until(process, "sensors not heard")
        mosquitto.start()
        _read_until(process, "subscribed")
        with _devices(mosquitto) as devices:
            devices.publish("cover-1", event="lost")
        _eventually(lambda: [case.source for case in _cases(where)] == ["cover-1"])


def test_a_signal_ends_the_program_and_the_broker_keeps_what_comes(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    where = str(tmp_path / "queue.sqlite")
    _register(where)
    config = _config(tmp_path, mosquitto.port, where)
    with _watching(config) as process:
        _read_until(process, "subscribed")
        with _devices(mosquitto) as devices:
            devices.publish("cover-1", event="lost")
        _eventually(lambda: len(_cases(where)) == 1)
        process.send_signal(signal.SIGTERM)
        assert "stopped; messages: held 1" in _read_until(process, "stopped")
        assert process.wait(_LONGEST_S) == 0
    with _devices(mosquitto) as devices:
        devices.publish("cover-2", event="moved")
    with _watching(config):
        _eventually(lambda: len(_cases(where)) == 2)


def test_a_retained_message_is_one_case_however_often_it_is_received(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    where = str(tmp_path / "queue.sqlite")
    _register(where)
    with _devices(mosquitto) as devices:
        devices.publish("cover-1", retain=True, event="lost")
    for number in range(3):
        config = _config(tmp_path, mosquitto.port, where, client_id=f"watch-{number}")
        with _watching(config) as process:
            _read_until(process, "subscribed")
            _eventually(lambda: len(_cases(where)) == 1)
    (case,) = _cases(where)
    with open_queue(where) as queue:
        assert [entry.event for entry in queue.history(case.id)] == ["filed"]


def test_the_password_comes_from_a_file_or_the_environment_and_a_wrong_one_is_said(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    where = str(tmp_path / "queue.sqlite")
    _register(where)
    passwords = mosquitto.folder / "passwords"
    passwords.write_text("cover:cover\n")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    mosquitto.restart("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    secret.write_text("wrong-password\n")
    wrong = _config(tmp_path, mosquitto.port, where, user="cover", password_file=str(secret))
    with _watching(wrong) as process:
        said = _read_until(process, "sensors not heard")
        assert "refuses the connection" in said
        assert "wrong-password" not in said
    right = _config(tmp_path, mosquitto.port, where, user="cover", password_env="COVER_PW")
    with _watching(right, COVER_PW="cover") as process:
        _read_until(process, "subscribed")
        with _devices(mosquitto, "cover") as devices:
            devices.publish("cover-1", event="lost")
        _eventually(lambda: len(_cases(where)) == 1)


def test_a_broker_is_trusted_by_its_authority_alone(tmp_path: Path, mosquitto: Mosquitto) -> None:
    where = str(tmp_path / "queue.sqlite")
    authority = identity("authority", is_ca=True)
    shown = identity(issuer=authority).write(mosquitto.folder / "broker.pem")
    mosquitto.restart(f"certfile {shown}", f"keyfile {shown.with_suffix('.key')}")
    own, other = (tmp_path / name for name in ("own.pem", "other.pem"))
    authority.write(own)
    identity("authority", is_ca=True).write(other)
    with _watching(
        _config(tmp_path, mosquitto.port, where, tls=True, tls_ca=str(other))
    ) as process:
        assert "certificate verify failed" in _read_until(process, "sensors not heard")
    with _watching(_config(tmp_path, mosquitto.port, where, tls=True, tls_ca=str(own))) as process:
        _read_until(process, "subscribed")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"host": None}, "sensors.host: no broker is configured"),
        ({"topics": []}, "sensors.topics: no topic is configured"),
        ({"password_env": "NOT_SET"}, "the environment variable NOT_SET is not set"),
        ({"password_file": "none"}, "sensors.password_file: "),
        ({"tls": True, "tls_ca": "config.yaml"}, "the file holds no certificate"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(
    tmp_path: Path, more: dict[str, Any], expected: str
) -> None:
    from tests.commands.program import run_program

    config = _config(tmp_path, 1, str(tmp_path / "queue.sqlite"), **more)
    done = run_program(tmp_path, "sensors", "watch", "--config", config)
    assert done.returncode == 2
    assert expected in done.stderr
    checked = run_program(tmp_path, "sensors", "check", "--config", config)
    assert checked.returncode == 2
