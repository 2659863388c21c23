"""What the registry of vehicles says of the texts that a plate may have."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from cv_engine.registry import Registry, RegistryError


class Registered:
    """Whether plates are registered.

    A registry that does not answer delays no case: its plates then count as not registered, and a
    warning says so, once until it answers again.

    Args:
        registry: Returns the registries; asked when the first plate is looked up.
    """

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._answers = True

    def has(self, plate: str) -> bool:
        """Whether the vehicles' registry has a plate, without separators."""
        try:
            found = self._registry().vehicle(plate)
        except RegistryError as error:
            if self._answers:
                structlog.get_logger(__name__).warning(
                    "plates are read without the registry", reason=str(error)
                )
            self._answers = False
            return False
        self._answers = True
        return found is not None
