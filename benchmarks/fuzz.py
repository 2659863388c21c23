"""Mutated input of one kind: whatever comes, it is read or refused with a reason.

The last line counts what must not be: crashes, tracebacks, hangs over a minute, more than 2 GB of
memory, and tampered evidence that is called intact.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import cast

#: What is mutated, by the kind of input.
KINDS = {
    "rtsp": "sessions of RTSP cameras",
    "video": "recordings",
    "raster": "satellite images",
    "settings": "configurations and zones files",
    "evidence": "evidence packages",
}


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code, 1 where an input was too much."""
    parser = argparse.ArgumentParser(
        prog="benchmarks fuzz",
        description=__doc__,
        epilog="; ".join(f"{kind}: {what}" for kind, what in KINDS.items()),
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="--count N, --seed N")
    options = parser.parse_args(argv)
    module = importlib.import_module(f"benchmarks.oddities.fuzz_{options.kind}")
    return cast("Callable[[Sequence[str]], int]", module.main)(options.options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
