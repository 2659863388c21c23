"""Vehicles parked where they must not be.

A vehicle is where its wheels are: the lower edge of its box, not its roof, decides whether it is
in the zone. Driving through takes no time, and a queue that moves up restarts each stay, so
neither becomes a case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from cv_engine.rules.confidence import of_vehicle
from cv_engine.rules.rule import Perceived, Rule, RuleSettings
from cv_engine.rules.stays import Candidate, ZoneDwell
from cv_engine.rules.vehicles import MOTOR_VEHICLES, NON_MOTOR_VEHICLES, Vehicles, stands_in
from cv_engine.section import Seconds


class ParkingSettings(RuleSettings):
    """Vehicles that stand in a zone."""

    dwell_s: Seconds = 300.0
    non_motor_dwell_s: Seconds = 600.0


class MotorParkingRule(Rule):
    """Stays of cars, lorries and buses."""

    kind = "motor_vehicle_parked"
    section = "parking"
    settings_type = ParkingSettings
    vehicles: ClassVar[Vehicles] = MOTOR_VEHICLES
    middle_still = True
    reads_plates = True
    inside = staticmethod(stands_in)

    def candidates(self, seen: Perceived, _: ZoneDwell) -> Iterable[Candidate]:
        """The standing vehicles of the rule's group."""
        return [
            Candidate(
                thing=track.id,
                box=track.box,
                began=track.began,
                present=track.seen == seen.time_s,
                confidence=of_vehicle(track.confidence),
                attributes={"vehicle": track.name},
            )
            for track in seen.standing(self.vehicles)
        ]


class NonMotorParkingRule(MotorParkingRule):
    """Stays of bicycles and motorcycles, which are small, many, and quickly gone again."""

    kind = "non_motor_vehicle_parked"
    vehicles = NON_MOTOR_VEHICLES
    reads_plates = False

    @classmethod
    def longest_s(cls, settings: RuleSettings) -> float:
        """Longest stay allowed where a zone names none, seconds."""
        assert isinstance(settings, ParkingSettings)
        return settings.non_motor_dwell_s
