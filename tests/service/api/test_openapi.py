"""The OpenAPI description, and requests of every kind that it allows."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance

from cv_engine.cases.lifecycle import Role
from tests.service.api.city import file_some
from tests.service.made import People
from tests.service.running import running


def test_every_route_is_described_with_its_problems(app: FastAPI) -> None:
    described = app.openapi()
    assert "Problem" in described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert "application/problem+json" in operation["responses"]["422"]["content"], path
    case = described["components"]["schemas"]["CaseRow"]["properties"]
    assert case["kind"]["examples"] == ["motor_vehicle_parked"]


@pytest.mark.slow
def test_no_request_is_a_bug(app: FastAPI, people: People) -> None:
    """Requests that the description allows, and such that it does not, by schemathesis."""
    file_some(people.shared.queue, 3)
    program = people.program(people.account("Chief", Role.ADMINISTRATOR))
    headers = {"Authorization": program.headers["Authorization"]}
    schema = schemathesis.openapi.from_dict(app.openapi())
    answers: Counter[int] = Counter()
    with running(app) as (_, address):
        for found in schema.get_all_operations():
            assert isinstance(found, Ok)
            operation = found.ok()
            if operation.path == "/api/events":  # ends with the server
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                answers += _try(operation, mode, address, headers)
    assert answers.total() > 200
    assert answers[200] > 20 and not answers[429]


def _try(
    operation: schemathesis.APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    address: str,
    headers: dict[str, str],
) -> Counter[int]:
    """Send some requests of an operation; returns how often each status was the answer."""
    answers: Counter[int] = Counter()

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode))
    def send(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=address, headers=headers)
        answers[answer.status_code] += 1
        case.validate_response(answer, checks=[not_a_server_error, content_type_conformance])

    with suppress(Unsatisfiable):  # an operation without values has none that are wrong
        send()
    return answers
