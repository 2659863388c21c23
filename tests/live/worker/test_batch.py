"""When the detector is asked: once there are enough samples, or one has waited enough."""

from __future__ import annotations

import pytest

from cv_engine.live.buffer.sampler import DueSample
from cv_engine.live.worker.batch import Batch
from cv_engine.live.worker.decoding import SampleDecoder
from cv_engine.video.frame import Sample, Scaler
from tests.live.encoded_frames import numbered


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    pictures = SampleDecoder(Scaler())
    made = numbered(tmp_path_factory.mktemp("made"), 4, gop=1)
    found = [pictures.decode(DueSample(each.media_s, (each,), True)) for each in made]
    return [sample for sample in found if sample is not None]


def test_enough_samples_are_not_kept_waiting(samples: list[Sample]) -> None:
    batch: Batch[str] = Batch(3, 0.2)
    assert not batch.is_due(0.0)
    for name, sample, now_s in zip("abc", samples, (0.0, 0.1, 0.15), strict=False):
        assert not batch.is_due(now_s)
        batch.add(name, sample, now_s)
        assert name in batch
    assert batch.is_due(0.15)
    assert batch.take() == list(zip("abc", samples, strict=False))
    assert "a" not in batch
    assert not batch.is_due(99.0)


def test_the_first_waits_no_longer_than_it_should(samples: list[Sample]) -> None:
    batch: Batch[str] = Batch(3, 0.2)
    assert batch.patience_s(0.0, 0.25) == 0.25
    batch.add("a", samples[0], 10.0)
    assert batch.patience_s(10.0, 0.25) == pytest.approx(0.2)
    batch.add("b", samples[1], 10.15)
    assert batch.patience_s(10.15, 0.25) == pytest.approx(0.05)
    assert batch.patience_s(10.15, 0.01) == 0.01
    assert not batch.is_due(10.19)
    assert batch.is_due(10.21)
    assert batch.patience_s(11.0, 0.25) == 0.0
    batch.take()
    batch.add("c", samples[2], 20.0)
    assert not batch.is_due(20.1), "the next one waits in full"


def test_the_detector_is_not_asked_about_a_released_camera(samples: list[Sample]) -> None:
    batch: Batch[str] = Batch(1, 0.2)
    batch.add("a", samples[0], 0.0)
    batch.remove("a")
    batch.remove("z")
    assert not batch.is_due(5.0)
    assert batch.patience_s(5.0, 0.25) == 0.25
    assert batch.take() == []


def test_no_more_wait_than_two_calls_take(samples: list[Sample]) -> None:
    batch: Batch[str] = Batch(2, 0.2)
    for name, sample in zip("abcd", samples, strict=True):
        assert not batch.is_full
        batch.add(name, sample, 0.0)
    assert batch.is_full
    batch.take()
    assert not batch.is_full
