"""A file in place of a gateway."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from cv_engine.cases.outbox.errors import RetryLater
from cv_engine.notices.gateways.file import FileGateway
from cv_engine.notices.gateways.gateway import Message


def _keys(path: Path) -> list[str]:
    return [json.loads(line)["key"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_key_is_one_line(tmp_path: Path) -> None:
    gateway = FileGateway(tmp_path / "new" / "sms.jsonl")
    for key in ("a", "b", "a"):
        gateway.send(Message(key, "138", "请驶离\n!"))
    lines = gateway.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"key": "a", "to": "138", "text": "请驶离\n!"}
    assert _keys(gateway.path) == ["a", "b"]


@pytest.mark.parametrize("rest", ['{"key": "b", "to', '{"key": "b", "to": "1"}', "\x00"])
def test_a_line_that_a_kill_cut_off_is_written_again(tmp_path: Path, rest: str) -> None:
    path = tmp_path / "sms.jsonl"
    gateway = FileGateway(path)
    gateway.send(Message("a", "1", "x"))
    with path.open("a") as file:
        file.write(rest)
    gateway.send(Message("b", "1", "x"))
    assert _keys(path) == ["a", "b"]


def test_lines_of_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "sms.jsonl"
    path.write_text("a note\n[]\n")
    FileGateway(path).send(Message("a", "1", "x"))
    assert path.read_text().startswith("a note\n[]\n{")


def _send_all(path: Path) -> None:
    for number in range(20):
        FileGateway(path).send(Message(str(number), "1", "x"))


def test_many_processes_write_each_key_once(tmp_path: Path) -> None:
    path = tmp_path / "sms.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_send_all, args=(path,)) for _ in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert sorted(_keys(path)) == sorted(map(str, range(20)))


def test_a_file_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RetryLater, match="cannot be written"):
        FileGateway(tmp_path / "file" / "sms.jsonl").send(Message("a", "1", "x"))
