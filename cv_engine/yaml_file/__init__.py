"""YAML files that people write: read within bounds, checked, each problem with its line."""

from __future__ import annotations

from cv_engine.yaml_file.validated import Problem, Validated, read_validated, told

__all__ = ["Problem", "Validated", "read_validated", "told"]
