"""People are notified by mail and chat: digests, quiet hours, both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_string
from email.header import decode_header, make_header
from email.message import Message
from zoneinfo import ZoneInfo

import pytest

from cv_engine.cases import Actor, Assignment, Queue, Role
from cv_engine.cases.case import Event
from cv_engine.cases.lifecycle import Action, State
from cv_engine.cases.outbox.digest import EVENTS_ZH, STATES_ZH, Language, digest
from cv_engine.cases.outbox.errors import OutletError
from cv_engine.cases.outbox.event import CaseEvent
from cv_engine.cases.outbox.overview import Overview
from cv_engine.cases.outbox.people import People
from cv_engine.cases.outbox.relay import Counts
from cv_engine.cases.taxonomy import load_taxonomy
from tests.cases.made import finding
from tests.cases.outbox.conftest import relay_of
from tests.cases.outbox.receivers import MailServer, WebServer
from tests.clock import Clock
from zones.schedule import Schedule

_SHANGHAI = ZoneInfo("Asia/Shanghai")


def _people(address: str, quiet: str | None = None, every_s: float = 900) -> People:
    hours = None if quiet is None else Schedule.parse(quiet, "Asia/Shanghai")
    return People("duty", address, load_taxonomy(), every_s, _SHANGHAI, hours)


def _texts(message: Message) -> str:
    parts = [part.get_payload(decode=True) for part in message.walk()]
    return "\n".join(part.decode() for part in parts if isinstance(part, bytes))


def test_a_chat_gets_one_message_per_interval_with_all_its_events(
    queue: Queue, web: WebServer, clock: Clock
) -> None:
    relay = relay_of(queue, _people(f"json://{web.address}/chat"), clock)
    one = queue.file(finding(zone="north")).case_id
    assert relay.run_once() == Counts(sent=1)
    queue.confirm(one, "Wang", "blocks the kerb")
    for zone in ("south", "west"):
        queue.file(finding(zone=zone, kind="clutter"))
    assert relay.run_once() == Counts()
    clock.advance(900)
    assert relay.run_once() == Counts(sent=3)
    first, second = (request.json() for request in web.requests)
    assert first["title"] == "1 event of 1 case / 1 个案件，1 条动态"
    assert second["title"] == "3 events of 3 cases / 3 个案件，3 条动态"
    text = second["message"]
    assert "Case 1 / 案件 1: motor vehicle parked disorderly 机动车乱停放" in text
    assert "confirmed 立案, Wang: blocks the kerb" in text
    assert text.count("filed 上报, cv-engine") == 2
    assert "乱堆杂物; market-street, west; reported 上报" in text


def test_a_mail_arrives_in_the_letters_of_both_languages(
    queue: Queue, mail: MailServer, clock: Clock
) -> None:
    address = f"mailto://127.0.0.1:{mail.port}?from=engine@city.example&to=duty@city.example"
    relay = relay_of(queue, _people(address), clock)
    queue.file(finding(zone="<b>north</b>"))
    assert relay.run_once() == Counts(sent=1)
    (sent,) = map(message_from_string, mail.messages)
    assert str(make_header(decode_header(sent["subject"]))) == (
        "1 event of 1 case / 1 个案件，1 条动态"
    )
    assert "duty@city.example" in sent["to"]
    assert "机动车乱停放" in _texts(sent)
    assert "<b>north" not in _texts(sent) or sent.get_content_type() == "text/plain"


def test_a_mail_that_is_refused_waits_and_says_why(
    queue: Queue, mail: MailServer, clock: Clock
) -> None:
    address = f"mailto://127.0.0.1:{mail.port}?from=engine@city.example&to=gone@city.example"
    relay = relay_of(queue, _people(address), clock)
    queue.file(finding())
    assert relay.run_once() == Counts(retried=1)
    (state,) = Overview(queue.store).outlets()
    assert (state.waiting, state.dead) == (1, 0)
    assert state.error


def test_quiet_hours_hold_everything_back_until_they_end(
    queue: Queue, web: WebServer, clock: Clock
) -> None:
    relay = relay_of(queue, _people(f"json://{web.address}", quiet="22:00-07:00"), clock)
    clock.now = datetime(2026, 5, 1, 22, 30, tzinfo=_SHANGHAI).astimezone(UTC)
    for zone in "abc":
        queue.file(finding(zone=zone))
        assert relay.run_once() == Counts()
        clock.advance(7200)
    clock.now = datetime(2026, 5, 2, 6, 59, tzinfo=_SHANGHAI).astimezone(UTC)
    assert relay.run_once() == Counts()
    clock.advance(60)
    assert relay.run_once() == Counts(sent=3)
    assert len(web.requests) == 1


def test_an_address_that_apprise_does_not_know_is_refused_without_repeating_it() -> None:
    with pytest.raises(OutletError) as refused:
        _people("nonsense://user:geheim@host").check()
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        (Language.ENGLISH, "Case 1: motor vehicle parked disorderly; market-street, pavement; "),
        (Language.CHINESE, "案件 1: 机动车乱停放; market-street, pavement; "),
    ],
)
def test_a_digest_is_in_the_language_that_was_chosen(
    queue: Queue, language: Language, line: str
) -> None:
    case = queue.file(finding()).case_id
    queue.confirm(case, "Wang")
    chief = Actor("Li", Role.SUPERVISOR)
    queue.move(case, Action.DISPATCH, chief, to=Assignment("cleansing"))
    events = [CaseEvent(queue.get(case), entry) for entry in queue.history(case)]
    title, text = digest(events, load_taxonomy(), language, _SHANGHAI)
    assert title == {"en": "3 events of 1 case", "zh": "1 个案件，3 条动态"}[language]
    assert text.startswith(line)
    assert "cleansing" in text
    assert text.splitlines()[3].startswith("  2026-05-01 10:46+08:00 ")


def test_every_event_and_state_has_a_chinese_name() -> None:
    assert set(EVENTS_ZH) == set(Event)
    assert set(STATES_ZH) == set(State)
