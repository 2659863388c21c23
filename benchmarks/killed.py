"""Kills the program again and again while things are put down before its cameras, and counts the cases.

The real program (`cv-engine watch`) watches cameras of a real RTSP server, each of which shows an empty street until,
at some moment, a crate is put down there and stays. Meanwhile all its processes are killed at random moments
(SIGKILL), or one worker only, or it is asked to stop; and it is started again. In the end each crate must be one
case with whole evidence, begun when it was put down, or when it was first seen if nobody could know before.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import yaml

from benchmarks.cameras.fleet import Fleet, available
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.harness.planted import HEIGHT, WIDTH, film
from benchmarks.harness.program import Cut, Program
from cv_engine.cases import Case, open_queue
from cv_engine.evidence.verify import verify

_SEED = 5
_DWELL_S = 15.0
_SAMPLE_S, _CALM_S = 1.0, 2.0
_WORKERS = 2
_FILM_S = 22.0
_RATE = 5
# How long the program lives at most after all cameras have been looked at again, and how soon in that time crates
# are put down: some are found and kept by then, some are found, some are not.
_LONGEST_LIFE_S = 30.0
_PUT_AFTER_S = (0.0, 3.0)
_CRATES_PER_LIFE = 2
# In so much time a crate is seen to have come to rest: two looks, the first after the longest interval, and what a
# busy machine takes until they are through.
_SEEN_S = _CALM_S + 2 * _SAMPLE_S + 4.0
# UTC of a picture may be out by half a second; the first look at a crate comes after the longest interval, and one
# look may be dropped.
_EARLY_S, _LATE_S = 0.6, 2 * _CALM_S + 0.6


@dataclass(frozen=True, slots=True)
class Life:
    """A time in which the program ran undisturbed.

    Attributes:
        looked: When each camera was looked at for the first time, as far as known, epoch seconds.
        kept: When it last was kept where each camera stands.
    """

    looked: dict[str, float]
    kept: dict[str, float]


@dataclass(slots=True)
class Outcome:
    """What became of the crates.

    Attributes:
        cuts: How often the program, or a part of it, was ended.
        crates: How many crates were put down.
        filed: Crates by the number of their cases.
        late_s: From the moment in which a crate was put down to the beginning of its case.
        wrong: What is not as it should be, in words.
        late: Cases that begin later than they could, or earlier than their crates, in words: looks that
            a busy machine takes late are one reason.
        carried: Crates of which it was known and kept before a cut that they were there.
        restart_s: From each cut until all cameras had been looked at again.
    """

    cuts: int
    crates: int
    filed: dict[int, int] = field(default_factory=dict)
    late_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    carried: int = 0
    restart_s: list[float] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks killed", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--folder", type=Path, help="keep footage and data there; an empty one")
    options = parser.parse_args(argv)
    missing = available()
    if missing is not None:
        print(f"no RTSP server can be run here: {missing}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with Fleet(folder / "server") as fleet:
            cuts: list[Cut] = ["program"] * options.kills
            outcome = run(folder, fleet, cuts, _LONGEST_LIFE_S, options.seed)
    print("\n".join((*outcome.wrong, *outcome.late)))
    print(json.dumps(_figures(outcome)))
    return 0


def _figures(outcome: Outcome) -> dict[str, float]:
    return {
        "kills": outcome.cuts,
        "crates": outcome.crates,
        "filed_once": outcome.filed.get(1, 0),
        "missed": outcome.filed.get(0, 0),
        "filed_more_than_once": sum(n for cases, n in outcome.filed.items() if cases > 1),
        "wrong": len(outcome.wrong),
        "late": len(outcome.late),
        "carried": outcome.carried,
        "late_s": round(median(outcome.late_s), 1) if outcome.late_s else 0.0,
        "latest_s": round(max(outcome.late_s, default=0.0), 1),
        "restart_s": round(median(outcome.restart_s), 1) if outcome.restart_s else 0.0,
    }


def run(
    folder: Path,
    fleet: Fleet,
    cuts: Sequence[Cut],
    longest_life_s: float,
    seed: int,
    live: Mapping[str, object] | None = None,
) -> Outcome:
    """Lets the program watch, cuts it off again and again, and judges what it has filed.

    Args:
        folder: For footage and data.
        fleet: The server of the cameras, which are added to it: two for each cut but the last.
        cuts: How to end it, one after the other.
        longest_life_s: How long it lives at most between them.
        seed: Of the moments.
        live: Settings of the section ``live`` that are not as shipped.

    Raises:
        RuntimeError: The program does not come up, or ends by itself.
    """
    empty, full = _street(folder, crate=False), _street(folder, crate=True)
    names = [f"street-{number}" for number in range(_CRATES_PER_LIFE * (len(cuts) - 1))]
    for number, name in enumerate(names):
        fleet.add(name, empty, phase_s=number * _FILM_S / len(names))
    chance = random.Random(seed)
    with Program(_config(folder, fleet, names, live or {}), folder / "data") as program:
        street = _Street(fleet, full, names)
        lives, restart_s = _lives(program, street, cuts, longest_life_s, chance)
        # What is not by then is missing, and told below.
        program.comes_about(lambda: _are_all_filed(program.data, names), street.tend)
        program.until_sampled_at(names, time.time() + 2 * _SAMPLE_S, street.tend)
    outcome = _judged(fleet, names, lives, program.data)
    outcome.cuts, outcome.restart_s = len(cuts), restart_s
    return outcome


def _lives(
    program: Program,
    street: _Street,
    cuts: Sequence[Cut],
    longest_s: float,
    chance: random.Random,
) -> tuple[list[Life], list[float]]:
    """Starts and ends it; it runs on after the last cut."""
    program.start()
    looked = program.until_sampled_at(street.names, 0.0, street.tend)
    # The empty street is to be known, and kept: what stands there from the beginning is no event.
    known = max(looked.values()) + _SEEN_S
    program.until(lambda: min(program.kept(street.names).values()) > known, street.tend)
    lives, restart_s = [], []
    for cut in cuts:
        street.plan(chance)
        program.wait(chance.uniform(0.0, longest_s), street.tend)
        ended = time.time()
        program.cut(cut, chance)
        lives.append(Life(looked, program.kept(street.names)))
        program.start_again()
        looked = program.until_sampled_at(street.names, time.time(), street.tend)
        restart_s.append(max(looked.values()) - ended)
    return [*lives, Life(looked, dict.fromkeys(street.names, float("inf")))], restart_s


class _Street:
    """Puts crates down before cameras at moments of their own.

    Args:
        fleet: The cameras.
        full: What one shows as soon as there is a crate.
        names: The cameras.
    """

    def __init__(self, fleet: Fleet, full: Footage, names: Sequence[str]) -> None:
        self.names = list(names)
        self._fleet = fleet
        self._full = full
        self._left = list(names)
        self._planned: list[tuple[float, str]] = []

    def plan(self, chance: random.Random) -> None:
        """Plans the next crates."""
        for name in self._left[:_CRATES_PER_LIFE]:
            self._planned.append((time.time() + chance.uniform(*_PUT_AFTER_S), name))
        del self._left[:_CRATES_PER_LIFE]

    def tend(self) -> None:
        """Puts down what is due."""
        now = time.time()
        for moment, name in self._planned:
            if moment <= now:
                self._fleet.switch(name, self._full)
        self._planned = [entry for entry in self._planned if entry[0] > now]


def _street(folder: Path, *, crate: bool) -> Footage:
    """A street with or without a crate, to be played in a loop."""
    path = folder / f"{'full' if crate else 'empty'}.mp4"
    film(path, seed=_SEED, length_s=_FILM_S, put_s=0.0 if crate else _FILM_S, taken_s=_FILM_S)
    return encoded(path, folder, size=(WIDTH, HEIGHT), rate=_RATE, key_interval_s=_SAMPLE_S)


def _config(folder: Path, fleet: Fleet, names: Sequence[str], live: Mapping[str, object]) -> Path:
    settings = {
        "cameras": [{"name": name, "url": fleet.url(name)} for name in names],
        "detector": {"backend": "onnxruntime", "precision": "fp32"},
        "video": {"sample_s": _SAMPLE_S},
        "rules": {"clutter": {"dwell_s": _DWELL_S}, "parking": {"enabled": False}},
        "live": {
            "workers": _WORKERS,
            "calm_sample_s": _CALM_S,
            "metrics_port": None,
            "retry_s": 2.0,
            **live,
        },
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return config


def _are_all_filed(data: Path, names: Sequence[str]) -> bool:
    return not set(names) - {case.source for case in _cases(data)}


def _cases(data: Path) -> list[Case]:
    with open_queue(data / "queue.db") as queue:
        return queue.cases()


def _judged(fleet: Fleet, names: Sequence[str], lives: Sequence[Life], data: Path) -> Outcome:
    outcome = Outcome(0, len(names))
    cases = _cases(data)
    for name in names:
        put = fleet.began(name)
        mine = [case for case in cases if case.source == name]
        outcome.filed[len(mine)] = outcome.filed.get(len(mine), 0) + 1
        if len(mine) != 1:
            told = [(case.id, case.kind, round(case.began.timestamp() - put, 1)) for case in mine]
            outcome.wrong.append(f"{name}: the crate of {put:.1f} is {len(mine)} cases: {told}")
        for case in mine:
            late_s = case.began.timestamp() - put
            outcome.late_s.append(late_s)
            known, carried = _first_known(name, put, lives)
            latest_s = known - put + _LATE_S
            outcome.carried += carried
            if not -_EARLY_S <= late_s <= latest_s:
                outcome.late.append(
                    f"{name}: begins {late_s:.1f} s after its crate was put down, not within {latest_s:.1f}"
                )
    outcome.wrong += _broken(data)
    return outcome


def _first_known(name: str, put: float, lives: Sequence[Life]) -> tuple[float, bool]:
    """From when on a crate must have been known for good, and whether that was before the last life."""
    for life in lives:
        seen = max(put, life.looked[name])
        if life.kept[name] - seen >= _SEEN_S:
            return seen, life is not lives[-1]
    raise AssertionError("the last life has no end")


def _broken(data: Path) -> list[str]:
    """Cases without evidence, packages that are not whole, and what was left half done."""
    wrong = []
    with open_queue(data / "queue.db") as queue:
        for case in queue.cases():
            packages = queue.evidence(case.id)
            if not packages:
                wrong.append(f"case {case.id} has no evidence")
            for name in packages:
                wrong += [f"{name}: {problem}" for problem in verify(data / "evidence" / name)]
    left = sorted((data / "evidence").glob(".*"))
    wrong += [f"left over: {path.relative_to(data)}" for path in left]
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
