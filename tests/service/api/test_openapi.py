"""The OpenAPI description, and requests of every kind that it allows."""

from __future__ import annotations

from fastapi import FastAPI


def test_every_route_is_described_with_its_problems(app: FastAPI) -> None:
    described = app.openapi()
    assert "Problem" in described["components"]["schemas"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert "application/problem+json" in operation["responses"]["422"]["content"], path
    case = described["components"]["schemas"]["CaseRow"]["properties"]
    assert case["kind"]["examples"] == ["motor_vehicle_parked"]
