"""``python -m satellite.training fit|evaluate``: trains a change network, or evaluates one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

from rich.console import Console

from satellite.errors import SatelliteError
from satellite.training.settings import Architecture, Settings, Tuned

_CHOICES = {"network": get_args(Architecture), "tuned": get_args(Tuned)}
_EXTRA = ("affine", "rasterio", "torch")
_WITHOUT_EXTRA = "training needs torch and rasterio: pip install 'cv-engine[train]'"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: Command-line arguments; default: those of the process.

    Returns:
        The exit status: 0, or 2 for unusable input.
    """
    options = _parser().parse_args(argv)
    try:
        from satellite.training.train import Data, evaluate, train
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        print(_WITHOUT_EXTRA, file=sys.stderr)
        return 2
    console = Console(stderr=True)
    data = Data(options.data, options.pixel)
    try:
        settings = _settings(options)
        if options.command == "evaluate":
            evaluate(data, options.weights, settings, Console())
            return 0
        data = Data(options.data, options.pixel, options.verdicts, options.land, options.terms)
        train(
            data,
            options.out,
            settings=settings,
            weights=options.weights,
            folds=options.folds,
            console=console,
        )
    except SatelliteError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m satellite.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit", help="train a network, with figures on tiles left out")
    predict = commands.add_parser("evaluate", help="figures of given weights")
    for command in (fit, predict):
        command.add_argument("--data", type=Path, required=True, help="folder with A, B and label")
        command.add_argument(
            "--pixel",
            type=float,
            default=0.5,
            metavar="M",
            help="side of the tiles' pixels, metres",
        )
        command.add_argument(
            "--weights",
            type=Path,
            required=command is predict,
            metavar="PTH",
            help="PyTorch weights to start from; random ones without",
        )
        _add_settings(command)
    fit.add_argument("--out", type=Path, required=True, help="folder for the model and its card")
    fit.add_argument("--verdicts", type=Path, help="folder of decided cases")
    fit.add_argument(
        "--land", type=Path, help="folder of pictures without labels, or with A and B: pairs"
    )
    fit.add_argument("--folds", type=int, help="groups left out in turn; default: each tile alone")
    fit.add_argument("--terms", help="terms of the data, for the model card")
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    """Adds an option for each setting, named after the setting without its unit."""
    others = {
        "for small": Settings.of("small", pretrained=True),
        "without weights": Settings.of("tinycd", pretrained=False),
    }
    for field in fields(Settings):
        usual = getattr(Settings(), field.name)
        described = f"{usual} by default"
        for when, settings in others.items():
            other = getattr(settings, field.name)
            if other != usual and field.name != "network":
                described += f", {other} {when}"
        command.add_argument(
            "--" + field.name.removesuffix("_m").removesuffix("_px"),
            dest=field.name,
            type=type(usual),
            choices=_CHOICES.get(field.name),
            help=described,
        )


def _settings(options: argparse.Namespace) -> Settings:
    """The user's settings, with the network's defaults for the rest."""
    given = {field.name: getattr(options, field.name) for field in fields(Settings)}
    chosen = {name: value for name, value in given.items() if value is not None}
    suited = Settings.of(
        options.network or Settings().network, pretrained=options.weights is not None
    )
    return replace(suited, **chosen)


if __name__ == "__main__":
    sys.exit(main())
