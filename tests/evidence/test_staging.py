from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cv_engine.evidence.staging import staged


def test_runs_that_begin_and_end_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The one that ends last removes the folder that another is about to use."""

    def work(number: int) -> None:
        for _ in range(400):
            with staged(tmp_path, f"package-{number}") as folder:
                assert folder.is_dir()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
