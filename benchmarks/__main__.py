"""``python -m benchmarks NAME ...``: runs one benchmark; the last line has its figures."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from benchmarks.harness.log import warnings_to_stderr

# As the command line does, before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def names() -> list[str]:
    """The names of the benchmarks on the command line."""
    # The files are read, not imported: a benchmark's libraries take seconds to load.
    return sorted(
        module.stem.replace("_", "-")
        for module in Path(__file__).parent.glob("[!_]*.py")
        if "\ndef main(" in module.read_text(encoding="utf-8")
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark that the first argument names with the rest of them.

    Returns:
        The benchmark's exit code; 2 where the name is not known.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    known = ", ".join(names())
    if not args or args[0] in ("-h", "--help"):
        print(f"usage: python -m benchmarks NAME [--help] ...\nbenchmarks: {known}")
        return 0 if args else 2
    name, *rest = args
    if name not in names():
        print(f"there is no benchmark {name!r}; there are: {known}", file=sys.stderr)
        return 2
    warnings_to_stderr()
    module = importlib.import_module(f"benchmarks.{name.replace('-', '_')}")
    run = cast("Callable[[Sequence[str]], int]", module.main)
    return run(rest)


if __name__ == "__main__":
    sys.exit(main())
