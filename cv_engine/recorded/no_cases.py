"""Why a recording has no cases: what is known of the reason, for who looks at an empty list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from cv_engine.pipeline.camera_setup import CameraSetup
from cv_engine.rules.dwell import Phase
from cv_engine.rules.stays import ZoneDwell
from zones.schedule import time_zone


@dataclass(frozen=True, slots=True)
class LongestStay:
    """The stay that came nearest to its limit.

    Attributes:
        thing: What stayed: the vehicle's name, else the kind of violation.
        zone: Name of the zone.
        stay_s: Seconds it stayed.
        limit_s: Seconds from which it would have been a case.
    """

    thing: str
    zone: str
    stay_s: float
    limit_s: float

    @property
    def share(self) -> float:
        """The part of the limit that was reached."""
        return self.stay_s / self.limit_s


@dataclass(slots=True)
class Quiet:
    """What was watched in one recording so far, kept until it is known whether it has cases.

    Attributes:
        longest: The stay that came nearest to its limit.
        was_watched: Whether a zone's schedule ran at a sample.
    """

    longest: LongestStay | None = None
    was_watched: bool = False

    def note(self, dwells: Sequence[ZoneDwell], at: datetime) -> None:
        """Takes in the state after one sample.

        Args:
            dwells: The stays of every rule in each of its zones.
            at: Time of the sample, UTC.
        """
        for dwell in dwells:
            self.was_watched = self.was_watched or dwell.zone.schedule.active(at)
            for stay, candidate in dwell.stays.values():
                if stay.phase is not Phase.IN:
                    continue
                thing = str(candidate.attributes.get("vehicle", dwell.kind))
                stay_s = stay.seen - stay.began
                found = LongestStay(thing, dwell.zone.name, stay_s, dwell.limits.dwell_s)
                if self.longest is None or found.share > self.longest.share:
                    self.longest = found

    def reasons(
        self,
        setup: CameraSetup,
        dwells: Sequence[ZoneDwell],
        began: datetime,
        ended: datetime,
        doubtful: str | None,
    ) -> list[str]:
        """What is known of why no stay became a case, in words, the surest reason first.

        Args:
            setup: The camera.
            dwells: The stays of every rule in each of its zones.
            began: When the recording, with those that it continues, began.
            ended: Time of the last sample.
            doubtful: What the time is based on, where the user did not state it.
        """
        zone = time_zone(setup.settings.timezone)
        reasons = list(self._of_zones(setup, dwells, began.astimezone(zone), ended, zone))
        if not reasons:
            reasons = list(self._of_stays(dwells, (ended - began).total_seconds()))
        if doubtful is not None:
            day = f"{began.astimezone(zone):%Y-%m-%d %H:%M}"
            advice = "" if "--start" in doubtful else "; give --start if it is wrong"
            reasons.append(f"its start, {day}, is {doubtful}{advice}")
        return reasons

    def _of_zones(
        self,
        setup: CameraSetup,
        dwells: Sequence[ZoneDwell],
        began: datetime,
        ended: datetime,
        zone: tzinfo,
    ) -> Iterator[str]:
        zones = setup.zones
        if zones and all(each.camera not in (None, setup.name) for each in zones):
            others = ", ".join(sorted({str(each.camera) for each in zones}))
            yield (
                f"no zone watches the camera {setup.name}: the zones are for {others}. Name the "
                "camera with --camera, or draw a zone for it"
            )
        elif not dwells:
            yield "no rule watches this camera: each is disabled, or in no zone's kinds"
        elif not self.was_watched:
            yield (
                f"no zone is watched at the time of the recording, {began:%Y-%m-%d %H:%M} to "
                f"{ended.astimezone(zone):%H:%M} ({setup.settings.timezone}): see the zones' "
                "schedule and dates"
            )

    def _of_stays(self, dwells: Sequence[ZoneDwell], length_s: float) -> Iterator[str]:
        shortest_s = min(dwell.limits.dwell_s for dwell in dwells)
        if length_s < shortest_s:
            yield (
                f"the recording is shorter, {length_s:.0f} s, than the shortest limit, "
                f"{shortest_s:g} s: set dwell_s in the zone or under rules: in the configuration"
            )
        longest = self.longest
        if longest is None:
            yield "nothing stayed in a zone"
        else:
            yield (
                f"the longest stay was {longest.stay_s:.0f} s ({longest.thing} in "
                f"{longest.zone}), and the limit there is {longest.limit_s:g} s"
            )
