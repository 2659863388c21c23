"""A process that files findings: `python -m tests.cases.filing_process QUEUE SEED COUNT [NAME]`.

The process prints a line for each step that the queue has acknowledged.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from cv_engine.cases import open_queue
from cv_engine.finding import Finding
from tests.cases.made import finding, located

_STEP_S = 1000.0
_METRE = 1 / 96_400  # degrees of longitude, at 30 degrees north


def street(count: int) -> Iterator[Finding]:
    """Cars parked one after the other at one place, every third of them found twice."""
    for number in range(count):
        began = number * _STEP_S
        yield finding(began, began + 300)
        if number % 3 == 0:
            yield finding(began + 10, began + 310, box=(101.0, 101.0, 201.0, 181.0))


def crossing(count: int) -> Iterator[Finding]:
    """Goods along a street, each seen by four cameras from two sides of a border of cells.

    The first and the last camera agree only through the two between them.
    """
    for number in range(count):
        lon = 121.0 + number * 20 * _METRE
        for camera in range(4):
            east_m = 1.5 * camera - 2.25
            yield located(
                *(lon + east_m * _METRE, 30.0 + number * 1e-9, camera, 300 + camera),
                kind="clutter",
                source=f"camera {camera}",
                accuracy_m=2.0,
            )


_SCENES = {"street": street, "crossing": crossing}


def main(where: str, seed: int, count: int, scene: str = "street") -> None:
    """File a scene's findings in an order given by the seed (0: in order of time)."""
    found = list(_SCENES[scene](count))
    if seed:
        random.Random(seed).shuffle(found)
    with open_queue(where) as queue:
        for each in found:
            filed = queue.file(each)
            print(filed.outcome, each.key, flush=True)
            queue.gone(each.key, each.observed)
            print("left", each.key, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
