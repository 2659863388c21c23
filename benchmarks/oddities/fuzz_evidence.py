"""Tampers with evidence packages: none may be called intact, unless its bytes are the same."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import random
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.oddities.mutation import mutated
from cv_engine.cases import open_queue
from cv_engine.commands.evidence.verify import verify_packages
from cv_engine.commands.options import Format
from cv_engine.commands.session import Session
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE
from cv_engine.evidence.package import Exhibit, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.finding import Finding, Place

HANG_S = 60.0
_BEGAN = datetime(2026, 5, 1, 8, tzinfo=UTC)
_PLACE = Place(None, None, "unknown", (10.0, 20.0, 110.0, 90.0))
_PACKAGES = 3
_EXHIBIT_BYTES = 20_000


@dataclass(slots=True)
class Outcome:
    """What was said of packages.

    Attributes:
        said: How many were called intact or changed, by what was done to them.
        faults: What went wrong, a line each, by kind.
    """

    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def row(self) -> dict[str, int]:
        """The figures for the last line of the benchmark."""
        kinds = ("tampered_called_intact", "sound_called_changed", "tracebacks")
        return {
            "packages": self.said.total(),
            "intact": sum(n for (_, said), n in self.said.items() if said == "intact"),
            **{kind: len(self.faults.get(kind, ())) for kind in kinds},
        }


@dataclass(frozen=True, slots=True)
class _Station:
    """A data folder with cases, and somebody who tampers with their packages.

    Attributes:
        data: The data folder.
        packages: The packages of the cases.
        others: Whole and validly signed packages of the same findings that no case was filed with,
            by the name of the package.
        key: The station's key, which the tamperer has too.
        forger: Another key.
    """

    data: Path
    packages: Sequence[Path]
    others: Mapping[str, Sequence[Path]]
    key: SigningKey
    forger: SigningKey

    @classmethod
    def made(cls, folder: Path, chance: random.Random) -> _Station:
        """Files some cases with real packages."""
        key = SigningKey.load_or_create(folder / "data/signing-key.pem")
        forger = SigningKey.load_or_create(folder / "forger.pem")
        packages, others = [], {}
        with open_queue(folder / "data/queue.db") as queue:
            cases = CaseFiler(queue, key, folder / "data/evidence")
            for number in range(_PACKAGES):
                began = _BEGAN + timedelta(hours=number)
                finding = Finding("clutter", "gate", "all", _PLACE, began, began, 0.9)
                cases.file(finding, partial(_written, cases.root, finding, key, chance))
                copies = [
                    _written(folder / f"{name}/{number}", finding, signer, chance)
                    for name, signer in (("again", key), ("forged", forger))
                ]
                packages.append(cases.root / copies[0].name)
                others[copies[0].name] = copies
        return cls(folder / "data", packages, others, key, forger)


def fuzz(count: int, seed: int) -> Outcome:
    """Verifies ``count`` packages that were tampered with, as ``evidence verify`` does."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="fuzz-evidence-") as name:
        station = _Station.made(Path(name), random.Random(f"station {seed}"))
        for number in range(count):
            chance = random.Random(f"evidence {seed} {number}")
            package = chance.choice(station.packages)
            kept = Path(name) / "kept"
            shutil.copytree(package, kept, symlinks=True)
            how = chance.choice(sorted(_TAMPERINGS))
            _TAMPERINGS[how](package, station, chance)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            _judge(f"{number}: {how}", how, package, _content(package) == _content(kept), outcome)
            faulthandler.cancel_dump_traceback_later()
            _remove(package)
            kept.rename(package)
    return outcome


def _judge(label: str, how: str, package: Path, is_same: bool, outcome: Outcome) -> None:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            code = verify_packages(Session(None, None, Format.JSONL), [str(package)], None)
        row = json.loads(out.getvalue())
    except Exception as error:
        trace = "".join(traceback.format_exception(error)[-3:])
        outcome.faults.setdefault("tracebacks", []).append(f"{label}: {trace}")
        return
    intact = bool(row["intact"])
    outcome.said[how, "intact" if intact else "changed"] += 1
    if intact != (code == 0) or (intact and not is_same):
        outcome.faults.setdefault("tampered_called_intact", []).append(label)
    elif is_same and not intact:
        problems = row["problems"]
        outcome.faults.setdefault("sound_called_changed", []).append(f"{label}: {problems}")


def _written(root: Path, finding: Finding, key: SigningKey, chance: random.Random) -> Path:
    exhibits = [
        Exhibit(f"{folder}/{name}.jpg", "start", name, _BEGAN, chance.randbytes(_EXHIBIT_BYTES))
        for folder in ("original", "shareable")
        for name in ("overview", "closeup")
    ]
    return write(root, finding, [], key=key, exhibits=exhibits)


def _content(folder: Path) -> dict[str, object]:
    """Everything in a package: kinds of entries, and the bytes of files."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = path.readlink()
        else:
            found[name] = path.read_bytes() if path.is_file() else path.is_dir()
    return found


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _files(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*") if path.is_file())


def _nothing(package: Path, station: _Station, chance: random.Random) -> None:
    chance.choice(_files(package)).touch()


def _change_bytes(package: Path, station: _Station, chance: random.Random) -> None:
    path = chance.choice(_files(package))
    path.write_bytes(mutated(path.read_bytes(), chance))


def _change_signature(package: Path, station: _Station, chance: random.Random) -> None:
    path = package / chance.choice((MANIFEST, SIGNATURE))
    path.write_bytes(mutated(path.read_bytes(), chance))


def _remove_something(package: Path, station: _Station, chance: random.Random) -> None:
    _remove(chance.choice(sorted(package.rglob("*"))))


def _add_something(package: Path, station: _Station, chance: random.Random) -> None:
    folder = chance.choice([package, package / "original"])
    name = chance.choice(["more", ".hidden", "a\nb", "clip.mp4", "é", "x" * 200])
    if chance.random() < 0.3:
        (folder / name).mkdir()
    elif chance.random() < 0.3:
        (folder / name).symlink_to(chance.choice(["/etc/passwd", "..", "overview.jpg"]))
    else:
        (folder / name).write_bytes(chance.randbytes(chance.randrange(3)))


def _exchange_files(package: Path, station: _Station, chance: random.Random) -> None:
    first, second = chance.sample(_files(package), 2)
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def _link_instead(package: Path, station: _Station, chance: random.Random) -> None:
    path = chance.choice(sorted(package.rglob("*")))
    elsewhere = station.data.parent / "elsewhere"
    _remove(elsewhere)
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _other_package(package: Path, station: _Station, chance: random.Random) -> None:
    others = [other for other in station.packages if other != package]
    _put(chance.choice([*others, *station.others[package.name]]), package)


def _parts_of_other_package(package: Path, station: _Station, chance: random.Random) -> None:
    other = chance.choice(station.others[package.name])
    for path in chance.sample(_files(other), chance.randint(1, 4)):
        shutil.copy(path, package / path.relative_to(other))


def _signed_again(package: Path, station: _Station, chance: random.Random) -> None:
    """Changes the manifest, or a file and its entry, and signs the manifest again."""
    manifest = json.loads((package / MANIFEST).read_bytes())
    key = chance.choice((station.key, station.forger))
    signature = manifest["signature"]
    signature["public_key"], signature["fingerprint"] = key.public_key.hex(), key.fingerprint
    _alter(chance.choice([manifest, manifest["finding"], manifest["provenance"]]), chance)
    data = json.dumps(manifest, indent=chance.choice((None, 1))).encode()
    (package / MANIFEST).write_bytes(data)
    (package / SIGNATURE).write_bytes(key.sign(data))


def _alter(values: dict[str, Any], chance: random.Random) -> None:
    how = chance.random()
    odd: list[Any] = [None, 0, "", "x" * 9000, [], {}, "2001-99-99", -1, 10**400]
    if how < 0.3 or not values:
        values[chance.choice(["note", "zone", "schema", "\ud800"])] = chance.choice(odd)
    elif how < 0.6:
        values[chance.choice(sorted(values))] = chance.choice(odd)
    elif how < 0.8:
        del values[chance.choice(sorted(values))]


def _put(source: Path, target: Path) -> None:
    _remove(target)
    shutil.copytree(source, target)


_TAMPERINGS: dict[str, Callable[[Path, _Station, random.Random], None]] = {
    "nothing": _nothing,
    "bytes": _change_bytes,
    "signature": _change_signature,
    "removed": _remove_something,
    "added": _add_something,
    "files exchanged": _exchange_files,
    "linked": _link_instead,
    "another package": _other_package,
    "parts of another package": _parts_of_other_package,
    "signed again": _signed_again,
}


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; the last line has its figures."""
    parser = argparse.ArgumentParser(prog="benchmarks fuzz evidence", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="packages that are tampered with")
    parser.add_argument("--seed", type=int, default=0, help="other seeds tamper otherwise")
    options = parser.parse_args(argv)
    outcome = fuzz(options.count, options.seed)
    for (how, said), number in sorted(outcome.said.items()):
        print(f"{how:<26} {said:<8} {number:>5}")
    for kind, lines in outcome.faults.items():
        for text in lines:
            print(f"{kind}: {text}")
    print(json.dumps({"benchmark": "fuzz evidence", "seed": options.seed, **outcome.row()}))
    return int(bool(outcome.faults))
