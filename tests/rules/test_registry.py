"""The registry finds every rule, and everything that a rule declares reaches those who need it."""

from __future__ import annotations

from pathlib import Path

import pytest

import cv_engine.rules
from cv_engine.cases.taxonomy import load_taxonomy
from cv_engine.config import Config, default_config_path, read_config
from cv_engine.rules import registry
from cv_engine.rules.clutter import ClutterRule
from cv_engine.rules.parking import MotorParkingRule, NonMotorParkingRule, ParkingSettings
from cv_engine.rules.rule import Rule

PARTS = {"confidence", "__init__", "dwell", "registry", "rule", "stays", "vehicles"}


def test_every_file_with_a_rule_is_found() -> None:
    files = {path.stem for path in Path(cv_engine.rules.__file__).parent.glob("*.py")} - PARTS
    assert {rule.__module__.rpartition(".")[2] for rule in registry.all_rules()} == files


def test_every_kind_has_a_class_in_the_taxonomy_and_settings_in_the_documented_defaults() -> None:
    taxonomy = load_taxonomy()
    documented = read_config(default_config_path())
    for rule in registry.all_rules():
        assert taxonomy.classify(rule.kind).code
        assert type(documented.rules.of(rule)) is rule.settings_type
        assert documented.rules.of(rule) == Config().rules.of(rule)


def test_groups_of_vehicles_share_no_class() -> None:
    classes = [name for group in registry.vehicle_groups() for name in group.classes]
    assert len(classes) == len(set(classes)) > 0


def test_evidence_that_something_stood_is_for_what_can_drive_away() -> None:
    assert registry.has_middle_still("motor_vehicle_parked")
    assert not registry.has_middle_still("clutter")
    assert not registry.has_middle_still("camera_blind")


def test_two_rules_of_one_kind_are_refused() -> None:
    class Again(ClutterRule):
        section = "again"

    with pytest.raises(TypeError, match="ClutterRule and Again have one kind, clutter"):
        registry.checked([ClutterRule, Again])


def test_two_rules_that_share_a_section_share_its_settings() -> None:
    class Other(MotorParkingRule):
        kind = "other"

        class Settings(ParkingSettings):
            pass

        settings_type = Settings

    rules: list[type[Rule]] = [MotorParkingRule, NonMotorParkingRule]
    assert registry.checked(rules) == (MotorParkingRule, NonMotorParkingRule)
    with pytest.raises(TypeError, match=r"different settings for rules\.parking"):
        registry.checked([*rules, Other])
