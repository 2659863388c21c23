"""A scene, drawn whole from its seed: view, light, weather, camera, actors, encoding and truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from benchmarks.composed.actors import Actor, Box
from benchmarks.composed.backgrounds import Background
from benchmarks.composed.camera import Camera, draw_camera
from benchmarks.composed.cutouts import Cutout
from benchmarks.composed.encoding import Encoding, draw_encoding
from benchmarks.composed.light import Effect
from benchmarks.composed.lights import draw_lights
from benchmarks.composed.plots import PLOTS, WITH_STAY, Plot, Times, Truth
from benchmarks.composed.stage import SIZES, Props, Stage
from benchmarks.composed.traffic import hidden_share, loiterers, vehicles, walkers
from benchmarks.composed.view import Tone, View, frame_view
from benchmarks.composed.weather import Clock, Pumping, Rain, Sensor, Snow

#: Seeds from here on use objects and views of their own, on which nothing was developed.
FIRST_FRESH_SEED = 1000
# Width, height and how often.
_RESOLUTIONS = (
    (320, 240, 0.16),
    (352, 288, 0.12),
    (640, 360, 0.25),
    (640, 480, 0.12),
    (704, 576, 0.10),
    (960, 540, 0.07),
    (1280, 720, 0.11),
    (1920, 1080, 0.05),
    (2560, 1440, 0.01),
    (3840, 2160, 0.01),
)
_RATES = (5, 6, 8, 10, 12, 15, 20, 25, 30)
_MOST_PIXELS_S = 1.6e7  # of a scene: high resolutions come at low rates, as from real cameras
_LIGHTS = (
    ("steady", 0.30),
    ("drift", 0.12),
    ("clouds", 0.12),
    ("sharp shadow", 0.14),
    ("lamps", 0.12),
    ("headlights", 0.08),
    ("wet glare", 0.12),
)
_WEATHERS = (("dry", 0.64), ("rain", 0.12), ("snow", 0.08), ("fog", 0.08), ("noise", 0.08))
_CAMERAS = (("fixed", 0.66), ("sway", 0.16), ("drift", 0.10), ("zoom", 0.08))
_DAYLIGHTS = (("day", 0.62), ("dusk", 0.14), ("night", 0.16), ("infrared", 0.08))
_HIDDEN = (("none", 0.6), ("some", 0.22), ("heavy", 0.18))
_HIDDEN_SHARES = {"some": (0.3, 0.6), "heavy": (0.6, 0.9)}
_LOW_CONTRAST = 0.12  # of the scenes
_SECOND = 0.25  # of the scenes with a stay have a second one elsewhere
_STAYS = (2.2, 5.0)  # in dwells, besides the time to be sure
_SURE_S = 3.0
_LEAD_S, _TAIL_S = (6.0, 14.0), (3.0, 8.0)
_LONGEST_S = 90.0


@dataclass(frozen=True, slots=True)
class Stay:
    """One row of the truth.

    Attributes:
        kind: ``abandoned_*`` or ``vehicle_*``.
        start_s: Seconds from the first frame.
        end_s: End; the scene's length where the stay did not end.
        boxes: The thing's boxes, xyxy in pixels of the picture: at first, and after the thing or
            the view has moved.
        thing: Number of the thing in its scene.
        tolerance_s: Uncertainty of the start.
        optional: Whether a case may be there or not.
        size: Class of the width.
        hidden: Share of the stay for which the thing was hidden.
    """

    kind: str
    start_s: float
    end_s: float
    boxes: tuple[Box, ...]
    thing: int
    tolerance_s: float
    optional: bool
    size: str
    hidden: float

    @property
    def occlusion(self) -> str:
        """``none``, ``some`` or ``heavy``, by the share of the stay."""
        return "heavy" if self.hidden >= 0.6 else "some" if self.hidden >= 0.3 else "none"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that the renderer needs, and the truth.

    Attributes:
        seed: The seed.
        length_s: Seconds.
        rate: Frames a second.
        view: The empty view.
        actors: What is drawn into it.
        effects: Changes of light, in order.
        camera: The camera's movement.
        sensor: The camera's noise.
        fall: Rain or snow, or neither.
        pumping: Detail that is lost after key frames, or none.
        clock: Burned-in text, or none.
        encoding: Codec and bit rate.
        stays: The truth.
        vehicles_scored: Whether the truth lists every vehicle that stops.
        conditions: What the scene is like, by name.
    """

    seed: int
    length_s: float
    rate: Fraction
    view: View
    actors: Sequence[Actor]
    effects: Sequence[Effect]
    camera: Camera
    sensor: Sensor
    fall: Rain | Snow | None
    pumping: Pumping | None
    clock: Clock | None
    encoding: Encoding
    stays: Sequence[Stay]
    vehicles_scored: bool
    conditions: dict[str, str] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return round(self.length_s * self.rate)


@dataclass(frozen=True, slots=True)
class Options:
    """Options by which scenes are drawn.

    Attributes:
        dwell_s: The dwell for which they are made: stays last longer, stops far shorter.
        length_s: Length in place of what the event needs; ``None`` for the usual 30 to 90 s.
        event: The kind of event in place of a drawn one.
        size: Width and height in place of drawn ones.
    """

    dwell_s: float = 3.0
    length_s: float | None = None
    event: str | None = None
    size: tuple[int, int] | None = None


def draw_scene(
    seed: int,
    cutouts: Sequence[Cutout],
    backgrounds: Sequence[Background],
    options: Options = Options(),
) -> Scene:
    """The scene of a seed: the same for the same seed, objects, views and options."""
    rng = np.random.default_rng(seed)
    fresh = seed >= FIRST_FRESH_SEED
    view, conditions = _view(rng, _of(backgrounds, fresh), options.size)
    event = options.event or _drawn(rng, [(kind, often) for kind, (_, often) in PLOTS.items()])
    stay_s = options.dwell_s * float(rng.uniform(*_STAYS)) + _SURE_S
    lead_s, tail_s = float(rng.uniform(*_LEAD_S)), float(rng.uniform(*_TAIL_S))
    # Of a thing that is taken away, what comes back or what replaces it stays as long.
    stays = 2 if event in ("swapped", "returned") else 1
    usual_s = float(np.clip(lead_s + stays * (stay_s + 4) + tail_s, 30, _LONGEST_S))
    length_s = options.length_s or max(usual_s, lead_s + stays * (stay_s + 4) + tail_s)
    stage = Stage(rng, view, _props(_of(cutouts, fresh)), options.dwell_s, length_s)
    plot, event = _plot(stage, event, conditions, Times(lead_s, None), stay_s)
    conditions["event"] = event
    _populate(stage, plot, conditions)
    camera = draw_camera(rng, _drawn(rng, _CAMERAS), view.size, length_s)
    conditions["camera"] = _camera_name(camera)
    light = _light(rng, conditions["daylight"])
    conditions["light"] = light
    effects = [*draw_lights(stage, light), *plot.effects]
    if light == "wet glare" or conditions["weather"] == "rain":
        view = replace(view, wet=float(rng.uniform(0.08, 0.3)))
    rate, encoding = draw_encoding(rng, view.size, _RATES, _MOST_PIXELS_S)
    conditions["codec"] = encoding.name
    sensor, fall = _weather(rng, view.size, conditions)
    pumping = None
    if rng.random() < 0.12:
        pumping = Pumping(encoding.key_s, 1.2 * max(1, view.size[0] / 640), 0.8)
    conditions["pumping"] = "yes" if pumping else "no"
    clock = None
    if rng.random() < 0.35:
        height = max(9, round(view.size[1] * float(rng.uniform(0.03, 0.05))))
        clock = Clock(bool(rng.random() < 0.6), bool(rng.random() < 0.5), height)
    conditions["clock"] = "yes" if clock else "no"
    truths = [_stay(stage, plot, truth, number, camera) for number, truth in enumerate(plot.truths)]
    conditions["size"] = truths[0].size if truths else "none"
    conditions["occlusion"] = truths[0].occlusion if truths else "none"
    return Scene(
        seed,
        length_s,
        rate,
        view,
        sorted(plot.actors, key=lambda actor: actor.keys[0].time_s),
        effects,
        camera,
        sensor,
        fall,
        pumping,
        clock,
        encoding,
        truths,
        plot.vehicles_scored,
        conditions,
    )


def _of(sources: Sequence, fresh: bool) -> list:  # type: ignore[type-arg]
    """Those that are held back for fresh seeds, or the others; all where one side is empty."""
    chosen = [source for source in sources if source.held_back == fresh]
    return chosen or list(sources)


def _props(cutouts: Sequence[Cutout]) -> Props:
    persons, vehicles_, goods = (
        [cutout for cutout in cutouts if cutout.group == group]
        for group in ("person", "vehicle", "goods")
    )
    return Props(persons, vehicles_, goods)


def _drawn(rng: np.random.Generator, weighted: Sequence[tuple[str, float]]) -> str:
    """One of the names, as often as its weight says."""
    weights = np.array([weight for _, weight in weighted])
    return weighted[int(rng.choice(len(weighted), p=weights / weights.sum()))][0]


def _view(
    rng: np.random.Generator, backgrounds: Sequence[Background], size: tuple[int, int] | None
) -> tuple[View, dict[str, str]]:
    weights = np.array([often for _, _, often in _RESOLUTIONS])
    width, height, _ = _RESOLUTIONS[int(rng.choice(len(weights), p=weights / weights.sum()))]
    width, height = size or (width, height)
    daylight = _drawn(rng, _DAYLIGHTS)
    weather = _drawn(rng, _WEATHERS)
    gain = float(rng.uniform(0.85, 1.15))
    contrast = float(rng.uniform(0.45, 0.7)) if weather == "fog" else 1.0
    # What is seen at night through fog is grey, not bright.
    haze = {"day": 170.0, "dusk": 90.0}.get(daylight, 45.0)
    background = backgrounds[int(rng.integers(len(backgrounds)))]
    tone = Tone(daylight, gain, contrast, haze)
    view = frame_view(rng, background, (width, height), tone)
    conditions = {
        "view": background.name,
        "resolution": f"{width}x{height}",
        "daylight": daylight,
        "weather": weather,
        # In fog a thing that is like the ground besides could not be seen by anybody.
        "contrast": "low" if rng.random() < _LOW_CONTRAST and weather != "fog" else "usual",
    }
    return view, conditions


def _plot(
    stage: Stage, event: str, conditions: dict[str, str], times: Times, stay_s: float
) -> tuple[Plot, str]:
    """The scene's event; another or none where the view has no place for it."""
    low_contrast = conditions["contrast"] == "low"
    plot = Plot()
    for kind in dict.fromkeys((event, "put")):
        draw = PLOTS[kind][0]
        if draw is None:
            return plot, kind
        # Nor could a thing of a few pixels.
        sizes = [name for name in SIZES if name != "tiny" or not low_contrast]
        size = _drawn(stage.rng, [(name, 1.0) for name in sizes])
        leaves = stage.rng.random() < 0.4 and kind in ("put", "parked")
        end_s = times.start_s + stay_s if leaves else None
        found = draw(stage, Times(times.start_s, end_s), size, low_contrast)
        found = found or draw(stage, Times(times.start_s, end_s), None, False)
        if found is not None:
            plot.add(found)
            break
    else:
        return plot, "none"
    if kind in WITH_STAY and stage.rng.random() < _SECOND:
        later_s = times.start_s + stage.uniform(0.0, 4.0)
        other = str(stage.rng.choice(("put", "parked")))
        second = PLOTS[other][0]
        assert second is not None
        size = _drawn(stage.rng, [(name, 1.0) for name in SIZES])
        found = second(stage, Times(later_s, None), size, False)
        if found is not None:
            plot.add(found)
    return plot, kind


def _populate(stage: Stage, plot: Plot, conditions: dict[str, str]) -> None:
    """People and vehicles that pass, and who stands in front of the thing."""
    wanted = _drawn(stage.rng, _HIDDEN)
    if wanted in _HIDDEN_SHARES and plot.truths:
        truth = plot.truths[0]
        pose = truth.actor.pose(truth.moments[0], stage.view.ground)
        share = stage.uniform(*_HIDDEN_SHARES[wanted])
        if pose is not None:
            begin_s = truth.start_s + stage.uniform(0.5, 2.0)
            box = truth.actor.box(pose)
            plot.actors += loiterers(stage, box, begin_s, truth.end_s - 1, share)
    walking, driving = stage.uniform(0, 6), stage.uniform(0, 4)
    plot.actors += walkers(stage, walking) + vehicles(stage, driving)
    conditions["traffic"] = "busy" if walking + driving > 6 else "calm"


def _light(rng: np.random.Generator, daylight: str) -> str:
    """The kind of light; lamps and headlights belong to the dark, clouds and sharp shadows not."""
    dark = daylight in ("night", "infrared", "dusk")
    left_out = ("clouds", "sharp shadow") if dark else ("lamps", "headlights")
    return _drawn(rng, [(kind, often) for kind, often in _LIGHTS if kind not in left_out])


def _weather(
    rng: np.random.Generator, size: tuple[int, int], conditions: dict[str, str]
) -> tuple[Sensor, Rain | Snow | None]:
    dark = conditions["daylight"] in ("night", "infrared")
    sigma = float(rng.uniform(3, 8)) if dark else float(rng.uniform(0.8, 2.5))
    if conditions["weather"] == "noise":
        sigma = float(rng.uniform(8, 14))
    sensor = Sensor(int(rng.integers(1 << 31)), sigma, float(rng.choice((0.0, 0.6, 0.9))))
    scale = size[1] / 360
    level = 40 if dark else 60
    if conditions["weather"] == "rain":
        rain = Rain(int(rng.integers(40, 220)), 18 * scale, float(rng.uniform(-0.3, 0.3)), level)
        return sensor, rain
    if conditions["weather"] == "snow":
        return sensor, Snow(int(rng.integers(40, 250)), 3.0 * scale, 150 if dark else 235)
    return sensor, None


def _stay(stage: Stage, plot: Plot, truth: Truth, number: int, camera: Camera) -> Stay:
    """A truth in the pictures' pixels."""
    boxes = []
    for when_s in (*truth.moments, max(truth.moments[-1], truth.end_s - 0.5)):
        pose = truth.actor.pose(when_s, stage.view.ground)
        if pose is not None:
            box = camera.box(truth.actor.box(pose), when_s)
            if box not in boxes:
                boxes.append(box)
    others = [actor for actor in plot.actors if actor is not truth.actor]
    hidden = hidden_share(stage, truth.actor, others, truth.start_s, truth.end_s)
    share = (boxes[0][2] - boxes[0][0]) / stage.view.size[0]
    size = next((name for name, (_, most) in SIZES.items() if share < most), "large")
    return Stay(
        truth.kind,
        truth.start_s,
        min(truth.end_s, stage.length_s),
        tuple(boxes),
        number,
        truth.tolerance_s,
        truth.optional,
        size,
        hidden,
    )


def _camera_name(camera: Camera) -> str:
    if not camera.moves:
        return "fixed"
    return "sway" if camera.sway else "drift" if any(camera.drift) else "zoom"
