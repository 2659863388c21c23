"""A process that files findings: `python -m tests.cases.filing_process QUEUE SEED COUNT`.

The process prints a line for each step that the queue has acknowledged.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from cv_engine.cases import open_queue
from cv_engine.finding import Finding
from tests.cases.made import finding

_STEP_S = 1000.0


def street(count: int) -> Iterator[Finding]:
    """Cars parked one after the other at one place, every third of them found twice."""
    for number in range(count):
        began = number * _STEP_S
        yield finding(began, began + 300)
        if number % 3 == 0:
            yield finding(began + 10, began + 310, box=(101.0, 101.0, 201.0, 181.0))


def main(where: str, seed: int, count: int) -> None:
    """File a street's findings in an order given by the seed (0: in order of time)."""
    found = list(street(count))
    if seed:
        random.Random(seed).shuffle(found)
    with open_queue(where) as queue:
        for each in found:
            filed = queue.file(each)
            print(filed.outcome, each.key, flush=True)
            queue.gone(each.key, each.observed)
            print("left", each.key, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
