"""One plate from several readings: place by place, held against the syntaxes and what is known."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.plates.reader import Reading
from models.plates.syntax import Country, Syntax
from models.platt import Platt

Floats = npt.NDArray[np.float32]

# Frames of one stay share light, dirt and angle. With this correlation n frames count as
# n / (1 + (n - 1) * correlation) independent ones (Kish, Survey Sampling, 1965: design effect).
_CORRELATION = 0.5
# How much more often a plate of the city's own province stands there than the even share that the
# reader was trained on: half of the vehicles of a city are its own, of 31 provinces.
_OWN_PROVINCE_ODDS = 30.0
# How much more likely a plate is that the registry knows than one of the same form that it does
# not: about one in ten thousand texts of a form is registered, but a fifth of the vehicles in a
# city are not in its registry, and a wrong letter may be the plate of someone else.
_KNOWN_ODDS = 50.0
# Texts that are weighed against each other: beyond these hardly any probability is left.
_TEXTS = 24
# The registry is asked of a text only if, were it known, it would be at least so likely beside the
# text that is likeliest without the registry: of a plate that is well read it is asked once.
_LEAST_SHARE = 0.01
_LEAST_LOG = -16.0  # a character is never ruled out by one frame


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known before a plate is read.

    Attributes:
        own_province: Character of the city's own province; ``None`` if none is favoured.
        known: Whether a registry has a plate; asked only of texts for which that could count.
    """

    own_province: str | None = None
    known: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class PlateText:
    """A plate as voted.

    Attributes:
        text: The plate, without separators.
        confidence: Calibrated probability that the whole plate is right.
        layout: Name of its layout.
    """

    text: str
    confidence: float
    layout: str


def vote(
    readings: Sequence[Reading],
    country: Country,
    calibration: Platt | None = None,
    knowledge: Knowledge | None = None,
) -> PlateText | None:
    """Combine readings of one plate.

    The log-probabilities of each place are added over the readings, as for independent frames,
    and scaled to the number of independent frames that the readings are worth. Texts that fit a
    syntax are weighed by them and by what is known before; what no syntax allows counts as wrong.

    Args:
        readings: Readings of pictures of the same plate, in any order.
        country: Whose plate it is.
        calibration: What makes the probability true; the raw one if left out.
        knowledge: What is known before.

    Returns:
        The likeliest plate, ``None`` without readings.
    """
    if not readings:
        return None
    places = combined(readings)
    knowledge = knowledge or Knowledge()
    scored = {
        text: (log, log + _at_home(text, knowledge))
        for text, log in _texts(places, country).items()
    }
    if not scored:
        return None
    if knowledge.known:
        scored = _registered(scored, knowledge.known)
    best = max(scored, key=lambda text: scored[text][1])
    fitting = sum(float(np.exp(log)) for log, _ in scored.values())
    weights = sum(float(np.exp(log)) for _, log in scored.values())
    share = float(np.exp(scored[best][1])) / (weights + max(0.0, 1.0 - fitting))
    if calibration:
        share = float(calibration(np.array([share], np.float32))[0])
    return PlateText(best, share, _layout(best, readings, country))


def combined(readings: Sequence[Reading]) -> Floats:
    """Return the log-probabilities of the places given all readings, each place summing to 1."""
    logs = np.stack([np.maximum(reading.places, _LEAST_LOG) for reading in readings])
    count = len(readings)
    worth = count / (1 + (count - 1) * _CORRELATION)
    return _normalised(logs.mean(axis=0) * worth)


def averaged(readings: Sequence[Reading]) -> Reading:
    """Return the mean reading of several cuts of one picture, which are no independent frames."""
    logs = np.mean([np.maximum(reading.places, _LEAST_LOG) for reading in readings], axis=0)
    shares = np.mean([reading.layouts for reading in readings], axis=0)
    return Reading(_normalised(logs), np.asarray(shares, np.float32))


def _normalised(logs: Floats) -> Floats:
    """Return log-probabilities; each row sums to 1."""
    shifted = logs - logs.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float32)


def _at_home(text: str, knowledge: Knowledge) -> float:
    """Return the logarithm of how much likelier a text is than one of another province."""
    if knowledge.own_province and text.startswith(knowledge.own_province):
        return float(np.log(_OWN_PROVINCE_ODDS))
    return 0.0


def _registered(
    scored: dict[str, tuple[float, float]], known: Callable[[str], bool]
) -> dict[str, tuple[float, float]]:
    """Return the scores with those of registered plates raised."""
    gain = float(np.log(_KNOWN_ODDS))
    least = max(log for _, log in scored.values()) + float(np.log(_LEAST_SHARE)) - gain
    return {
        text: (seen, log + gain if log >= least and known(text) else log)
        for text, (seen, log) in scored.items()
    }


def _texts(places: Floats, country: Country) -> dict[str, float]:
    """Return the likeliest texts that fit a syntax, with their log-probabilities."""
    best: dict[str, float] = {}
    for allowed in {syntax.places: syntax for syntax in country.syntaxes}.values():
        if len(allowed.places) > len(places):
            continue
        blank = float(places[len(allowed.places) :, 0].sum())
        for text, log in _likeliest(places, allowed, country):
            best[text] = log + blank
    return dict(sorted(best.items(), key=lambda item: -item[1])[:_TEXTS])


def _likeliest(places: Floats, syntax: Syntax, country: Country) -> Iterator[tuple[str, float]]:
    """Yield the texts of one syntax, the likeliest first: a best-first search over the places."""
    ranked: list[list[tuple[float, str]]] = []
    for row, allowed in zip(places, syntax.places, strict=False):
        scores = [(float(row[country.classes[character]]), character) for character in allowed]
        ranked.append(sorted(scores, reverse=True))
    first = (0,) * len(ranked)
    queue = [(-sum(row[0][0] for row in ranked), first)]
    seen = {first}
    for _ in range(_TEXTS):
        if not queue:
            return
        cost, chosen = heapq.heappop(queue)
        yield "".join(row[k][1] for row, k in zip(ranked, chosen, strict=True)), -cost
        for place, k in enumerate(chosen):
            after = (*chosen[:place], k + 1, *chosen[place + 1 :])
            if k + 1 < len(ranked[place]) and after not in seen:
                seen.add(after)
                step = ranked[place][k][0] - ranked[place][k + 1][0]
                heapq.heappush(queue, (cost + step, after))


def _layout(text: str, readings: Sequence[Reading], country: Country) -> str:
    """Return the layout that fits the text and that the readings show."""
    shares = np.mean([reading.layouts for reading in readings], axis=0)
    return max(
        country.layouts_of(text), key=lambda name: float(shares[country.layouts.index(name)])
    )
