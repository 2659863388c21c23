"""Registries of a city: vehicles and their owners, merchants, permits and exemptions."""

from __future__ import annotations

from cv_engine.registry.errors import ImportRefused, RegistryError, RegistryUnavailable
from cv_engine.registry.records import (
    Contact,
    Exemption,
    Kind,
    Merchant,
    Permit,
    Spot,
    Status,
    Vehicle,
)
from cv_engine.registry.registry import Registry

__all__ = [
    "Contact",
    "Exemption",
    "ImportRefused",
    "Kind",
    "Merchant",
    "Permit",
    "Registry",
    "RegistryError",
    "RegistryUnavailable",
    "Spot",
    "Status",
    "Vehicle",
]
