from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import registry as benchmark


def test_plates_differ_and_are_as_the_registry_writes_them() -> None:
    from cv_engine.plate import normal_plate

    numbers = [*range(1000), *range(99_990, 100_010), 2_399_999, 2_400_000, 4_000_000]
    plates = [benchmark.plate_of(number) for number in numbers]
    assert len(set(plates)) == len(plates)
    assert all(normal_plate(plate) == plate for plate in plates)


def test_the_last_line_has_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--rows", "2000", "--folder", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["rows"] == 2000
    for name in ("import_s", "peak_mb", "idle_p99_ms", "importing_p99_ms", "rotate_s"):
        assert result[name] > 0
    assert result["importing_lookups"] > 0
    assert list(tmp_path.iterdir()) == [], "the files are removed"
