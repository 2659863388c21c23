"""Kills the program repeatedly while crates appear before its cameras, and counts the cases.

The real program (`cv-engine watch`) watches cameras of a real RTSP server. Each shows an empty
street until, at some moment, a crate appears and stays. Meanwhile all processes of the program are
killed at random moments (SIGKILL), or one worker only, or the program is asked to stop; and it is
restarted. In the end each crate must be one case with whole evidence, whose start is the crate's
appearance, or the first sample after it where the program was down.
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
# The longest life of the program after all cameras have been sampled again, and how soon in that
# time crates appear: some are found and in a checkpoint by the end, some are found, some are not.
_LONGEST_LIFE_S = 30.0
_PUT_AFTER_S = (0.0, 3.0)
_CRATES_PER_LIFE = 2
# The time in which a crate is found to be settled: two samples, the first after the longest
# interval, and the time that a busy machine needs to process them.
_SEEN_S = _CALM_S + 2 * _SAMPLE_S + 4.0
# UTC of a picture may be wrong by half a second; the first sample of a crate comes after the
# longest interval, and one sample may be dropped.
_EARLY_S, _LATE_S = 0.6, 2 * _CALM_S + 0.6


@dataclass(frozen=True, slots=True)
class Life:
    """A time in which the program ran undisturbed.

    Attributes:
        sampled: When each camera was sampled for the first time, as far as known, epoch seconds.
        kept: The time of each camera's last checkpoint, epoch seconds.
    """

    sampled: dict[str, float]
    kept: dict[str, float]


@dataclass(slots=True)
class Outcome:
    """The cases of the crates.

    Attributes:
        cuts: Number of times that the program, or a part of it, was ended.
        crates: Number of crates.
        filed: Crates by the number of their cases.
        late_s: From the appearance of each crate to the start of its case.
        wrong: Descriptions of wrong results.
        late: Descriptions of cases that start later than they could, or earlier than their crates;
            late samples on a busy machine are one reason.
        carried: Crates that were known and in a checkpoint before a cut.
        restart_s: From each cut until all cameras had been sampled again.
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
    """Lets the program watch, ends it repeatedly, and judges the filed cases.

    Args:
        folder: For footage and data.
        fleet: The server of the cameras, which are added to it: two for each cut but the last.
        cuts: How to end the program each time.
        longest_life_s: The longest time between two cuts.
        seed: Of the random moments.
        live: Settings of the section ``live`` that differ from the shipped ones.

    Raises:
        RuntimeError: The program does not start, or ends by itself.
    """
    empty, full = _street(folder, crate=False), _street(folder, crate=True)
    names = [f"street-{number}" for number in range(_CRATES_PER_LIFE * (len(cuts) - 1))]
    for number, name in enumerate(names):
        fleet.add(name, empty, phase_s=number * _FILM_S / len(names))
    chance = random.Random(seed)
    with Program(_config(folder, fleet, names, live or {}), folder / "data") as program:
        street = _Street(fleet, full, names)
        lives, restart_s = _lives(program, street, cuts, longest_life_s, chance)
        # A crate without a case by then is missing, and reported below.
        program.wait_for(lambda: _are_all_filed(program.data, names), street.tend)
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
    """Starts and ends the program; it keeps running after the last cut."""
    program.start()
    sampled = program.until_sampled_at(street.names, 0.0, street.tend)
    # The empty street must be in a checkpoint first: a thing that stands there from the start is no
    # event.
    known = max(sampled.values()) + _SEEN_S
    program.until(lambda: min(program.kept(street.names).values()) > known, street.tend)
    lives, restart_s = [], []
    for cut in cuts:
        street.plan(chance)
        program.wait(chance.uniform(0.0, longest_s), street.tend)
        ended = time.time()
        program.cut(cut, chance)
        lives.append(Life(sampled, program.kept(street.names)))
        program.start_again()
        sampled = program.until_sampled_at(street.names, time.time(), street.tend)
        restart_s.append(max(sampled.values()) - ended)
    return [*lives, Life(sampled, dict.fromkeys(street.names, float("inf")))], restart_s


class _Street:
    """Shows crates to cameras at planned moments.

    Args:
        fleet: The cameras.
        full: The footage of a camera with a crate.
        names: The names of the cameras.
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
        """Shows the crates that are due."""
        now = time.time()
        for moment, name in self._planned:
            if moment <= now:
                self._fleet.switch(name, self._full)
        self._planned = [entry for entry in self._planned if entry[0] > now]


def _street(folder: Path, *, crate: bool) -> Footage:
    """A street with or without a crate, for a loop."""
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
            found = [(case.id, case.kind, round(case.began.timestamp() - put, 1)) for case in mine]
            outcome.wrong.append(f"{name}: the crate of {put:.1f} is {len(mine)} cases: {found}")
        for case in mine:
            late_s = case.began.timestamp() - put
            outcome.late_s.append(late_s)
            known, carried = _first_known(name, put, lives)
            latest_s = known - put + _LATE_S
            outcome.carried += carried
            if not -_EARLY_S <= late_s <= latest_s:
                outcome.late.append(
                    f"{name}: starts {late_s:.1f} s after its crate appeared, "
                    f"not within {latest_s:.1f}"
                )
    outcome.wrong += _broken(data)
    return outcome


def _first_known(name: str, put: float, lives: Sequence[Life]) -> tuple[float, bool]:
    """When a crate was in a checkpoint for the first time, and whether before the last life."""
    for life in lives:
        seen = max(put, life.sampled[name])
        if life.kept[name] - seen >= _SEEN_S:
            return seen, life is not lives[-1]
    raise AssertionError("the last life has no end")


def _broken(data: Path) -> list[str]:
    """Cases without evidence, packages that are not whole, and unfinished packages."""
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
