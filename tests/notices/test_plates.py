"""The plate of a case."""

from __future__ import annotations

from typing import Any

import pytest

from cv_engine.notices.plates import Reading, readings


def test_each_text_counts_once_with_its_highest_confidence() -> None:
    found = readings(
        {"plate": {"text": text, "confidence": sure}}
        for text, sure in (("浙B·1", 0.5), ("浙B1", 0.9), ("浙B2", 0.95))
    )
    assert found == [Reading("浙B2", 0.95), Reading("浙B1", 0.9)]


@pytest.mark.parametrize(
    "value",
    [
        *(None, "浙B12345", {}, {"text": "浙B1"}, {"text": " ", "confidence": 1.0}),
        *({"text": "浙B1", "confidence": True}, {"text": "浙B1", "confidence": "1"}),
        *({"text": "浙B1", "confidence": 1.5}, {"text": 7, "confidence": 0.9}),
        {"text": "浙B1?", "confidence": 0.9},
    ],
)
def test_a_value_of_another_form_is_no_reading(value: Any) -> None:
    assert readings([{"plate": value}, {}]) == []
