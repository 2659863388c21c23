"""Cases against the exact truth of composed scenes, condition by condition.

A scene is drawn whole from its seed: an empty view of a real camera, real objects cut out of
photographs, what happens, light, weather, camera and encoding. Everything that stays longer than
the dwell is in the truth; nothing else stays for more than half of it. The score is that of
``events``.

Seeds below 1000 are for development. Seeds from 1000 on are composed of views and objects of their
own, which no smaller seed shows: published figures are theirs, and nothing is changed because of
them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks.composed.backgrounds import load_backgrounds
from benchmarks.composed.cutouts import CACHE, load_cutouts
from benchmarks.composed.folder import film_scene, write_tables
from benchmarks.composed.plots import PLOTS
from benchmarks.composed.scene import Options, Scene, draw_scene
from benchmarks.harness.engine_cases import cases_of, short_dwell_config
from benchmarks.harness.event_figures import Figures, confidence_error, figures, reliability, total
from benchmarks.harness.event_score import Score, judge
from benchmarks.harness.labelled_clips import read_clips, read_events
from benchmarks.harness.log import warnings_to_stderr

_VIEWS = ("view",)  # conditions that are printed only with --views


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker process needs to know."""

    data: Path
    cache: Path
    keep: Path | None
    options: Options
    sample_s: float | None
    only: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one seed; ``score`` is ``None`` where the scene was not wanted."""

    seed: int
    conditions: dict[str, str]
    score: Score | None
    made_s: float
    analysed_s: float


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        seeds = _seeds(options.seeds)
    except ValueError:
        parser.error(f"--seeds {options.seeds}: write FIRST:END, such as 0:60")
    if options.keep is not None and options.keep.is_dir() and any(options.keep.iterdir()):
        parser.error(f"{options.keep}: not empty; --keep needs a folder of its own")
    drawn = Options(options.dwell_s, options.length_s, options.event)
    task = Task(options.data, options.cache, options.keep, drawn, options.sample_s, options.only)
    results = []
    for number, result in enumerate(_results(task, seeds, options.jobs), 1):
        if result.score is not None:
            results.append(result)
        _progress(result, number, len(seeds))
    if options.keep is not None:
        _join_tables(options.keep)
    if not results:
        print(f"no scene of the seeds {options.seeds} is {options.only}", file=sys.stderr)
        return 2
    results.sort(key=lambda result: result.seed)
    if options.verbose:
        print("\n".join(line for result in results if result.score for line in result.score.lines))
    print(json.dumps(_report(results, views=options.views)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", default="0:60", help="FIRST:END, END left out (default 0:60)")
    parser.add_argument("--dwell-s", type=float, default=3.0, help="shortest stay (default 3 s)")
    parser.add_argument(
        "--sample-s", type=float, help="interval between samples (default dwell / 6, at most 2 s)"
    )
    parser.add_argument(
        "--length-s", type=float, help="length of every scene (default: 30 to 90 s)"
    )
    parser.add_argument("--event", choices=list(PLOTS), help="what happens in every scene")
    parser.add_argument("--only", help="scenes of a condition only, such as light=lamps")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--keep", type=Path, help="empty folder in which clips and truth are kept")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of cutouts and views")
    parser.add_argument("--views", action="store_true", help="a row for each view too")
    parser.add_argument(
        "--verbose", action="store_true", help="a line for each stay and false case"
    )
    return parser


def _seeds(text: str) -> range:
    first, end = (int(part) for part in text.split(":"))
    return range(first, end)


def _results(task: Task, seeds: Sequence[int], jobs: int) -> Iterator[Result]:
    if jobs <= 1:
        run = Runner(task)
        yield from map(run.run, seeds)
        return
    # Made once, before several processes would make them at the same time.
    load_cutouts(task.data, task.cache)
    load_backgrounds(task.data, task.cache)
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=_start, initargs=(task,)) as pool:
        yield from pool.imap_unordered(_run, seeds)


class Runner:
    """Makes, analyses and judges scenes in one process."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._cutouts = load_cutouts(task.data, task.cache)
        self._backgrounds = load_backgrounds(task.data, task.cache)

    def run(self, seed: int) -> Result:
        """One seed."""
        began = time.process_time()
        scene = draw_scene(seed, self._cutouts, self._backgrounds, self.task.options)
        if self.task.only is not None and not _is_wanted(scene, self.task.only):
            return Result(seed, scene.conditions, None, time.process_time() - began, 0.0)
        with tempfile.TemporaryDirectory(prefix="scenes-") as scratch:
            folder = Path(scratch) if self.task.keep is None else self.task.keep / f"{seed:05d}"
            path = film_scene(scene, folder)
            write_tables([(scene, path)], folder)
            made = time.process_time()
            score = self._judged(folder, Path(scratch) / "cases")
        ended = time.process_time()
        return Result(seed, scene.conditions, score, made - began, ended - made)

    def _judged(self, folder: Path, data: Path) -> Score:
        score = Score()
        (clip,) = read_clips(folder)
        config = short_dwell_config(data, self.task.options.dwell_s, self.task.sample_s)
        cases = cases_of(clip.path, config)
        judge(score, read_events(folder, clip.path.name), cases, clip.exhaustive, clip.path.name)
        return score


_runner: Runner | None = None


def _start(task: Task) -> None:
    """Prepares a worker process."""
    global _runner
    warnings_to_stderr()
    cv2.setNumThreads(1)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    _runner = Runner(task)


def _run(seed: int) -> Result:
    assert _runner is not None
    return _runner.run(seed)


def _is_wanted(scene: Scene, only: str) -> bool:
    name, _, value = only.partition("=")
    return scene.conditions.get(name) == value


def _progress(result: Result, number: int, count: int) -> None:
    said = "left out"
    if result.score is not None:
        score = result.score
        said = (
            f"{score.found} of {score.events} found, {score.false} false; "
            f"made in {result.made_s:.1f} s, analysed in {result.analysed_s:.1f} s"
        )
    print(f"{number}/{count} seed {result.seed}: {said}", file=sys.stderr, flush=True)


def _report(results: Sequence[Result], *, views: bool) -> dict[str, object]:
    """Prints the tables; returns the figures."""
    everything = [result.score for result in results if result.score is not None]
    print(_HEADER)
    whole = figures(everything)
    _print_row("all", whole)
    by_condition: dict[str, float] = {}
    for name in results[0].conditions:
        if name in _VIEWS and not views:
            continue
        print()
        for value in _values(results, name):
            chosen = [r.score for r in results if r.score and r.conditions.get(name) == value]
            row = figures(chosen)
            _print_row(f"{name}={value}", row)
            by_condition[f"{name}={value}"] = round(row.f1.value, 4)
    table = reliability(total(everything))
    print("\nconfidence      cases  mean   right")
    for row_ in table:
        print(
            f"{row_['from']:.1f} to {row_['to']:.1f} {row_['cases']:9.0f}"
            f"{row_['confidence']:7.2f}{row_['right']:8.2f}"
        )
    error = round(confidence_error(total(everything)), 4)
    return _figures(whole) | {
        "reliability": table,
        "confidence_error": error,
        "f1_by_condition": by_condition,
    }


_HEADER = (
    f"{'':26s}{'scenes':>7s}{'things':>7s}  {'recall':18s}{'strict':18s}{'precision':18s}"
    f"{'F1':18s}{'false':>5s}  {'start error, s':18s}{'cases per thing':18s}"
)


def _print_row(name: str, row: Figures) -> None:
    print(
        f"{name:26s}{row.clips:7d}{row.things:7d}  {row.recall!s:18s}{row.strict!s:18s}"
        f"{row.precision!s:18s}{row.f1!s:18s}{row.false:5d}  {row.start_error_s!s:18s}"
        f"{row.cases_per_thing!s:18s}"
    )


def _figures(row: Figures) -> dict[str, object]:
    named = {
        "f1": row.f1,
        "recall": row.recall,
        "precision": row.precision,
        "strict": row.strict,
        "cases_per_thing": row.cases_per_thing,
        "start_error_s": row.start_error_s,
    }
    result: dict[str, object] = {name: round(figure.value, 4) for name, figure in named.items()}
    result |= {
        f"{name}_interval": [round(figure.low, 4), round(figure.high, 4)]
        for name, figure in named.items()
    }
    return result | {"false_cases": row.false, "scenes": row.clips, "things": row.things}


def _values(results: Iterable[Result], name: str) -> list[str]:
    values = {result.conditions.get(name, "") for result in results}
    return sorted(values, key=_in_order)


def _in_order(value: str) -> tuple[int, str]:
    """Resolutions by their width, names by the alphabet."""
    width = value.partition("x")[0]
    return (int(width) if width.isdigit() else 0, value)


def _join_tables(folder: Path) -> None:
    """One folder of clips, with one table of each kind, from those of the single scenes."""
    for name in ("clips.csv", "events.csv"):
        lines: list[str] = []
        for part in sorted(folder.glob(f"*/{name}")):
            head, *rows = part.read_text(encoding="utf-8").splitlines()
            lines += rows if lines else [head, *rows]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for clip in sorted(folder.glob("*/scene-*")):
        clip.replace(folder / clip.name)
        for name in ("clips.csv", "events.csv"):
            (clip.parent / name).unlink()
        clip.parent.rmdir()
