"""A city's whole table: 12 majors and 186 sub-classes, each with a code in two standards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cv_engine.cases.taxonomy import Stage, TimeLimit, load_taxonomy, problems_of

MAJORS, CLASSES = 12, 186


def table() -> str:
    """The text of the table, as a city's clerk would keep it."""
    majors = "\n".join(
        f'      "{number:02}": {{name: major {number}, name_zh: 大类{number}}}'
        for number in range(1, MAJORS + 1)
    )
    lines = [
        'version: "7"',
        "default_standard: City 1",
        "standards:",
        "  - id: City 1\n    digits: 4\n    major_digits: 2\n    provisional: false",
        f"    provenance: the city's gazette\n    majors:\n{majors}",
        "  - {id: Old, digits: 3, provisional: true, provenance: the old system}",
        "classes:",
    ]
    for number in range(CLASSES):
        major = number % MAJORS
        code = f"{major + 1:02}{number // MAJORS + 1:02}"
        lines += [
            f"  - kind: kind_{number}",
            f"    name: sub-class {number}\n    name_zh: 小类{number}",
            f'    codes: {{City 1: "{code}", Old: "{number:03}"}}',
            f"    department: d{major}",
            f"    limits: {{confirm: 2 working hours, handle: {number % 9 + 1} working days}}",
            "    urgent_limits: {handle: 24 hours}",
        ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("city") / "taxonomy.yaml"
    file.write_text(table(), encoding="utf-8")
    return file


def test_the_table_loads_in_well_under_a_second(path: Path) -> None:
    load_taxonomy(path)
    began = time.process_time()
    taxonomy = load_taxonomy(path)
    assert time.process_time() - began < 0.5
    tree = taxonomy.tree()
    assert len(tree) == MAJORS
    assert sum(map(len, tree.values())) == len(taxonomy.kinds) == CLASSES
    assert [major.name_zh for major in tree][:2] == ["大类1", "大类2"]


def test_every_class_of_the_table_is_found_by_kind_and_by_code(path: Path) -> None:
    taxonomy = load_taxonomy(path)
    for number in range(CLASSES):
        found = taxonomy.classify(f"kind_{number}")
        (old,) = taxonomy.crosswalk("City 1", found.code, "Old")
        assert old.code == f"{number:03}"
        assert taxonomy.crosswalk("Old", old.code, "City 1") == (found,)
        assert found.department == f"d{int(found.major) - 1}"
        limit = taxonomy.classify(f"kind_{number}", "Old").limit(Stage.HANDLE)
        assert limit == TimeLimit.parse(f"{number % 9 + 1} working days")


def test_a_wrong_line_of_the_table_is_found(path: Path, tmp_path: Path) -> None:
    departments = [f"d{number}" for number in range(MAJORS)]
    assert problems_of(path, departments) == ()
    lines = path.read_text(encoding="utf-8").split("\n")
    wrong = lines.index("    department: d7")
    lines[wrong] = "    department: d77"
    (tmp_path / "t.yaml").write_text("\n".join(lines), encoding="utf-8")
    (problem,) = problems_of(tmp_path / "t.yaml", departments)
    assert problem.line == wrong + 1
    assert problem.text.startswith("classes[7].department: 'd77' is not among")
