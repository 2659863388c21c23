"""What happens in a scene: each plot gives the actors of one event and its truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.composed.actors import Actor, Box, Key
from benchmarks.composed.cutouts import Cutout
from benchmarks.composed.light import Blinkers, Effect
from benchmarks.composed.stage import HEIGHTS, TIPPED, Spot, Stage, height_of

_CARRIED_M = 0.35  # height of a carried thing's foot above the ground
_HEAVY_M = 0.95  # higher things are pushed along the ground
_SETTLES_S = 0.4  # for putting a thing down
_SHORT = 0.5  # of the dwell: a stop that is no stay


@dataclass(frozen=True, slots=True)
class Truth:
    """One stay.

    Attributes:
        kind: ``abandoned_*`` or ``vehicle_*``.
        start_s: Start.
        end_s: End, or that of the scene.
        moments: Moments at which the actor's box is the thing's, one for each place or attitude.
        actor: The thing.
        tolerance_s: Uncertainty of the start.
        optional: Whether a case may be there or not: the thing came back to its place.
    """

    kind: str
    start_s: float
    end_s: float
    moments: tuple[float, ...]
    actor: Actor
    tolerance_s: float = 0.5
    optional: bool = False


@dataclass(slots=True)
class Plot:
    """The actors, stays and lights of what happened.

    Attributes:
        actors: All actors.
        truths: The stays.
        effects: Lights of what happened.
        hides: Boxes of places that people may stand in front of.
        vehicles_scored: Whether the truth lists every vehicle that stops.
    """

    actors: list[Actor] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    hides: list[Box] = field(default_factory=list)
    vehicles_scored: bool = True

    def add(self, other: Plot) -> None:
        """Adds what happened elsewhere in the scene."""
        self.actors += other.actors
        self.truths += other.truths
        self.effects += other.effects
        self.hides += other.hides
        self.vehicles_scored &= other.vehicles_scored


@dataclass(frozen=True, slots=True)
class Times:
    """When a stay begins and ends; no ``end_s``: to the scene's end."""

    start_s: float
    end_s: float | None


def _carried(keys: Sequence[Key], dx: float, dy: float, lift_m: float) -> list[Key]:
    return [Key(key.time_s, key.x + dx, key.y + dy, lift_m) for key in keys]


def _holder_dx(stage: Stage, spot: Spot) -> float:
    """From a thing's middle to that of who holds it."""
    metre = stage.view.ground.metre(spot.y)
    return (spot.width / 2 + 0.28 * metre) * float(stage.rng.choice((-1, 1)))


def _brought(stage: Stage, spot: Spot, put_s: float, stays_s: float) -> tuple[list[Key], list[Key]]:
    """Keys of who brings a thing, stays beside it and leaves; and of the thing until it rests."""
    dx = _holder_dx(stage, spot)
    x, y = spot.x + dx, spot.y - 1
    lift = _CARRIED_M if spot.height_m < _HEAVY_M else 0.0
    coming = stage.approach(x, y, put_s - _SETTLES_S)
    leaving = stage.depart(x, y, put_s + stays_s)
    thing = [*_carried(coming, -dx, 1, lift), Key(put_s, spot.x, spot.y)]
    return [*coming, *leaving], thing


def _taken(stage: Stage, spot: Spot, take_s: float) -> tuple[list[Key], list[Key]]:
    """Keys of who comes and takes a thing; and of the thing from then on."""
    dx = _holder_dx(stage, spot)
    x, y = spot.x + dx, spot.y - 1
    lift = _CARRIED_M if spot.height_m < _HEAVY_M else 0.0
    coming = stage.approach(x, y, take_s - stage.uniform(0.5, 1.5))
    leaving = stage.depart(x, y, take_s + _SETTLES_S)
    thing = [Key(take_s, spot.x, spot.y), *_carried(leaving, -dx, 1, lift)]
    return [*coming, *leaving], thing


def _thing(spot: Spot, keys: Sequence[Key], low_contrast: bool) -> Actor:
    return Actor(spot.cutout, spot.height_m, keys, low_contrast=low_contrast)


def _carried_goods(stage: Stage) -> list[Cutout]:
    return [goods for goods in stage.props.goods if goods.word not in TIPPED]


def _name(cutout: Cutout) -> str:
    return f"abandoned_{cutout.word.replace(' ', '_')}"


def put(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """Somebody brings a thing, stands beside it for a while and leaves; perhaps it is taken."""
    spot = stage.spot(_carried_goods(stage), size)
    if spot is None:
        return None
    end_s = times.end_s or stage.length_s
    beside_s = min(stage.uniform(0.5, 8.0), 0.8 * (end_s - times.start_s))
    owner, thing = _brought(stage, spot, times.start_s, beside_s)
    plot = Plot([stage.person(owner)], hides=[spot.box])
    if times.end_s is None:
        thing.append(Key(stage.length_s + 1, spot.x, spot.y))
    else:
        taker, away = _taken(stage, spot, times.end_s)
        thing += away
        plot.actors.append(stage.person(taker))
    actor = _thing(spot, thing, low_contrast)
    plot.actors.append(actor)
    moment = (times.start_s + 0.2,)
    plot.truths.append(Truth(_name(spot.cutout), times.start_s, end_s, moment, actor))
    return plot


def pushed(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """A thing is put down, and somebody pushes it aside or over: the same thing."""
    plot = put(stage, replace(times, end_s=None), size, low_contrast)
    if plot is None:
        return None
    (truth,) = plot.truths
    falls = bool(stage.rng.random() < 0.5)
    when_s = times.start_s + stage.uniform(0.4, 0.6) * (stage.length_s - times.start_s)
    resting = truth.actor.pose(truth.moments[0], stage.view.ground)
    assert resting is not None
    wide = resting.height * truth.actor.cutout.alpha.shape[1] / truth.actor.cutout.alpha.shape[0]
    side = float(stage.rng.choice((-1, 1)))
    way = 0.0 if falls else side * wide * stage.uniform(0.3, 0.8)
    turn = side * 90 if falls else 0.0
    x, y = resting.x, resting.y
    moved = [
        Key(when_s, x, y),
        Key(when_s + 0.5, x + way, y, 0, turn),
        Key(stage.length_s + 1, x + way, y, 0, turn),
    ]
    actor = replace(truth.actor, keys=[*truth.actor.keys[:-1], *moved])
    plot.actors[plot.actors.index(truth.actor)] = actor
    feet = (x - side * (wide / 2 + 0.25 * stage.view.ground.metre(y)), y - 1)
    coming = stage.approach(*feet, when_s)
    plot.actors.append(stage.person([*coming, *stage.depart(*feet, when_s + 0.7)]))
    moments = (*truth.moments, when_s + 0.8)
    plot.truths[0] = replace(truth, actor=actor, moments=moments)
    return plot


def swapped(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """A thing is taken away and another put in its place: two things."""
    middle_s = (times.start_s + stage.length_s) / 2
    first = put(stage, Times(times.start_s, middle_s), size, low_contrast)
    if first is None:
        return None
    (truth,) = first.truths
    pose = truth.actor.pose(truth.moments[0], stage.view.ground)
    assert pose is not None
    others = [goods for goods in _carried_goods(stage) if goods.word != truth.actor.cutout.word]
    cutout = others[int(stage.rng.integers(len(others)))]
    metre = stage.view.ground.metre(pose.y)
    high = height_of(cutout) * metre
    wide = high * cutout.alpha.shape[1] / cutout.alpha.shape[0]
    spot = Spot(cutout, high / metre, pose.x, pose.y, wide, high)
    put_s = middle_s + stage.uniform(1.0, 2.5)
    owner, thing = _brought(stage, spot, put_s, stage.uniform(0.5, 2.0))
    thing.append(Key(stage.length_s + 1, spot.x, spot.y))
    actor = _thing(spot, thing, low_contrast)
    first.actors += [stage.person(owner), actor]
    moment = (put_s + 0.2,)
    first.truths.append(Truth(_name(cutout), put_s, stage.length_s, moment, actor))
    return first


def returned(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """A thing is taken away and soon put back: its second stay may be the same or a new one."""
    middle_s = (times.start_s + stage.length_s) / 2
    plot = put(stage, Times(times.start_s, middle_s), size, low_contrast)
    if plot is None:
        return None
    (truth,) = plot.truths
    pose = truth.actor.pose(truth.moments[0], stage.view.ground)
    assert pose is not None
    cutout = truth.actor.cutout
    wide = pose.height * cutout.alpha.shape[1] / cutout.alpha.shape[0]
    spot = Spot(cutout, truth.actor.height_m, pose.x, pose.y, wide, pose.height)
    back_s = middle_s + stage.uniform(3.0, 7.0)
    owner, thing = _brought(stage, spot, back_s, stage.uniform(0.5, 2.0))
    thing.append(Key(stage.length_s + 1, spot.x, spot.y))
    actor = _thing(spot, thing, low_contrast)
    plot.actors += [stage.person(owner), actor]
    again = Truth(truth.kind, back_s, stage.length_s, (back_s + 0.2,), actor, optional=True)
    plot.truths.append(again)
    return plot


def tipped(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """A vehicle stops for a moment and drives on: rubbish lies where it stood."""
    spot = stage.spot([goods for goods in stage.props.goods if goods.word in TIPPED], size)
    cars = [car for car in stage.props.vehicles if car.word in ("car", "truck", "bus")]
    if spot is None or not cars or not stage.view.ground.has_traffic:
        return None
    cutout = cars[int(stage.rng.integers(len(cars)))]
    metre = stage.view.ground.metre(spot.y + 2)
    aspect = cutout.alpha.shape[1] / cutout.alpha.shape[0]
    # Large enough to hide what is unloaded behind it.
    height = max(HEIGHTS[cutout.word] * metre, 1.15 * spot.height, 1.15 * spot.width / aspect)
    van = Spot(cutout, height / metre, spot.x, spot.y + 2, height * aspect, height)
    stop_s = times.start_s - _SHORT * stage.dwell_s
    keys = [*stage.drive_in(van, stop_s), *stage.drive_off(van, times.start_s)]
    thing = [Key(stop_s + 0.1, spot.x, spot.y), Key(stage.length_s + 1, spot.x, spot.y)]
    actor = _thing(spot, thing, low_contrast)
    truth = Truth(
        _name(spot.cutout), times.start_s, stage.length_s, (times.start_s,), actor, tolerance_s=2.0
    )
    return Plot([Actor(cutout, van.height_m, keys), actor], [truth], hides=[spot.box])


def park(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """A vehicle drives in and stands; perhaps somebody gets out; perhaps it leaves."""
    spot = stage.spot(stage.props.vehicles, size) if stage.view.ground.has_traffic else None
    if spot is None:
        return None
    end_s = times.end_s or stage.length_s
    keys = stage.drive_in(spot, times.start_s)
    if times.end_s is None:
        keys.append(Key(stage.length_s + 1, spot.x, spot.y))
    else:
        keys += stage.drive_off(spot, times.end_s)
    actor = Actor(spot.cutout, spot.height_m, keys, low_contrast=low_contrast)
    moment = (times.start_s + 0.2,)
    truth = Truth(f"vehicle_{spot.cutout.word}", times.start_s, end_s, moment, actor)
    plot = Plot([actor], [truth], hides=[spot.box])
    if stage.rng.random() < 0.4:
        plot.effects.append(_blinkers(stage, spot, times.start_s, end_s))
    if stage.rng.random() < 0.5:
        out_s = times.start_s + stage.uniform(1.0, 4.0)
        beside = spot.x + float(stage.rng.choice((-1, 1))) * 0.55 * spot.width
        door = Key(out_s, spot.x, spot.y - 1)
        step = Key(out_s + 1.2, beside, spot.y - 1)
        plot.actors.append(stage.person([door, step, *stage.depart(beside, spot.y, out_s + 2)]))
    return plot


def _blinkers(stage: Stage, spot: Spot, from_s: float, until_s: float) -> Blinkers:
    """Hazard lights at the lower corners of a vehicle, for some of the stay."""
    x0, y0, x1, y1 = spot.box
    row = y0 + 0.65 * (y1 - y0)
    inset = 0.1 * (x1 - x0)
    lasts_s = stage.uniform(0.3, 1.0) * (until_s - from_s)
    radius = max(0.8, 0.05 * spot.height)
    places = ((x0 + inset, row), (x1 - inset, row))
    return Blinkers(places, radius, stage.uniform(60, 150), from_s, from_s + lasts_s)


def queue(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """Vehicles stop and go, as before a light: none stands for a dwell."""
    del low_contrast
    sideways = [
        car for car in stage.props.vehicles if car.alpha.shape[1] > 1.7 * car.alpha.shape[0]
    ]
    if not stage.view.ground.has_traffic or not sideways:
        return None
    spot = stage.spot(sideways, size)
    if spot is None:
        return None
    width = stage.view.size[0]
    speed = stage.uniform(1.5, 4.0) * stage.view.ground.metre(spot.y)
    reach = width + 4 * 1.3 * spot.width + 2 * spot.width
    knots, way, time_s = [(times.start_s - 4, 0.0)], 0.0, times.start_s - 4
    while way < reach and time_s < stage.length_s:
        time_s += stage.uniform(1.0, 3.0)
        way += speed * (time_s - knots[-1][0])
        knots.append((time_s, way))
        time_s += _SHORT * stage.dwell_s * stage.uniform(0.5, 1.0)
        knots.append((time_s, way))
    plot = Plot()
    side = float(stage.rng.choice((-1, 1)))
    for number in range(int(stage.rng.integers(2, 5))):
        cutout = sideways[int(stage.rng.integers(len(sideways)))]
        behind = number * 1.35 * spot.width + spot.width
        start = -behind if side > 0 else width + behind
        # What stops far behind is not in the picture yet; what never leaves drives on at the end.
        keys = [Key(when_s, start + side * along, spot.y) for when_s, along in knots]
        last = keys[-1]
        gone = (width - last.x if side > 0 else last.x) + 2 * spot.width
        gone_s = last.time_s + max(0.5, gone / speed)
        keys.append(Key(gone_s, last.x + side * max(0.0, gone), spot.y))
        plot.actors.append(Actor(cutout, HEIGHTS[cutout.word] * 1.0, keys))
    return plot


def train(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """Something large comes in behind everything, stops for a while and leaves."""
    del size, low_contrast
    long = [car for car in stage.props.vehicles if car.word in ("bus", "train", "truck")]
    if not long:
        return None
    cutout = max(long, key=lambda car: car.alpha.shape[1] / car.alpha.shape[0])
    width, height = stage.view.size
    corners = stage.view.ground.polygon[:, 1]
    y = float(min(corners.min() + 0.25 * (corners.max() - corners.min()), 0.9 * height))
    wide = width * stage.uniform(0.45, 0.8)
    high = min(wide * cutout.alpha.shape[0] / cutout.alpha.shape[1], 0.95 * y)
    wide = high * cutout.alpha.shape[1] / cutout.alpha.shape[0]
    metre = max(1.0, stage.view.ground.metre(y))
    spot = Spot(cutout, high / metre, stage.uniform(0.35, 0.65) * width, y, wide, high)
    stop_s = stage.uniform(0.3, 1.0) * times.start_s + 3
    leave_s = stop_s + stage.uniform(5.0, 15.0)
    keys = [*stage.drive_in(spot, stop_s), *stage.drive_off(spot, leave_s)]
    return Plot([Actor(cutout, spot.height_m, keys)], vehicles_scored=False)


def short_stay(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """Somebody puts a thing down for a moment and takes it along: no stay."""
    spot = stage.spot(_carried_goods(stage), size)
    if spot is None:
        return None
    stays_s = _SHORT * stage.dwell_s
    walker, thing = _brought(stage, spot, times.start_s, stays_s)
    # The way out is the same person's; the thing follows from its place.
    out = walker[2:]
    dx = spot.x - out[0].x
    lift = thing[0].lift_m
    thing += [Key(times.start_s + stays_s - _SETTLES_S, spot.x, spot.y)]
    thing += _carried(out, dx, 1, lift)
    return Plot([stage.person(walker), _thing(spot, thing, low_contrast)])


def waiting(stage: Stage, times: Times, size: str | None, low_contrast: bool) -> Plot | None:
    """Somebody comes, stands for a long time and leaves."""
    del size, low_contrast
    spot = stage.spot(stage.props.persons, None)
    if spot is None:
        return None
    leave_s = times.end_s or stage.length_s - 2
    coming = stage.approach(spot.x, spot.y, times.start_s)
    return Plot([stage.person([*coming, *stage.depart(spot.x, spot.y, leave_s)])])


Draw = Callable[[Stage, Times, str | None, bool], Plot | None]
#: Each kind of event, with how often it is drawn.
PLOTS: dict[str, tuple[Draw | None, float]] = {
    "put": (put, 0.24),
    "pushed": (pushed, 0.09),
    "swapped": (swapped, 0.07),
    "returned": (returned, 0.06),
    "tipped": (tipped, 0.08),
    "parked": (park, 0.20),
    "queue": (queue, 0.05),
    "train": (train, 0.05),
    "short": (short_stay, 0.05),
    "waiting": (waiting, 0.05),
    "none": (None, 0.06),
}
#: The kinds in which something stays.
WITH_STAY = ("put", "pushed", "swapped", "returned", "tipped", "parked")
