"""Reads mutated settings and zones files: each is used, or refused with its place, at once."""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import re
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import zones
from benchmarks.oddities.mutation import mutated
from cv_engine.commands.exit_codes import ExitCode, describe
from cv_engine.config import default_config_path, load_config
from cv_engine.live.worker.camera import address_of
from cv_engine.rules import registry
from zones.camera import Camera
from zones.check import check

HANG_S = 60.0
SLOW_S = 2.0
MOST_BYTES = 500 << 20
_MOST_CHANGES = 4
_TOKEN = re.compile(r"[\w.+-]+|\s+|.", re.DOTALL)
_EXAMPLES = Path(zones.__file__).parent / "examples"
# What parsers stumble over, in YAML and in JSON.
_ODD = (
    *(
        "!!timestamp 2001-99-99",
        "!!binary '*'",
        "!!int maybe",
        "!!float ''",
        "!!python/name:os",
        "!",
    ),
    *("!!set {a}", "&a ", "*a", "<<: *a", "<<: [*a, *a]", "? ", "- ", ": ", "---", "...", "|", ">"),
    *("9" * 5000, "-" + "9" * 400, "0x" + "f" * 400, "1e999", "1e308", "-1e308", "NaN", ".nan"),
    *(
        "Infinity",
        ".inf",
        "5e-324",
        "-0.0",
        "1_000",
        "010",
        "5:00",
        "true",
        "null",
        "~",
        "[]",
        "{}",
    ),
    *(
        "[" * 2000,
        "{" * 2000,
        "{a: " * 60,
        "[" * 60 + "]" * 60,
        "a" * 70_000,
        '"' + "\\u0041" * 9000,
    ),
    *(
        '"\\ud800"',
        '"a\\u0000b"',
        '"\\x1b[31m"',
        "\x00",
        "\ufeff",
        "\u2028",
        "\x85",
        "\t",
        "\\",
        "%",
    ),
    *(
        "'",
        '"',
        "#",
        "@",
        "`",
        "../..",
        "~no-such-user/x",
        "rtsp://u:p#q@h:99999/x",
        "rtsp://[::1/x",
    ),
    *("UTC+99:99", "Mo-Fr 25:00-99:99;", "24/7", "%Y%s", "[[0,0],[1,1],[0,1],[1,0],[0,0]]"),
)
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 10**400, 10**18, float("nan"), float("inf"), 5e-324, -0.0),
    *("", "a", "a" * 300, "\ud800", "a\0b", "\x1b[31m", "24/7", "Mo-Fr 25:00-99:99", "22:00-02:00"),
    *([], {}, [[]], [[0, 0]], [[0, 0], [9, 9], [0, 9], [9, 0], [0, 0]], [[0, 0], [9, 9], [0, 0]]),
    *([1e-9, 1e-9], [180, 90], [181, 0], [0, 91], ["1", "2"], [[[0, 0], [9, 0], [9, 9], [0, 0]]]),
)


@dataclass(slots=True)
class Outcome:
    """What became of mutated files.

    Attributes:
        files: How many were used, and how many were refused.
        faults: What went wrong, a line each, by kind.
        slowest_s: Longest time that one took, seconds of a processor.
    """

    files: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    slowest_s: float = 0.0

    def row(self) -> dict[str, float]:
        """The figures for the last line of the benchmark."""
        kinds = ("tracebacks", "without_place", "slow", "over_500_mb")
        return {
            "files": self.files.total(),
            "used": self.files["used"],
            "refused": self.files["refused"],
            "slowest_s": round(self.slowest_s, 2),
            **{kind: len(self.faults.get(kind, ())) for kind in kinds},
        }


def fuzz_configs(count: int, seed: int) -> Outcome:
    """Reads ``count`` mutated configurations as ``cameras check`` and ``watch`` do."""
    return _fuzz(count, f"config {seed}", [_whole_config()], ".yaml", _use_config)


def fuzz_zones(count: int, seed: int) -> Outcome:
    """Reads ``count`` mutated zones files as ``zones check`` does."""
    sound = [path.read_bytes() for path in sorted(_EXAMPLES.glob("*.geojson"))]
    return _fuzz(count, f"zones {seed}", sound, ".geojson", _use_zones)


def _fuzz(
    count: int,
    seed: str,
    sound: Sequence[bytes],
    suffix: str,
    use: Callable[[Path], str],
) -> Outcome:
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fuzz-settings-") as folder:
        for number in range(count):
            chance = random.Random(f"{seed} {number}")
            path = Path(folder) / f"{number:05}{suffix}"
            path.write_bytes(_changed(sound[number % len(sound)], chance))
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            began_s = time.process_time()
            _judge(path, use, outcome)
            took_s = time.process_time() - began_s
            faulthandler.cancel_dump_traceback_later()
            outcome.slowest_s = max(outcome.slowest_s, took_s)
            if took_s > SLOW_S:
                outcome.faults.setdefault("slow", []).append(f"{path.name}: {took_s:.1f} s")
            path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if peak > MOST_BYTES:
        outcome.faults["over_500_mb"] = [f"{peak >> 20} MB"]
    return outcome


def _judge(path: Path, use: Callable[[Path], str], outcome: Outcome) -> None:
    """Uses a file, and counts what came of it."""
    try:
        message = use(path)
    except Exception as error:
        message, code = describe(error)
        if code is not ExitCode.WRONG_INPUT:
            trace = "".join(traceback.format_exception(error)[-3:])
            outcome.faults.setdefault("tracebacks", []).append(f"{path.name}: {message}\n{trace}")
            return
    if not message:
        outcome.files["used"] += 1
        return
    outcome.files["refused"] += 1
    if not all(str(path) in line or line.startswith("camera ") for line in message.splitlines()):
        outcome.faults.setdefault("without_place", []).append(f"{path.name}: {message[:300]}")


def _use_config(path: Path) -> str:
    config = load_config(path)
    assert config.digest
    for entry in config.cameras:
        assert entry.camera().name == entry.name
        if entry.url is not None and entry.password_env is None:
            assert repr(address_of(entry))
    return ""


def _use_zones(path: Path) -> str:
    found = check(
        path,
        1280,
        720,
        _camera(),
        kinds=registry.kinds(),
        numbers=registry.zone_settings(),
        timezone="Asia/Shanghai",
    )
    errors = [problem for problem in found if problem.severity == "error"]
    return "\n".join(str(problem).replace("\n", " ") for problem in errors)


@cache
def _camera() -> Camera:
    """The camera of the documented configuration."""
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(_whole_config())
        file.flush()
        return load_config(Path(file.name)).cameras[0].camera()


def _whole_config() -> bytes:
    """The documented configuration with the entries that stand in its comments, and an alias."""
    text = default_config_path().read_text(encoding="utf-8")
    before, _, block = text.partition("\n# cameras:")
    entries = block.replace("\n# ", "\n").replace("\ncameras: []", "")
    aliases = "  - &east {name: east, timezone: UTC}\n  - {<<: *east, name: west}\n"
    return f"{before}\ncameras:{entries}{aliases}".encode()


def _changed(sound: bytes, chance: random.Random) -> bytes:
    """A file with changed bytes, with odd values, or with odd tokens put in place of others."""
    how = chance.random()
    if how < 0.3:
        return mutated(sound, chance)
    if how < 0.8 and sound.lstrip().startswith(b"{"):
        return _with_odd_values(sound, chance)
    tokens = _TOKEN.findall(sound.decode())
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        at = chance.randrange(len(tokens))
        how = chance.random()
        if how < 0.6:
            tokens[at] = chance.choice(_ODD)
        elif how < 0.8:
            tokens.insert(at, chance.choice(_ODD))
        else:
            size = chance.randint(1, 40)
            tokens[at:at] = tokens[at : at + size] * chance.randint(1, 3)
    return "".join(tokens).encode(errors="surrogatepass")


def _with_odd_values(sound: bytes, chance: random.Random) -> bytes:
    """JSON with some values replaced, repeated or removed."""
    document = json.loads(sound)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        places = list(_places(document))
        if not places:
            break
        holder, key = chance.choice(places)
        how = chance.random()
        if how < 0.5:
            holder[key] = deepcopy(chance.choice(_ODD_VALUES))
        elif how < 0.7 and isinstance(holder[key], float):
            holder[key] = holder[key] * chance.choice((-1, 0.1, 10, 1 + 1e-7)) + chance.choice(
                (0, 1)
            )
        elif how < 0.85 and isinstance(holder, list):
            holder[key:key] = holder[key : key + 1] * chance.randint(1, 200)
        else:
            del holder[key]
    return json.dumps(document).encode(errors="surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a document with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line has its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz settings", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0, help="other seeds give other files")
    options = parser.parse_args(argv)
    outcomes = {
        "configs": fuzz_configs(options.count, options.seed),
        "zones": fuzz_zones(options.count, options.seed),
    }
    for outcome in outcomes.values():
        for kind, lines in outcome.faults.items():
            for text in lines:
                print(f"{kind}: {text}")
    rows = {name: outcome.row() for name, outcome in outcomes.items()}
    print(json.dumps({"benchmark": "fuzz settings", "seed": options.seed, **rows}))
    return int(any(outcome.faults for outcome in outcomes.values()))
