from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.composed.camera import Camera
from benchmarks.composed.folder import film_scene, write_tables
from benchmarks.composed.plots import PLOTS, WITH_STAY
from benchmarks.composed.render import Painter, frames
from benchmarks.composed.scene import FIRST_FRESH_SEED, Options, Scene, draw_scene
from benchmarks.harness.labelled_clips import read_clips, read_events
from tests.benchmarks.composed.props import background, cutouts

SIZE = (320, 240)


def _scene(seed: int, event: str | None = None, dwell_s: float = 3.0) -> Scene:
    options = Options(dwell_s=dwell_s, event=event, size=SIZE)
    return draw_scene(seed, cutouts(), [background()], options)


def test_the_same_seed_gives_the_same_frames() -> None:
    first, second = (Painter(_scene(7)) for _ in range(2))
    for number in (0, 40, 90):
        assert np.array_equal(first.frame(number), second.frame(number))


def test_frames_do_not_depend_on_those_before() -> None:
    scene = _scene(8, "put")
    painter = Painter(scene)
    for number in range(60):
        painter.frame(number)
    assert np.array_equal(painter.frame(60), Painter(scene).frame(60))


def test_another_seed_gives_another_scene() -> None:
    conditions = {str(sorted(_scene(seed).conditions.items())) for seed in range(6)}
    assert len(conditions) > 4


def test_fresh_seeds_show_objects_and_views_of_their_own() -> None:
    views = [background("a.mp4"), background("b.mp4", held_back=True)]
    objects = cutouts() + [replace(c, name="fresh-" + c.name, held_back=True) for c in cutouts()]
    for seed in (3, FIRST_FRESH_SEED + 3):
        scene = draw_scene(seed, objects, views, Options(event="put", size=SIZE))
        fresh = seed >= FIRST_FRESH_SEED
        assert scene.conditions["view"] == ("b.mp4" if fresh else "a.mp4")
        assert {a.cutout.name.startswith("fresh-") for a in scene.actors} == {fresh}


@pytest.mark.parametrize("event", [kind for kind in PLOTS if kind != "none"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_event_has_its_truth(event: str, seed: int) -> None:
    scene = _scene(seed, event)
    assert scene.conditions["event"] == event
    must = [stay for stay in scene.stays if not stay.optional]
    assert bool(must) == (event in WITH_STAY)
    for stay in must:
        assert stay.end_s - stay.start_s >= 2 * 3.0
        assert 0 <= stay.start_s < stay.end_s <= scene.length_s
    if event == "swapped":
        assert {stay.thing for stay in must} >= {0, 1}
    if event == "pushed":
        assert len(must[0].boxes) >= 2


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 999), st.sampled_from(WITH_STAY))
def test_truth_lies_in_the_picture(seed: int, event: str) -> None:
    for stay in _scene(seed, event).stays:
        for x0, y0, x1, y1 in stay.boxes[:1]:
            assert 0 <= x0 < x1 <= SIZE[0]
            assert 0 <= y0 < y1 <= SIZE[1]
            assert min(x1 - x0, y1 - y0) >= 2
        assert 0 <= stay.hidden <= 1


def _alone(scene: Scene, number: int) -> Scene:
    """The scene with nothing but the thing of a stay, before a camera that stands still."""
    start_s = scene.stays[number].start_s
    things = [a for a in scene.actors if not a.walks and a.pose(start_s + 0.3, scene.view.ground)]
    return replace(scene, actors=things, camera=Camera(scene.view.size))


@pytest.mark.parametrize("seed", range(5))
def test_the_box_holds_the_pixels_that_changed(seed: int) -> None:
    scene = _scene(seed, "put")
    if len(scene.stays) != 1 or scene.camera.moves:
        scene = next(
            s
            for n in range(50, 200)
            if len((s := _scene(n, "put")).stays) == 1 and not s.camera.moves
        )
    stay = scene.stays[0]
    painter = Painter(_alone(scene, 0))
    changed = np.abs(
        painter.canvas(stay.start_s + 0.3).astype(int) - scene.view.image.astype(int)
    ).max(axis=2)
    # A shadow darkens by a share; the thing's pixels differ more, most of them.
    x0, y0, x1, y1 = (round(side) for side in stay.boxes[0])
    assert (changed[y0:y1, x0:x1] > 4).mean() > 0.6
    outside = changed.copy()
    margin = 3
    outside[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin] = 0
    assert outside.max() <= 0.5 * scene.view.image.max()
    above = outside[: max(0, y0 - margin)]
    assert scene.view.sun is not None or not (above > 12).any()


def test_a_thing_at_rest_does_not_change() -> None:
    scene = _scene(11, "put")
    painter = Painter(_alone(scene, 0))
    start_s = scene.stays[0].start_s
    first, later = painter.canvas(start_s + 0.5), painter.canvas(start_s + 3.0)
    assert np.array_equal(first, later)


def test_a_clip_has_the_length_and_rate_of_its_scene(tmp_path: Path) -> None:
    scene = replace(_scene(4, "put"), length_s=3.0, rate=Fraction(8))
    path = film_scene(scene, tmp_path)
    with av.open(str(path)) as clip:
        shown = [frame.time for frame in clip.decode(video=0)]
    assert len(shown) == 24
    assert shown[-1] - shown[0] == pytest.approx(23 / 8, abs=0.02)


@pytest.mark.parametrize("codec", ["h264", "h265", "mpeg4", "mjpeg"])
def test_every_codec_can_be_read(codec: str, tmp_path: Path) -> None:
    scene = next(s for n in range(60) if (s := _scene(n)).conditions["codec"] == codec)
    path = film_scene(replace(scene, length_s=1.5), tmp_path)
    with av.open(str(path)) as clip:
        pictures = [frame.to_ndarray(format="bgr24") for frame in clip.decode(video=0)]
    assert len(pictures) == round(1.5 * scene.rate)
    assert pictures[-1].shape == (240, 320, 3)


def test_the_folder_says_what_the_scene_says(tmp_path: Path) -> None:
    scene = _scene(5, "pushed")
    path = tmp_path / "scene.mp4"
    write_tables([(scene, path)], tmp_path)
    (clip,) = read_clips(tmp_path)
    assert clip.path == path
    assert clip.exhaustive == ("abandoned", "vehicle")
    assert clip.conditions["light"] == scene.conditions["light"]
    events = read_events(tmp_path, "scene.mp4")
    assert [event.kind for event in events] == [stay.kind for stay in scene.stays]
    for event, stay in zip(events, scene.stays, strict=True):
        assert np.allclose(event.boxes, np.array(stay.boxes), atol=0.11)
        assert event.start_s == pytest.approx(stay.start_s, abs=0.01)


def test_trains_are_not_scored(tmp_path: Path) -> None:
    scene = _scene(2, "train")
    assert scene.conditions["event"] == "train"
    write_tables([(scene, tmp_path / "s.mp4")], tmp_path)
    (clip,) = read_clips(tmp_path)
    assert clip.exhaustive == ("abandoned",)


def test_a_scene_of_any_length_has_its_frames() -> None:
    scene = draw_scene(1, cutouts(), [background()], Options(event="none", length_s=600, size=SIZE))
    assert scene.length_s == 600
    assert next(frames(scene)).shape == (360, 320)
    assert not scene.stays
