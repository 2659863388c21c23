"""The text of a notice, by the city's templates."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from cv_engine.cases.case import Case
from cv_engine.cases.outbox.digest import Language
from cv_engine.finding import WARNING
from cv_engine.notices.wording.car_parks import NearPark

#: What a template may hold in braces.
FIELDS = ("plate", "place", "since", "minutes", "parks", "case", "sender")

#: The templates by language; those of a warning period threaten with nothing.
TEMPLATES: Mapping[str, str] = {
    "zh": (
        "【{sender}】您的车辆{plate}自{since}起停在{place}，影响通行，请在{minutes}分钟内驶离，"
        "否则将依法处罚。{parks}案件号{case}"
    ),
    "en": (
        "{sender}: your vehicle {plate} has been parked at {place} since {since} and obstructs "
        "passage. Please leave within {minutes} minutes, or you will be cited. {parks}Case {case}"
    ),
    "warning_zh": (
        "【{sender}】您的车辆{plate}自{since}起停在{place}，影响通行，请尽快驶离。"
        "目前为提醒阶段，不作处罚。{parks}案件号{case}"
    ),
    "warning_en": (
        "{sender}: your vehicle {plate} has been parked at {place} since {since} and obstructs "
        "passage. Please leave soon. This is a warning, no citation follows yet. {parks}Case {case}"
    ),
}
_PARKS = {"zh": "附近停车场：{}。", "en": "Car parks nearby: {}. "}
_FREE = {"zh": "{}（{}米，余{}位）", "en": "{} ({} m, {} free)"}
_UNKNOWN = {"zh": "{}（{}米）", "en": "{} ({} m)"}
_BETWEEN = {"zh": "、", "en": ", "}


def check_template(text: str) -> str:
    """A template as it is.

    Raises:
        ValueError: The template has a brace or a field that is not known, or lacks plate or place.
    """
    try:
        names = [
            name for _, name, form, change in string.Formatter().parse(text) if name is not None
        ]
        plain = not any(form or change for _, _, form, change in string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"the template cannot be read ({error}); write {{{{ for a brace") from None
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    for name in names:
        if name not in FIELDS or not plain:
            raise ValueError(f"the template has the field {{{name}}}; known: {known}")
    for name in ("plate", "place"):
        if name not in names:
            raise ValueError(f"the template lacks {{{name}}}: its reader would not know what to do")
    return text


@dataclass(frozen=True, slots=True)
class Wording:
    """How notices are worded.

    Attributes:
        sender: Who sends them, such as the city's name.
        language: Language of the messages.
        zone: Time zone of the times.
        templates: Templates that replace those of :data:`TEMPLATES`, by the same names.
    """

    sender: str
    language: Language
    zone: tzinfo
    templates: Mapping[str, str] = field(default_factory=dict)

    def text(self, case: Case, plate: str, minutes: int, parks: Sequence[NearPark]) -> str:
        """The text of a notice.

        Args:
            case: The case.
            plate: Text of the plate.
            minutes: Time in which the driver may leave.
            parks: The car parks nearby, the nearest first.
        """
        languages = ("zh", "en") if self.language is Language.BOTH else (self.language.value,)
        warns = "warning_" if case.attributes.get(WARNING) else ""
        return "\n".join(
            {**TEMPLATES, **self.templates}[f"{warns}{each}"].format(
                plate=plate,
                place=place_in_words(case),
                since=f"{case.began.astimezone(self.zone):%H:%M}",
                minutes=minutes,
                parks=_parks(parks, each),
                case=case.id,
                sender=self.sender,
            )
            for each in languages
        ).strip()


def place_in_words(case: Case) -> str:
    """The place of a case in words: its address, else its zone and the area around it."""
    address = case.attributes.get("address")
    if isinstance(address, str) and address.strip():
        return address.strip()
    return ", ".join(part for part in (case.zone, case.handling.area) if part)


def _parks(parks: Sequence[NearPark], language: str) -> str:
    if not parks:
        return ""
    told = []
    for each in parks:
        form = (_UNKNOWN if each.park.free is None else _FREE)[language]
        told.append(
            form.format(each.park.name, round(each.distance_m, -1).__int__(), each.park.free)
        )
    return _PARKS[language].format(_BETWEEN[language].join(told))
