from __future__ import annotations

from pathlib import Path

import pytest

from cv_engine.cases import QueueError
from cv_engine.cases.taxonomy import (
    Priority,
    Stage,
    TimeLimit,
    check_departments,
    load_taxonomy,
    problems_of,
)

_HEAD = """\
version: "1"
default_standard: S
standards: [{id: S, digits: 2, provisional: true, provenance: me}]
classes:
"""


def _told(folder: Path, text: str) -> list[str]:
    path = folder / "t.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(QueueError) as caught:
        load_taxonomy(path)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (
            "  - {kind: a, name: A, codes: {S: 12}}",
            "t.yaml:5: classes[0].codes.S: 12 is no code; write its digits between quotes, such",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "123"}}',
            "t.yaml:5: classes[0].codes.S: '123' must have 2 digits, as every code of S",
        ),
        (
            '  - {kind: a, name: A, codes: {T: "12"}}',
            "t.yaml:5: classes[0].codes.T: 'T' is not among the standards of this file; known: S",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, prioriti: x}',
            "t.yaml:5: classes[0].prioriti: unknown key; did you mean priority?",
        ),
        ("  - {kind: a, name: A}", "t.yaml:5: classes[0].codes: missing"),
        ("  - kind: [", "t.yaml:6: did not find expected node content"),
        ("  - a", "t.yaml:5: classes[0]: 'a' is not a group of keys"),
        ("  {}", "t.yaml:4: classes: a group of keys is not a list; start each entry with a dash"),
        (
            '  - {kind: a, name: A, codes: {S: "12"}}\n  - {kind: a, name: A, codes: {S: "13"}}',
            "t.yaml:6: classes[1].kind: 'a' is written twice, first on line 5; give each its own",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}}\n'
            '  - {kind: b, name: A, shared: true, codes: {S: "12"}}',
            "t.yaml:5: classes[0].codes.S: '12' is also the code of 'b'; correct one of them, or",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, limits: {handle: 2 weeks}}',
            "t.yaml:5: classes[0].limits.handle: '2 weeks' is no time limit; write a whole number",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, limits: {handel: 2 days}}',
            "t.yaml:5: classes[0].limits.handel: unknown key; did you mean handle?",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, recurrence: {join_within: 1 working day}}',
            "t.yaml:5: classes[0].recurrence.join_within: '1 working day' is working time, which",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, priority: high}',
            "t.yaml:5: classes[0].priority: 'high' is not one of urgent, normal, deferrable",
        ),
        (
            '  - {kind: a, name: A, codes: {S: "12"}, majors: {T: "1"}}',
            "t.yaml:5: classes[0].majors.T: the class has no code in 'T'",
        ),
    ],
)
def test_a_wrong_class_is_explained_with_file_line_and_key(
    classes: str, expected: str, tmp_path: Path
) -> None:
    (problem,) = _told(tmp_path, f"{_HEAD}{classes}\n")
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("default_standard: S", "default_standard: T", "t.yaml:2: default_standard: 'T' is not"),
        ('version: "1"', "version: 1", "t.yaml:1: version: 1 is not valid; expected a text bet"),
        (
            "provenance: me",
            'provenance: me, major_digits: 1, majors: {"01": {name: x}, "0": {name: y}}',
            "t.yaml:3: standards[0].majors.01: a major of this standard has 1 digits",
        ),
        (
            "provenance: me",
            'provenance: me, major_digits: 1, majors: {"2": {name: x}}',
            "t.yaml:5: classes[0].codes.S: S has no major '0'; known: 2",
        ),
        (
            "provenance: me",
            "provenance: me, major_digits: 3",
            "t.yaml:3: standards[0].major_digits: 3 is more than the 2 of a code",
        ),
        (
            "classes:",
            "departments: [{id: parks, name: Parks}]\nclasses:",
            "t.yaml:4: departments: departments are listed in the organisation file now",
        ),
        (
            "classes:",
            "reasons: [{id: a, name: A, actions: []}, {id: a, name: B, actions: []}]\nclasses:",
            "t.yaml:4: reasons[1].id: 'a' is written twice",
        ),
        (
            "classes:",
            "reasons: [{id: a, name: A, actions: [refuse]}]\nclasses:",
            "t.yaml:4: reasons[0].actions[0]: 'refuse' is not one of reject, withdraw, undo",
        ),
    ],
)
def test_a_wrong_head_is_explained(old: str, new: str, expected: str, tmp_path: Path) -> None:
    text = _HEAD.replace(old, new) + '  - {kind: a, name: A, codes: {S: "01"}}\n'
    (problem,) = _told(tmp_path, text)
    assert problem.startswith(expected)


def test_all_problems_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        f"{_HEAD}"
        '  - {kind: a, name: A, codes: {S: "01"}, majors: {T: "1"}}\n'
        "  - {kind: b, name: 3, codes: {S: 1}}\n"
        '  - {kind: a, name: C, codes: {S: "1", T: "01"}}\n'
    )
    problems = _told(tmp_path, text)
    assert [each.partition(": ")[0] for each in problems] == [
        *("t.yaml:5", "t.yaml:6", "t.yaml:6", "t.yaml:7", "t.yaml:7", "t.yaml:7")
    ]
    lines = [each.line for each in problems_of(tmp_path / "t.yaml")]
    assert lines == [5, 6, 6, 7, 7, 7]


@pytest.mark.parametrize("text", ["", "[]", "3", "classes: [{}]", "standards: {}\nclasses: 3\n"])
def test_a_file_of_something_else_ends_in_a_message(text: str, tmp_path: Path) -> None:
    assert all(each.startswith("t.yaml:") for each in _told(tmp_path, text))


def test_departments_are_those_of_the_organisation_where_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f'{_HEAD}  - {{kind: a, name: A, codes: {{S: "01"}}, department: parks}}\n')
    taxonomy = load_taxonomy(path)
    assert problems_of(path) == problems_of(path, ["parks", "water"]) == ()
    check_departments(taxonomy, path, ["parks", "water"])
    said = (
        r"t\.yaml:5: classes\[0\]\.department: 'parks' is not among the departments of the "
        "organisation; known: water, roads; add it there or correct the name"
    )
    with pytest.raises(QueueError, match=said):
        check_departments(taxonomy, path, ["water", "roads"])


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(QueueError, match=r"none\.yaml: there is no such file"):
        load_taxonomy(tmp_path / "none.yaml")


def test_a_city_uses_its_own_departments_priorities_and_limits(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        """\
version: "1"
default_standard: S
standards:
  - id: S
    digits: 3
    provisional: false
    provenance: printed
    majors: {"01": {name: street, name_zh: 街面}, "7": {name: water}}
classes:
  - kind: tree_fallen
    name: fallen tree
    codes: {S: "101"}
    majors: {S: "7"}
    department: parks
    priority: urgent
    limits: &street {handle: 2 working days, close: 7 days}
    urgent_limits: {handle: 4 hours}
  - {kind: hedge, name: hedge, codes: {S: "102"}, majors: {S: "01"}, limits: *street}
""",
        encoding="utf-8",
    )
    taxonomy = load_taxonomy(path)
    tree, hedge = taxonomy.classify("tree_fallen"), taxonomy.classify("hedge")
    assert taxonomy.majors["S", tree.major].name == "water"
    assert (tree.department, hedge.department) == ("parks", None)
    assert taxonomy.departments == ("parks",)
    assert (tree.priority, hedge.priority) == (Priority.URGENT, Priority.NORMAL)
    assert tree.limit(Stage.HANDLE) == hedge.limit(Stage.HANDLE) == TimeLimit.parse("2 working day")
    assert tree.limit(Stage.HANDLE, urgent=True) == TimeLimit.parse("4 hours")
    assert tree.limit(Stage.CLOSE, urgent=True) == TimeLimit.parse("7 days")
    assert tree.limit(Stage.CONFIRM) is None
