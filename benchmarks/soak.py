"""Watches many cameras for an hour with faults of many kinds, and counts the cases.

Cameras of a real RTSP server show a street on which a crate stands for a while, repeatedly at known
times. The real program watches them (`cv-engine watch`, a process of its own), while cameras
freeze, send damaged pictures, jump in time, close connections, and the server is killed and
restarted. In the end each crate must be one case, there must be no other, and memory, threads and
descriptors must not have grown.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import platformdirs
import yaml

from benchmarks.cameras.fleet import Fleet, available
from benchmarks.cameras.footage import Footage, encoded
from benchmarks.harness.planted import HEIGHT, RATE, WIDTH, film
from cv_engine.cases import Case, open_queue
from cv_engine.live.control.status_snapshot import read_snapshot

_DWELL_S = 20.0
_LENGTH_S = 120.0
_PUT_S, _TAKEN_S = 20.0, 95.0
_FILMS = 4
_SEED = 11
# Interval and duration of faults, seconds.
_FAULT_EVERY_S = 8.0
_FAULT_S = (4.0, 12.0)
_SERVER_DIES_EVERY_S = 240.0
_SERVER_AWAY_S = (2.0, 8.0)
_SAMPLE_EVERY_S = 15.0
# A case may start later than its crate appeared, by a sampling interval and by a fault at the time.
_LATE_S = 40.0
_EARLY_S = 4.0


@dataclass(frozen=True, slots=True)
class Use:
    """The resources of all processes of the program at one moment."""

    memory_mb: float
    threads: int
    descriptors: int


@dataclass(slots=True)
class Soak:
    """One run.

    Attributes:
        uses: Resources, in order of time.
        faults: Number of faults by kind.
    """

    uses: list[Use] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    options = _options(argv)
    missing = available()
    if missing is not None:
        print(f"no RTSP server can be run here: {missing}", file=sys.stderr)
        return 2
    films = _films(options.cache)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Fleet(Path(folder)) as fleet:
        data = options.data or Path(folder) / "data"
        names = _cameras(fleet, films, options.cameras)
        config = _config(Path(folder), fleet, names)
        with _Watching(config, data) as program:
            began = time.time()
            soak = _run_faults(fleet, names, data, program, began + 60 * options.minutes)
            ended = time.time()
        result = _result(soak, _planted(fleet, names, began, ended), _cases(data), names)
    print(json.dumps(result))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=24)
    parser.add_argument(
        "--data", type=Path, help="data folder to keep; a temporary one if left out"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(platformdirs.user_cache_dir("cv-engine")) / "benchmarks",
        help="folder for the footage",
    )
    return parser.parse_args(argv)


def _films(cache: Path) -> list[Footage]:
    films = []
    cache.mkdir(parents=True, exist_ok=True)
    for seed in range(_FILMS):
        path = cache / f"planted-{seed}-{_LENGTH_S:.0f}-{_PUT_S:.0f}-{_TAKEN_S:.0f}.mp4"
        if not path.exists():
            part = path.with_suffix(".part.mp4")
            film(part, seed=seed, length_s=_LENGTH_S, put_s=_PUT_S, taken_s=_TAKEN_S)
            part.replace(path)
        films.append(encoded(path, cache, size=(WIDTH, HEIGHT), rate=RATE))
    return films


def _cameras(fleet: Fleet, films: Sequence[Footage], count: int) -> list[str]:
    """Cameras at different phases, so that crates come and go all the time."""
    names = [f"street-{number}" for number in range(count)]
    for number, name in enumerate(names):
        phase_s = number * _LENGTH_S / count
        fleet.add(name, films[number % len(films)], phase_s=phase_s, mode="loop")
    return names


def _config(folder: Path, fleet: Fleet, names: Sequence[str]) -> Path:
    config = folder / "config.yaml"
    settings = {
        "cameras": [{"name": name, "url": fleet.url(name)} for name in names],
        "rules": {"clutter": {"dwell_s": _DWELL_S}, "parking": {"enabled": False}},
        "live": {"metrics_port": None, "stall_s": 6.0, "retry_s": 5.0},
    }
    config.write_text(yaml.safe_dump(settings))
    return config


class _Watching:
    """The program, running."""

    def __init__(self, config: Path, data: Path) -> None:
        program = [sys.executable, "-m", "cli", "watch"]
        self._command = [*program, "--config", str(config), "--data", str(data)]
        data.mkdir(parents=True, exist_ok=True)
        self._log = (data / "log").open("ab")

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stderr=self._log, stdout=self._log)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()


def _run_faults(
    fleet: Fleet,
    names: Sequence[str],
    data: Path,
    program: subprocess.Popen[bytes],
    until: float,
) -> Soak:
    """Causes faults until the end, and records the resources of the program."""
    chance = random.Random(_SEED)
    soak = Soak()
    faulty: dict[str, tuple[float, str]] = {}
    next_fault, next_death = time.time() + 30, time.time() + _SERVER_DIES_EVERY_S
    next_sample = time.time() + 60
    while (now := time.time()) < until:
        if program.poll() is not None:
            raise RuntimeError(f"the program has ended with {program.returncode}")
        for name in [name for name, (end, _) in faulty.items() if now >= end]:
            _end_fault(fleet, name, faulty.pop(name)[1])
        if now >= next_death:
            next_death = now + _SERVER_DIES_EVERY_S * chance.uniform(0.5, 1.5)
            for name in list(faulty):
                _end_fault(fleet, name, faulty.pop(name)[1])
            fleet.kill()
            time.sleep(chance.uniform(*_SERVER_AWAY_S))
            fleet.start()
            soak.faults["server"] = soak.faults.get("server", 0) + 1
        elif now >= next_fault:
            next_fault = now + _FAULT_EVERY_S * chance.uniform(0.5, 1.5)
            name = chance.choice([name for name in names if name not in faulty])
            kind = chance.choice(["freeze", "corrupt", "kick", "jump"])
            _begin_fault(fleet, name, kind, chance)
            faulty[name] = (now + chance.uniform(*_FAULT_S), kind)
            soak.faults[kind] = soak.faults.get(kind, 0) + 1
        if now >= next_sample:
            next_sample = now + _SAMPLE_EVERY_S
            soak.uses.append(_use(program.pid))
            _tell(soak, data, until - now)
        time.sleep(0.2)
    for name, (_, kind) in faulty.items():
        _end_fault(fleet, name, kind)
    return soak


def _begin_fault(fleet: Fleet, name: str, kind: str, chance: random.Random) -> None:
    match kind:
        case "freeze":
            fleet.freeze(name)
        case "corrupt":
            fleet.corrupt(name, 0.3)
        case "kick":
            fleet.kick(name)
        case "jump":
            fleet.jump(name, chance.uniform(-3600, 3600))


def _end_fault(fleet: Fleet, name: str, kind: str) -> None:
    if kind == "freeze":
        fleet.thaw(name)
    elif kind == "corrupt":
        fleet.corrupt(name, 0.0)


def _use(pid: int) -> Use:
    """The resources of a process and its descendants."""
    memory_kb, threads, descriptors = 0, 0, 0
    for each in (pid, *_descendants(pid)):
        try:
            status = Path(f"/proc/{each}/status").read_text()
            descriptors += len(list(Path(f"/proc/{each}/fd").iterdir()))
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        memory_kb += int(fields.get("VmRSS", "0 kB").split()[0])
        threads += int(fields["Threads"])
    return Use(memory_kb / 1024, threads, descriptors)


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)


def _tell(soak: Soak, data: Path, left_s: float) -> None:
    snapshot = read_snapshot(data)
    use = soak.uses[-1]
    live = sum(line.status.state == "live" for line in snapshot.cameras) if snapshot else 0
    dropped = sum(line.status.dropped for line in snapshot.cameras) if snapshot else 0
    print(
        f"{left_s / 60:5.1f} min left: {live} live, {len(_cases(data))} cases, {dropped} dropped, "
        f"{use.memory_mb:.0f} MB, {use.threads} threads, {use.descriptors} descriptors, "
        f"faults {soak.faults}",
        flush=True,
    )


def _cases(data: Path) -> list[Case]:
    with open_queue(data / "queue.db") as queue:
        return queue.cases()


def _planted(
    fleet: Fleet, names: Sequence[str], began: float, ended: float
) -> list[tuple[str, float, float]]:
    """The crates that stood long enough to be found: camera, appearance, removal."""
    crates = []
    for name in names:
        first = fleet.began(name)
        number = int((began - first) // _LENGTH_S) - 1
        while (put := first + number * _LENGTH_S + _PUT_S) < ended:
            number += 1
            taken = put + _TAKEN_S - _PUT_S
            # A crate from before the program started, or from its end, cannot be judged.
            if put > began + 30 and put + 2 * _DWELL_S < ended:
                crates.append((name, put, taken))
    return crates


def _result(
    soak: Soak,
    planted: Sequence[tuple[str, float, float]],
    cases: Sequence[Case],
    names: Sequence[str],
) -> dict[str, object]:
    """Crates found once, twice and never; other cases; and the growth of resources."""
    counts = {0: 0, 1: 0}
    matched: set[int] = set()
    first = {name: min(p for n, p, _ in planted if n == name) for name in names}
    for name, put, taken in planted:
        mine = [
            case
            for case in cases
            if case.source == name
            and case.kind == "clutter"
            and put - _EARLY_S <= case.began.timestamp() <= min(taken, put + _LATE_S)
        ]
        matched |= {case.id for case in mine}
        counts[len(mine)] = counts.get(len(mine), 0) + 1
        if len(mine) != 1:
            print(f"{name}: crate of {put:.0f} is {len(mine)} cases: {[c.id for c in mine]}")
    judged = [case for case in cases if case.began.timestamp() > first[case.source]]
    others = [case for case in judged if case.id not in matched and not _last(case, planted)]
    for case in others:
        print(f"{case.source}: case {case.id} ({case.kind}, {case.began.timestamp():.0f}) is none")
    uses = soak.uses
    quarter = max(1, len(uses) // 4)
    early, late = uses[quarter : 2 * quarter] or uses, uses[-quarter:]
    grown = {
        name: round(
            median(getattr(u, name) for u in late) - median(getattr(u, name) for u in early), 1
        )
        for name in ("memory_mb", "threads", "descriptors")
    }
    return {
        "cameras": len(names),
        "planted": len(planted),
        "found_once": counts[1],
        "missed": counts[0],
        "found_more_than_once": sum(n for times, n in counts.items() if times > 1),
        "other_cases": len(others),
        "faults": soak.faults,
        "memory_mb": round(median(use.memory_mb for use in late), 1),
        **{f"{name}_grown": value for name, value in grown.items()},
    }


def _last(case: Case, planted: Sequence[tuple[str, float, float]]) -> bool:
    """Whether a case began after the last crate that can be judged."""
    return case.began.timestamp() > max(put for name, put, _ in planted if name == case.source) + (
        _TAKEN_S - _PUT_S
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
