"""The confidence of cases: how many of the cases that have it are right.

What the detector says of a vehicle is no probability of a case: it is low for a car far away that
has stood there for minutes. What the verifier says of a thing is too high where the footage is
unlike its training. Both are corrected by Platt's method (see `models.platt`), fitted on cases of
real clips and of composed scenes that the verifier was not trained on, each judged right or wrong:
41 of 46 cases of vehicles were right, and 14 of 19 of things. Each truth counts as
(n + 1) / (n + 2), as Platt advises, so that few cases give no certainty.

`python -m benchmarks scenes` and `events` compare confidences with the share of cases that are
right.
"""

from __future__ import annotations

import numpy as np

from models.platt import Platt

_VEHICLE = Platt(scale=0.96, bias=1.99)
_THING = Platt(scale=1.25, bias=-0.71)


def of_vehicle(detected: float) -> float:
    """The confidence that a vehicle stands there.

    Args:
        detected: Highest confidence of the detections of what has stood there, 0 to 1.
    """
    return _corrected(_VEHICLE, detected)


def of_thing(verified: float) -> float:
    """The confidence that a thing lies there.

    Args:
        verified: Probability by the verifier, averaged over samples, 0 to 1.
    """
    return _corrected(_THING, verified)


def _corrected(platt: Platt, probability: float) -> float:
    return float(platt(np.array([probability], np.float32))[0])
