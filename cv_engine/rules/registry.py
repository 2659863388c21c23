"""The registry of rules: every rule class in this package, found by importing its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cv_engine import rules as package
from cv_engine.rules.rule import Model, Rule, RuleSettings
from cv_engine.rules.vehicles import Vehicles
from zones.settings import NumberSetting


@cache
def all_rules() -> tuple[type[Rule], ...]:
    """The rule classes, in the order of their kinds.

    Raises:
        TypeError: Two rules have one kind, or one section with different settings.
    """
    for module in iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
    return checked(_below(Rule.__subclasses__()))


def checked(found: Iterable[type[Rule]]) -> tuple[type[Rule], ...]:
    """Rule classes in the order of their kinds, after a check that they go together.

    Raises:
        TypeError: Two rules have one kind, or one section with different settings.
    """
    rules = tuple(sorted(found, key=lambda rule: rule.kind))
    for one, other in pairwise(rules):
        if one.kind == other.kind:
            raise TypeError(f"{one.__name__} and {other.__name__} have one kind, {one.kind}")
    types: dict[str, type[RuleSettings]] = {}
    for rule in rules:
        if types.setdefault(rule.section, rule.settings_type) is not rule.settings_type:
            raise TypeError(f"two rules have different settings for rules.{rule.section}")
    return rules


def kinds() -> tuple[str, ...]:
    """The violations that zones can watch for."""
    return tuple(rule.kind for rule in all_rules())


def sections() -> Mapping[str, type[RuleSettings]]:
    """The settings of the rules, by their key under ``rules:`` in the configuration."""
    return {rule.section: rule.settings_type for rule in all_rules()}


def zone_settings() -> Mapping[str, NumberSetting]:
    """The properties of zones that rules add."""
    return {name: one for rule in all_rules() for name, one in rule.zone_settings.items()}


def vehicle_groups() -> tuple[Vehicles, ...]:
    """The groups of vehicles that rules read, in the order of their names."""
    groups = {rule.vehicles for rule in all_rules() if rule.vehicles is not None}
    return tuple(sorted(groups, key=lambda group: group.name))


def models() -> Mapping[str, Model]:
    """The models that rules declare, by name, each opened when it is first run."""
    openers = {name: each for rule in all_rules() for name, each in rule.models.items()}
    return {name: partial(_run, opener) for name, opener in openers.items()}


def has_middle_still(kind: str) -> bool:
    """Whether evidence of a kind has a still between start and end."""
    return any(rule.kind == kind and rule.middle_still for rule in all_rules())


def reads_plates(kind: str) -> bool:
    """Whether the number plates of a kind's things are read."""
    return any(rule.kind == kind and rule.reads_plates for rule in all_rules())


def _run(opener: Callable[[], Model], crop: NDArray[np.uint8]) -> Any:
    return _opened(opener)(crop)


@cache
def _opened(opener: Callable[[], Model]) -> Model:
    """A model, opened once for all cameras of the process."""
    return opener()


def _below(classes: Iterable[type[Rule]]) -> Iterable[type[Rule]]:
    """The classes of this package among classes and their subclasses."""
    for rule in classes:
        if rule.__module__.startswith(f"{package.__name__}."):
            yield rule
        yield from _below(rule.__subclasses__())
