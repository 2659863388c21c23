"""The verifier's head: trained on composed pairs, and measured on what it was not trained on.

Pairs are composed from real empty views and real cut-outs, and the engine's own background model
gives their regions (``benchmarks/verification``). The figures come from cross-validation: the
recordings and the classes of things of a fold are used for none of the pairs that its head is
trained on. The hand-set judge of the program is measured on the same pairs. With ``--real``, the
regions that settle in the labelled clips are judged too, each by a head that has not seen its clip.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.verification.composing import View, compose
from benchmarks.verification.figures import false_shares, reliability, summary
from benchmarks.verification.materials import Materials, fold, fold_of, load
from benchmarks.verification.pairs import Pair, Pairs, described
from benchmarks.verification.real import real_pairs
from benchmarks.verification.training import Settings, calibrated, train
from models.detector import open_detector
from models.verifier.backbone import Backbone, open_backbone
from models.verifier.head import Head
from models.verifier.verifier import HEAD

Floats = NDArray[np.float32]

_FOLDS = 5
# Share of the sequences whose views and things are of one fold, on which the fold is measured.
_PURE = 0.4


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    options = _options(argv)
    try:
        parts = _parts(options.data)
    except FileNotFoundError as error:
        print(f"verifier: {error}", file=sys.stderr)
        return 2
    backbone = open_backbone()
    pairs = Pairs.of(_composed(parts, options.sequences, [options.seed, 0], backbone))
    heads, logits, held = _cross_validated(pairs, backbone.sha256, options.seed)
    result = _report("composed, held out", logits[held], pairs[held])
    head = _trained(pairs, backbone.sha256, options.seed)
    head = calibrated(head, logits[held], pairs.truth[held])
    if options.kept:
        whole = [load(options.data, kept=True)]
        kept = Pairs.of(_composed(whole, options.kept, [options.seed, 1], backbone))
        result["kept"] = _report("composed, kept back", head(kept.rows), kept)
    if options.real:
        real = Pairs.of(real_pairs(options.data / "video", backbone, open_detector()))
        result["real"] = _report("real", _unseen(heads, real), real)
    if options.write:
        options.write.write_bytes(head.to_bytes())
    print(json.dumps(result))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks verifier", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sequences", type=int, default=4000, help="to compose (default 4000)")
    parser.add_argument("--kept", type=int, default=0, help="of views and things kept back")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true", help="judge the labelled clips too")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=HEAD,
        help="write the head, trained on all pairs, here (default the package's own)",
    )
    return parser.parse_args(argv)


def _parts(data: Path) -> list[Materials]:
    """What heads are developed on, in folds."""
    materials = load(data, kept=False)
    return [fold(materials, index, _FOLDS) for index in range(_FOLDS)]


def _composed(
    parts: Sequence[Materials], count: int, seed: Sequence[int], backbone: Backbone
) -> Iterator[Pair]:
    """The pairs of so many sequences, each composed by its own seed from one or two parts."""
    for number in range(count):
        rng = np.random.default_rng([*seed, number])
        at, of = _folds(rng) if len(parts) > 1 else (0, 0)
        drawn = compose(_views(parts[at], rng), parts[of].cutouts, rng)
        yield from described(
            backbone, drawn.background, drawn.regions, drawn.kinds, drawn.clip, (at, of)
        )
        if number % 200 == 199:
            print(f"{number + 1} of {count} sequences", file=sys.stderr)


def _folds(rng: np.random.Generator) -> tuple[int, int]:
    """The fold of a sequence's views, and that of its things."""
    at, of = (int(index) for index in rng.integers(_FOLDS, size=2))
    return (at, at) if rng.random() < _PURE else (at, of)


def _views(materials: Materials, rng: np.random.Generator) -> Sequence[View]:
    """Views of cameras and streets as often as photographs of all sorts."""
    some, others = materials.views, materials.photographs
    if not some or not others:
        return some or others
    return some if rng.random() < 0.5 else others


def _cross_validated(
    pairs: Pairs, backbone: str, seed: int
) -> tuple[list[Head], Floats, NDArray[np.bool_]]:
    """A head for each fold; calibrated logits of the pairs held out; and which these are.

    A head's logits are corrected by what the other folds' heads said of theirs.
    """
    heads, logits = [], np.zeros(len(pairs), np.float32)
    held = np.asarray(pairs.folds[:, 0] == pairs.folds[:, 1])
    for index in range(_FOLDS):
        others = pairs[~(pairs.folds == index).any(axis=1)]
        heads.append(_trained(others, backbone, seed))
        mine = held & (pairs.folds[:, 0] == index)
        logits[mine] = heads[-1](pairs.rows[mine])
    corrected = logits.copy()
    for index in range(_FOLDS):
        mine = held & (pairs.folds[:, 0] == index)
        rest = held & ~mine
        heads[index] = calibrated(heads[index], logits[rest], pairs.truth[rest])
        corrected[mine] = heads[index](pairs.rows[mine])
    return heads, corrected, held


def _trained(pairs: Pairs, backbone: str, seed: int) -> Head:
    return train(pairs.rows, pairs.truth, backbone, seed, Settings())


def _unseen(heads: Sequence[Head], pairs: Pairs) -> Floats:
    """Logits of real pairs, each by the head whose training left out its recording."""
    folds = np.array([fold_of(str(clip), _FOLDS) for clip in pairs.clips], np.int64)
    logits = np.zeros(len(pairs), np.float32)
    for index, head in enumerate(heads):
        logits[folds == index] = head(pairs.rows[folds == index])
    return logits


def _report(name: str, logits: Floats, pairs: Pairs) -> dict[str, Any]:
    """Prints the figures of some pairs, with those of the hand-set judge; returns them."""
    judged = np.where(pairs.judged, 1.0, -1.0)
    ours, theirs = summary(logits, pairs.truth), summary(judged, pairs.truth)
    print(f"{name}: {len(pairs)} regions, {int(pairs.truth.sum())} of things")
    for who, figures in (("verifier", ours), ("judge", theirs)):
        listed = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
        print(f"  {who:8s} {listed}")
    false, false_judge = (false_shares(values, pairs.kinds.tolist()) for values in (logits, judged))
    for kind, share in false.items():
        count = int((pairs.kinds == kind).sum())
        print(
            f"  called a thing: {kind:10s} {share:.3f} (judge {false_judge[kind]:.3f}), of {count}"
        )
    for low, high in ((0, 6), (6, 12), (12, 30), (30, 1000)):
        some = pairs.truth & (pairs.short_px >= low) & (pairs.short_px < high)
        if some.any():
            found = (logits[some] > 0).mean(), pairs.judged[some].mean()
            print(f"  recall, short side {low} to {high} px: ", end="")
            print(f"{found[0]:.3f} (judge {found[1]:.3f}), of {int(some.sum())}")
    for least, mean, share, count in reliability(logits, pairs.truth):
        print(f"  given {least:.1f} and more: mean {mean:.3f}, things {share:.3f}, of {count}")
    return {"regions": len(pairs), **ours, "judge": theirs, "false": false}
