"""What the tests of the service begin with: the time, and people who send requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI
from fastapi.testclient import TestClient

from cv_engine.cases.lifecycle import Role
from cv_engine.service.accounts.account import Account
from cv_engine.service.accounts.tokens import Scope
from cv_engine.service.shared import Shared
from tests.cases.made import at

#: Some hours after the footage of `tests.cases.made`.
NOW = at(0) + timedelta(hours=3)
PASSWORD = "herons nest by the old weir"
HERE = ("127.0.0.1", 50_000)


@dataclass(frozen=True)
class People:
    """People and programs who send requests to an application."""

    app: FastAPI

    @property
    def shared(self) -> Shared:
        shared = self.app.state.shared
        assert isinstance(shared, Shared)
        return shared

    def account(
        self, name: str = "Li Wei", role: Role = Role.OFFICER, areas: Collection[str] | None = None
    ) -> Account:
        """An account with the password of all."""
        accounts = self.shared.accounts
        accounts.add(name, role, "Chief", areas)
        return accounts.set_password_by_link(accounts.link(name, "Chief"), PASSWORD)

    def account_without_password(self, name: str = "report") -> Account:
        """An account that only a token acts for."""
        return self.shared.accounts.add(name, Role.ADMINISTRATOR, "Chief")

    def stranger(self, address: str = HERE[0], base_url: str = "http://testserver") -> TestClient:
        """Somebody who has not logged in."""
        return TestClient(
            self.app, base_url, client=(address, HERE[1]), raise_server_exceptions=False
        )

    def logged_in(self, name: str = "Li Wei") -> TestClient:
        """A browser in which the person has logged in."""
        client = self.stranger()
        answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        return client

    def program(self, account: Account, scopes: Sequence[str] = tuple(Scope)) -> TestClient:
        """A program with a token."""
        lasts = timedelta(days=30)
        secret, _ = self.shared.tokens.add(account, "test", scopes, lasts, "Chief")
        client = self.stranger()
        client.headers["Authorization"] = f"Bearer {secret}"
        return client
