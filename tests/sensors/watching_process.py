"""The program with shorter times: `python -m tests.sensors.watching_process ARGUMENT...`."""

from __future__ import annotations

import sys

import cli
from cv_engine.sensors import subscriber

if __name__ == "__main__":
    subscriber.__dict__.update(_SETTLE_S=0.5, _WAKE_EVERY_S=0.1, _LOOP_S=0.1, _LONGEST_PAUSE_S=1.0)
    sys.argv[0] = "cv-engine"
    cli.main()
