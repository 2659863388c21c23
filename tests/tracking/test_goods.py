from __future__ import annotations

import numpy as np
import supervision as sv

from cv_engine.tracking.goods import GOODS, OTHERS, carried
from models.registry.manifest import class_list
from tests.tracking.scenes import detections


def test_every_class_is_one_that_the_detector_knows() -> None:
    names = set(class_list("coco"))
    assert names >= GOODS
    assert names >= OTHERS
    assert not GOODS & OTHERS


def test_what_lies_in_somebodys_box_is_carried() -> None:
    person = detections([("person", (100, 50, 140, 160))])
    goods = detections(
        [
            ("backpack", (105, 70, 125, 100)),  # on the back
            ("suitcase", (130, 120, 170, 160)),  # beside the feet
            ("suitcase", (300, 120, 340, 160)),
        ]
    )
    assert carried(goods, person).tolist() == [True, False, False]


def test_nothing_is_carried_where_there_is_no_person() -> None:
    goods = detections([("suitcase", (130, 120, 170, 160))])
    assert carried(goods, sv.Detections.empty()).tolist() == [False]
    assert carried(sv.Detections.empty(), goods).shape == (0,)
    assert carried(goods, goods).dtype == np.bool_
