"""People and vehicles that pass, and people who stand in front of a thing."""

from __future__ import annotations

import numpy as np

from benchmarks.composed.actors import Actor, Box, Key
from benchmarks.composed.stage import HEIGHTS, Stage

_HIDES = 0.5  # of a thing's box, covered by somebody nearer: hidden
_SPREAD = 0.35  # width of a person, metres: half of what one hides


def walkers(stage: Stage, per_minute: float) -> list[Actor]:
    """People who walk through the view during the whole scene."""
    count = int(stage.rng.poisson(per_minute * (stage.length_s + 15) / 60))
    people = []
    for _ in range(count):
        corners = stage.view.ground.polygon
        y = stage.uniform(corners[:, 1].min() + 1, min(stage.view.size[1], corners[:, 1].max()) - 1)
        span = stage.view.ground.span(y)
        if span is None:
            continue
        x, middle_s = stage.uniform(*span), stage.uniform(-15, stage.length_s)
        speed = stage.walking_speed(y)
        coming = stage.approach(x, y, middle_s, speed)
        leaving = stage.depart(x, y, middle_s, speed)
        people.append(stage.person([*coming, *leaving[1:]]))
    return people


def vehicles(stage: Stage, per_minute: float) -> list[Actor]:
    """Vehicles that drive through without stopping."""
    sideways = [v for v in stage.props.vehicles if v.alpha.shape[1] > 1.7 * v.alpha.shape[0]]
    if not stage.view.ground.has_traffic or not sideways:
        return []
    cars = []
    for _ in range(int(stage.rng.poisson(per_minute * stage.length_s / 60))):
        spot = stage.spot(sideways, None)
        if spot is None:
            continue
        stage.taken.pop()  # who passes takes no place
        width = stage.view.size[0]
        ways = [-spot.width, width + spot.width]
        if stage.rng.random() < 0.5:
            ways.reverse()
        begin_s = stage.uniform(-3, stage.length_s)
        speed = stage.uniform(4, 12) * stage.view.ground.metre(spot.y)
        lasts_s = abs(ways[1] - ways[0]) / max(1.0, speed)
        keys = [Key(begin_s, ways[0], spot.y), Key(begin_s + lasts_s, ways[1], spot.y)]
        cars.append(Actor(spot.cutout, HEIGHTS[spot.cutout.word], keys))
    return cars


def loiterers(stage: Stage, box: Box, start_s: float, end_s: float, share: float) -> list[Actor]:
    """People who hide a place for a share of a time, by standing before it again and again.

    Args:
        stage: The scene's place.
        box: The place.
        start_s: When they begin.
        end_s: When they leave.
        share: Of the time for which the place is hidden.
    """
    y = min(box[3] + 3, stage.view.size[1] * 1.02)
    metre = stage.view.ground.metre(y)
    half = _SPREAD * metre
    count = int(np.clip(round((box[2] - box[0]) / (2.6 * half)), 1, 3))
    # One way: from beside the place to before it.
    aside = (box[2] - box[0]) / 2 + 2.2 * half
    speed = stage.walking_speed(y)
    step_s = aside / max(1.0, speed)
    turns = []
    time_s = start_s
    while time_s < end_s:
        hidden_s = stage.uniform(1.5, 4.0)
        seen_s = max(0.3, hidden_s * (1 - share) / share - step_s)
        turns.append((time_s, time_s + hidden_s))
        time_s += hidden_s + seen_s + step_s
    people = []
    for number in range(count):
        offset = (number - (count - 1) / 2) * 2.2 * half + stage.uniform(-0.3, 0.3) * half
        x = (box[0] + box[2]) / 2 + offset
        side = -1.0 if number < count / 2 else 1.0
        keys = stage.approach(x + side * aside, y + number, start_s - step_s, speed)
        for from_s, until_s in turns:
            keys += [
                Key(max(from_s - step_s, keys[-1].time_s + 0.05), x + side * aside, y + number),
                Key(from_s, x, y + number),
                Key(until_s, x, y + number),
                Key(until_s + step_s, x + side * aside, y + number),
            ]
        last = keys[-1]
        keys += stage.depart(last.x, last.y, last.time_s + 0.1, speed)
        people.append(stage.person(_in_order(keys)))
    return people


def _in_order(keys: list[Key]) -> list[Key]:
    """Keys without those that would come before their predecessor."""
    kept = [keys[0]]
    for key in keys[1:]:
        if key.time_s > kept[-1].time_s:
            kept.append(key)
    return kept


def hidden_share(
    stage: Stage, thing: Actor, others: list[Actor], start_s: float, end_s: float
) -> float:
    """Share of a time for which most of a thing is behind actors that are nearer."""
    times = np.arange(start_s + 0.1, end_s, 0.25)
    hidden = 0
    for time_s in times:
        pose = thing.pose(float(time_s), stage.view.ground)
        if pose is None:
            continue
        x0, y0, x1, y1 = thing.box(pose)
        # Columns of the thing, 16 of them, each covered from below by the highest who is nearer.
        columns = x0 + (np.arange(16) + 0.5) / 16 * (x1 - x0)
        covered = np.zeros(16)
        for other in others:
            near = other.pose(float(time_s), stage.view.ground)
            if near is None or near.y <= pose.y:
                continue
            a0, b0, a1, b1 = other.box(near)
            tall = (min(b1, y1) - max(b0, y0)) / max(1e-6, y1 - y0)
            inner = 0.15 * (a1 - a0)  # a person's outline does not fill the box
            within = (columns > a0 + inner) & (columns < a1 - inner)
            covered = np.where(within, np.maximum(covered, np.clip(tall, 0, 1)), covered)
        hidden += covered.mean() >= _HIDES
    return float(hidden / max(1, len(times)))
