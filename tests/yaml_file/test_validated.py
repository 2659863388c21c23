from __future__ import annotations

from pathlib import Path

from cv_engine.section import Count, Section
from cv_engine.yaml_file import Problem, read_validated, told


class _Shelf(Section):
    books: Count
    boxes: Count = 1


def _read(folder: Path, text: str) -> tuple[_Shelf | None, tuple[Problem, ...]]:
    path = folder / "shelf.yaml"
    path.write_text(text)
    read = read_validated(path, _Shelf)
    return read.value, read.problems


def test_a_file_is_the_value_of_its_model(tmp_path: Path) -> None:
    assert _read(tmp_path, "books: 3\n") == (_Shelf(books=3), ())


def test_a_key_that_is_written_twice_is_a_problem_beside_the_value(tmp_path: Path) -> None:
    value, (problem,) = _read(tmp_path, "books: 3\nbooks: 4\n")
    assert value == _Shelf(books=3)
    assert problem == Problem(2, "books: written twice, first on line 1; remove one of the two")


def test_problems_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    value, problems = _read(tmp_path, "boxes: 0\nbooks: 3\nbox: 1\nbooks: 2\n")
    assert value is None
    assert [each.line for each in problems] == [1, 3, 4]


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    missing = read_validated(tmp_path / "none.yaml", _Shelf)
    assert missing.problems == (Problem(0, "there is no such file; correct the path"),)
    assert told(Path("none.yaml"), missing.problems) == (
        "none.yaml: there is no such file; correct the path"
    )
    (folder,) = read_validated(tmp_path, _Shelf).problems
    assert folder.text.startswith("cannot be read")
    assert [each.line for each in _read(tmp_path, "books: 3\nboxes: [")[1]] == [3]


def test_a_hundred_problems_are_enough_for_one_message() -> None:
    text = told(Path("f.yaml"), [Problem(line, "wrong") for line in range(150, 0, -1)])
    lines = text.split("\n")
    assert len(lines) == 101
    assert lines[0] == "f.yaml:1: wrong"
    assert lines[-1] == "f.yaml: there are more problems; correct these first"
