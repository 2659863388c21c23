"""The verifier's head: trained on composed pairs, and measured on what it was not trained on.

Pairs are composed from real empty views and real cut-outs, and the engine's own background model
gives their regions; and the engine runs over whole composed scenes: the regions that it asks about
are taken, too (``benchmarks/verification``). The figures come from cross-validation: the
recordings and the classes of things of a fold are used for none of the pairs that its head is
trained on; of the regions of scenes, the view is unknown to it. The hand-set judge of the program
is measured on the same pairs. With ``--real``, the regions that settle in the labelled clips are
judged too, each by a head that has not seen its clip.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.composed.backgrounds import load_backgrounds
from benchmarks.composed.cutouts import load_cutouts
from benchmarks.composed.scene import draw_scene
from benchmarks.verification.composing import View, compose
from benchmarks.verification.engine import OF_ENGINE, engine_pairs
from benchmarks.verification.figures import false_shares, reliability, summary
from benchmarks.verification.materials import Materials, fold, fold_of, load
from benchmarks.verification.pairs import Pair, Pairs, described
from benchmarks.verification.real import real_pairs
from benchmarks.verification.training import Settings, train
from cv_engine.config import load_config
from cv_engine.pipeline.camera_setup import detector_of
from models.detector import open_detector
from models.verifier.backbone import Backbone, open_backbone
from models.verifier.head import Head
from models.verifier.verifier import HEAD, open_verifier

Floats = NDArray[np.float32]

_FOLDS = 5
# Seed of the first scene; the benchmark `scenes` develops on others.
_FIRST_SCENE = 300
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
    composed = _composed(parts, options.sequences, [options.seed, 0], backbone)
    pairs = Pairs.of([*composed, *_from_scenes(options.data, options.scenes)])
    heads, logits, held = _cross_validated(pairs, backbone.sha256, options.seed)
    result = _report("composed, held out", logits[held], pairs[held])
    asked = pairs.folds[:, 1] == OF_ENGINE
    if asked.any():
        result["scenes"] = _report("scenes, held out", logits[asked], pairs[asked])
    head = _trained(pairs, backbone.sha256, options.seed)
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
    parser.add_argument(
        "--scenes", type=int, default=180, help="composed scenes to run the engine on (default 180)"
    )
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


def _from_scenes(data: Path, count: int) -> Iterator[Pair]:
    """The pairs of so many scenes, judged meanwhile by the head that the program has."""
    if not count:
        return
    cutouts, backgrounds = load_cutouts(data), load_backgrounds(data)
    detector, verifier = detector_of(load_config(None)), open_verifier()
    for seed in range(_FIRST_SCENE, _FIRST_SCENE + count):
        scene = draw_scene(seed, cutouts, backgrounds)
        yield from engine_pairs(scene, detector, verifier, _FOLDS)
        print(f"{seed - _FIRST_SCENE + 1} of {count} scenes", file=sys.stderr)


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
    """A head for each fold; what it says of its fold's pairs; and which of these are held out."""
    heads, logits = [], np.zeros(len(pairs), np.float32)
    held = np.asarray(pairs.folds[:, 0] == pairs.folds[:, 1])
    for index in range(_FOLDS):
        others = pairs[~(pairs.folds == index).any(axis=1)]
        heads.append(_trained(others, backbone, seed))
        mine = pairs.folds[:, 0] == index
        logits[mine] = heads[-1](pairs.rows[mine])
    return heads, logits, held


def _trained(pairs: Pairs, backbone: str, seed: int) -> Head:
    return train(pairs.rows, pairs.truth, pairs.weights, backbone, seed, Settings())


def _unseen(heads: Sequence[Head], pairs: Pairs) -> Floats:
    """Logits of real pairs, each by the head whose training left out its recording."""
    folds = np.array([fold_of(str(clip), _FOLDS) for clip in pairs.clips], np.int64)
    logits = np.zeros(len(pairs), np.float32)
    for index, head in enumerate(heads):
        logits[folds == index] = head(pairs.rows[folds == index])
    return logits


def _report(name: str, logits: Floats, pairs: Pairs) -> dict[str, Any]:
    """Prints the figures of some pairs, with those of the hand-set judge where it was asked."""
    answers = {"verifier": logits}
    if pairs.judged.any():
        answers["judge"] = np.where(pairs.judged, 1.0, -1.0).astype(np.float32)
    print(f"{name}: {len(pairs)} regions, {int(pairs.truth.sum())} of things")
    result: dict[str, Any] = {"regions": len(pairs)}
    for who, values in answers.items():
        figures = summary(values, pairs.truth)
        false = false_shares(values, pairs.kinds.tolist())
        print(f"  {who}: {_listed(figures)}")
        print(f"    called a thing: {_listed(false)}")
        print(f"    recall by short side: {_listed(_recall_by_size(values, pairs))}")
        result[who] = figures | {"false": false}
    for least, mean, share, count in reliability(logits, pairs.truth):
        print(f"  given {least:.1f} and more: mean {mean:.3f}, things {share:.3f}, of {count}")
    return result


def _listed(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _recall_by_size(logits: Floats, pairs: Pairs) -> dict[str, float]:
    shares = {}
    for low, high in ((0, 6), (6, 12), (12, 30), (30, 1000)):
        some = pairs.truth & (pairs.short_px >= low) & (pairs.short_px < high)
        if some.any():
            shares[f"{low} to {high} px"] = float((logits[some] > 0).mean())
    return shares
