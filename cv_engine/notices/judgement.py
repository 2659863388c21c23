"""What is to happen with a case: a notice, an officer, or nothing since the vehicle may stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cv_engine.cases.case import Case
from cv_engine.finding import Place
from cv_engine.notices.plates import Reading
from cv_engine.notices.policy import Policy
from cv_engine.registry import Registry, Spot, Status


class Way(StrEnum):
    """The way that a case takes."""

    NOTICE = "notice"  # the driver is asked to leave
    ASKED = "asked"  # the driver was asked for another case of the same dwell
    OFFICER = "officer"  # a person decides
    EXEMPT = "exempt"  # the vehicle may stand there


class Reason(StrEnum):
    """Why a case takes its way."""

    ASKED = "asked"
    ALREADY = "asked_already"
    GONE = "gone"
    UNSEEN = "unseen"
    UNREAD = "plate_unread"
    UNSURE = "plate_unsure"
    DIFFERENT = "plates_differ"
    UNKNOWN = "not_registered"
    STATUS = "status"
    UNREACHABLE = "no_contact"
    REPEATED = "repeated"
    STOLEN = "stolen"
    EXEMPT = "exempt"


#: Reasons that the history of a case need not say: its times do.
SILENT = frozenset({Reason.GONE, Reason.UNSEEN})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to happen with a case.

    Attributes:
        way: The way that the case takes.
        reason: Why.
        text: The reason in words, without plate and contact: histories are permanent.
        plate: The plate; ``None`` where none was read with confidence.
    """

    way: Way
    reason: Reason
    text: str
    plate: str | None = None


def judge(
    case: Case, plates: Sequence[Reading], registry: Registry, policy: Policy, now: datetime
) -> Judgement:
    """Judge a case by itself; earlier notices of the vehicle are looked at later.

    Args:
        case: The case.
        plates: The plates that its findings have read, the surest first.
        registry: Asked only about a plate that was read with confidence.
        policy: The city's rules.
        now: The present time (timezone-aware).

    Raises:
        RegistryError: A registry does not answer.
    """
    if case.gone_at is not None:
        return _to_officer(Reason.GONE, "the vehicle has left already")
    if now - case.observed > policy.fresh:
        return _to_officer(Reason.UNSEEN, "the vehicle was not seen for too long")
    if not plates:
        return _to_officer(Reason.UNREAD, "the plate was not read")
    plate, confidence = plates[0].text, plates[0].confidence
    if confidence < policy.plate_confidence:
        least = policy.plate_confidence
        return _to_officer(
            Reason.UNSURE,
            f"the plate is right with probability {confidence:.3g} only, below {least:g}",
        )
    if len(plates) > 1 and plates[1].confidence >= policy.plate_confidence:
        return _to_officer(Reason.DIFFERENT, "two plates were read with confidence")
    return _judge_vehicle(case, plate, registry, now)


def _judge_vehicle(case: Case, plate: str, registry: Registry, now: datetime) -> Judgement:
    vehicle = registry.vehicle(plate)
    permits = registry.exemptions(plate, case.zone, now, spot=_spot(case.place))
    if vehicle is not None and vehicle.status is Status.STOLEN:
        text = "the vehicle is reported stolen: its driver is not warned"
        return _to_officer(Reason.STOLEN, text, plate)
    if vehicle is not None and vehicle.status is Status.EXEMPT:
        return Judgement(Way.EXEMPT, Reason.EXEMPT, vehicle.exempt_reason or "exempt", plate)
    if permits:
        return Judgement(Way.EXEMPT, Reason.EXEMPT, permits[0].reason, plate)
    if vehicle is None:
        return _to_officer(Reason.UNKNOWN, "the vehicle is not registered", plate)
    if vehicle.status is not Status.NORMAL:
        text = f"the registry says that the vehicle is {vehicle.status}"
        return _to_officer(Reason.STATUS, text, plate)
    if not vehicle.has_contact:
        return _to_officer(Reason.UNREACHABLE, "no contact of the driver is known", plate)
    return Judgement(Way.NOTICE, Reason.ASKED, "the driver is asked to leave", plate)


def _to_officer(reason: Reason, text: str, plate: str | None = None) -> Judgement:
    return Judgement(Way.OFFICER, reason, text, plate)


def _spot(place: Place) -> Spot | None:
    """Where the vehicle stands; ``None`` if unknown, where no permit for a place holds."""
    if place.geometry is None:
        return None
    return Spot.of(place.geometry, place.accuracy_m or 0.0)
