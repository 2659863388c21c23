"""The commands around the outbox, as a person and a program use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from cv_engine.cases import open_queue
from tests.cases.made import finding
from tests.cases.outbox.receivers import LONGEST_S, WebServer, until
from tests.commands.program import run_program

_ROOT = Path(__file__).resolve().parents[2]
_LIST = ("outlets", "list", "--config", "config.yaml", "--format", "jsonl")
_NEW = '{"name": "platform", "state": "new"}\n'
Popen = subprocess.Popen[str]
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration with one webhook."""
    monkeypatch.setenv("PLATFORM_KEY", _SECRET)
    (tmp_path / "config.yaml").write_text(
        "data: data\noutlets:\n  webhooks:\n"
        f"    - {{name: platform, url: '{web.url}', secret_env: PLATFORM_KEY}}\n"
    )
    return tmp_path


def _file(folder: Path, zone: str = "pavement") -> None:
    with open_queue(folder / "data" / "queue.db") as queue:
        queue.file(finding(zone=zone))


def _rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@contextmanager
def _started(folder: Path, *arguments: str) -> Iterator[tuple[Popen, IO[str], IO[str]]]:
    """The program as a process, with its stdout and stderr; SIGTERM ends it with code 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *arguments, "--config", "config.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, process.stdout, process.stderr
        process.terminate()
        assert process.wait(LONGEST_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_from_the_first_run_on_events_are_sent(folder: Path, web: WebServer) -> None:
    config = ("--config", "config.yaml")
    listed = run_program(folder, "outlets", "list", *config, "--format", "jsonl")
    assert _rows(listed.stdout) == [{"name": "platform", "state": "new"}]
    assert run_program(folder, "outlets", "run", "--once", *config).returncode == 0
    _file(folder)
    (row,) = _rows(run_program(folder, "outlets", "list", *config, "--format", "jsonl").stdout)
    assert (row["state"], row["waiting"], row["dead"]) == ("ready", 1, 0)
    done = run_program(folder, "outlets", "run", "--once", *config)
    assert (done.returncode, done.stderr) == (0, "1 sent, 0 skipped, 0 retried, 0 dead\n")
    assert [request.json()["id"] for request in web.requests] == ["1-1"]


def test_dead_letters_are_listed_resent_and_dropped(folder: Path, web: WebServer) -> None:
    config = ("--config", "config.yaml")
    run_program(folder, "outlets", "run", "--once", *config)
    _file(folder)
    web.answers.append((400, {}))
    assert run_program(folder, "outlets", "run", "--once", *config).returncode == 1
    (letter,) = _rows(run_program(folder, "outlets", "dead", *config, "--format", "jsonl").stdout)
    assert (letter["outlet"], letter["case_id"], letter["error"]) == ("platform", 1, "HTTP 400")
    assert "HTTP 400" in run_program(folder, "outlets", "dead", *config).stdout
    unclear = run_program(folder, "outlets", "resend", *config)
    assert unclear.returncode == 2
    assert "--all" in unclear.stderr
    assert run_program(folder, "outlets", "resend", "99", *config).returncode == 2
    assert run_program(folder, "outlets", "resend", str(letter["id"]), *config).returncode == 0
    web.answers.append((400, {}))
    run_program(folder, "outlets", "run", "--once", *config)
    assert len(web.requests) == 2
    assert "1 dead letters are dropped" in (
        run_program(folder, "outlets", "drop", "--all", *config).stderr
    )
    assert "no dead letters" in run_program(folder, "outlets", "dead", *config).stderr


def test_an_outlet_that_left_the_configuration_is_removed(folder: Path) -> None:
    run_program(folder, "outlets", "run", "--once", "--config", "config.yaml")
    kept = run_program(folder, "outlets", "remove", "platform", "--config", "config.yaml")
    assert kept.returncode == 2
    data = ("--data", "data")
    assert "not in the configuration" in run_program(folder, "outlets", "list", *data).stdout
    _file(folder)
    removed = run_program(folder, "outlets", "remove", "platform", *data)
    assert removed.stderr == "removed; 1 waiting events discarded\n"
    assert run_program(folder, "outlets", "remove", "platform", *data).returncode == 2


@pytest.mark.parametrize("secret", [None, "geheim"])
def test_a_wrong_secret_is_reported_before_anything_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    monkeypatch.delenv("PLATFORM_KEY")
    if secret is not None:
        monkeypatch.setenv("PLATFORM_KEY", secret)
    done = run_program(folder, "outlets", "run", "--config", "config.yaml")
    assert done.returncode == 2
    assert "outlet 'platform'" in done.stderr
    assert "geheim" not in done.stderr


def test_without_outlets_there_is_nothing_to_run(tmp_path: Path) -> None:
    done = run_program(tmp_path, "outlets", "run", "--data", "data")
    assert done.returncode == 2
    assert "outlets:" in done.stderr


def test_the_service_sends_until_it_is_stopped(folder: Path, web: WebServer) -> None:
    with _started(folder, "outlets", "run") as (_, _, err):
        assert "sending to platform" in err.readline()
        _file(folder, "north")
        _file(folder, "south")
        until(lambda: len(web.requests) == 2)


def test_watching_sends_too(folder: Path, web: WebServer) -> None:
    with (folder / "config.yaml").open("a") as config:
        config.write("live: {metrics_port: null, workers: 1}\n")
        config.write("cameras: [{name: away, url: 'rtsp://127.0.0.1:9/x'}]\n")
    with _started(folder, "watch"):
        until(lambda: run_program(folder, *_LIST).stdout != _NEW)
        _file(folder)
        until(lambda: web.requests)


def test_the_queue_is_followed_as_json_lines(folder: Path) -> None:
    _file(folder, "before")
    with _started(folder, "cases", "watch") as (_, out, err):
        assert "following" in err.readline()
        _file(folder, "after")
        event = json.loads(out.readline())
    assert (event["id"], event["type"]) == ("2-1", "case.filed")
    before = str(event["data"]["entry"]["id"] - 1)
    with _started(folder, "cases", "watch", "--after", before) as (_, out, _):
        assert json.loads(out.readline()) == event


def test_a_reader_that_has_seen_enough_ends_the_watch(folder: Path) -> None:
    for zone in "ab":
        _file(folder, zone)
    with _started(folder, "cases", "watch", "--after", "0") as (process, out, err):
        out.readline()
        out.close()
        _file(folder, "c")
        assert process.wait(LONGEST_S) == 0
        assert "Traceback" not in err.read()
