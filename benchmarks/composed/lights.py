"""Which changes of light a scene has."""

from __future__ import annotations

import numpy as np

from benchmarks.composed.light import Clouds, Effect, Exposure, Glare, Headlight, Lamp, Shadow
from benchmarks.composed.stage import Stage

_EDGE = (0.0, 0.3, 0.7, 1.0)  # of a shadow's edge, where it has corners


def draw_lights(stage: Stage, kind: str) -> list[Effect]:
    """The changes of light of a kind: ``steady``, ``drift``, ``clouds``, ``sharp shadow`` ...

    Args:
        stage: The scene's place.
        kind: The kind.

    Returns:
        The effects, in order.
    """
    match kind:
        case "drift":
            return [_exposure(stage)]
        case "clouds":
            return [Clouds(stage.rng, stage.uniform(0.25, 0.55), stage.uniform(1.0, 8.0))]
        case "sharp shadow":
            return [_shadow(stage) for _ in range(int(stage.rng.integers(1, 3)))]
        case "lamps":
            return [_lamp(stage) for _ in range(int(stage.rng.integers(1, 4)))]
        case "headlights":
            return [_headlight(stage) for _ in range(int(stage.rng.integers(2, 6)))]
        case "wet glare":
            level = stage.uniform(40, 110)
            corners = stage.view.ground.polygon
            return [Glare(stage.rng, stage.view.size, corners, level), _slight(stage)]
        case _:
            return []


def _exposure(stage: Stage) -> Exposure:
    jump = stage.uniform(0.75, 1.25) if stage.rng.random() < 0.5 else 1.0
    return Exposure(
        stage.uniform(0.05, 0.2),
        stage.uniform(15, 80),
        stage.uniform(0, 6.28),
        stage.uniform(0.2, 0.8) * stage.length_s,
        jump,
    )


def _slight(stage: Stage) -> Exposure:
    return Exposure(stage.uniform(0.01, 0.05), stage.uniform(20, 60), stage.uniform(0, 6.28))


def _on_ground(stage: Stage) -> tuple[float, float]:
    corners = stage.view.ground.polygon
    for _ in range(50):
        y = stage.uniform(corners[:, 1].min(), min(stage.view.size[1], corners[:, 1].max()))
        span = stage.view.ground.span(y)
        if span is not None:
            return stage.uniform(*span), y
    return float(corners[:, 0].mean()), float(corners[:, 1].mean())


def _shadow(stage: Stage) -> Shadow:
    """A shadow like that of a house's edge, a crown or a lorry outside the view."""
    width, height = stage.view.size
    x, y = _on_ground(stage)
    # Flat, since the ground is seen at a low angle, with corners as a roof or a crown has them.
    wide, high = stage.uniform(0.08, 0.4) * width, stage.uniform(0.03, 0.12) * height
    lean = stage.uniform(-2.0, 2.0) * high
    upper = [(share * wide + lean, stage.uniform(0.0, 0.35) * high) for share in _EDGE]
    lower = [(share * wide, stage.uniform(0.7, 1.0) * high) for share in reversed(_EDGE)]
    corners = np.array(upper + lower)
    from_s = stage.uniform(0.15, 0.6) * stage.length_s
    moves_s = stage.uniform(2.0, 15.0)
    # Comes from outside and ends at the chosen place, or passes over it.
    way = (1.0 if stage.rng.random() < 0.5 else -1.0) * width * stage.uniform(0.6, 1.2)
    stays = bool(stage.rng.random() < 0.6)
    until_s = from_s + moves_s * (1.0 if stays else 4.0)
    velocity = (way / moves_s, 0.0)
    return Shadow(
        corners + np.array((x - way, y - high / 2)),
        velocity,
        from_s,
        until_s,
        stage.uniform(0.25, 0.55),
        stage.uniform(0.3, 2.5) * width / 640,
    )


def _lamp(stage: Stage) -> Lamp:
    on_s = stage.uniform(0.1, 0.7) * stage.length_s
    lasts_s = stage.length_s if stage.rng.random() < 0.6 else stage.uniform(3, 20)
    radius = stage.uniform(0.03, 0.18) * stage.view.size[0]
    return Lamp(
        stage.view.size, _on_ground(stage), radius, stage.uniform(40, 120), on_s, on_s + lasts_s
    )


def _headlight(stage: Stage) -> Headlight:
    width = stage.view.size[0]
    _, y = _on_ground(stage)
    begin_s = stage.uniform(0, stage.length_s)
    ways = [-0.3 * width, 1.3 * width]
    if stage.rng.random() < 0.5:
        ways.reverse()
    # Some stop half-way, as before a gate.
    stop = stage.uniform(0.3, 0.7) if stage.rng.random() < 0.3 else 1.0
    end = ways[0] + (ways[1] - ways[0]) * stop
    radius = stage.uniform(0.04, 0.15) * width
    return Headlight(
        (ways[0], y),
        (end, y + stage.uniform(-0.05, 0.05) * width),
        (radius, radius * 0.4),
        stage.uniform(50, 140),
        begin_s,
        begin_s + stage.uniform(3, 9),
    )
