"""What all requests share: the queue with its evidence, the accounts, the rates."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request

from cv_engine.cases import Queue
from cv_engine.config import Config
from cv_engine.service.accounts.accounts import Accounts
from cv_engine.service.accounts.oidc import Provider
from cv_engine.service.accounts.passwords import Passwords
from cv_engine.service.accounts.sessions import Sessions
from cv_engine.service.accounts.tokens import Tokens
from cv_engine.service.packages import Packages
from cv_engine.service.rates import Rates
from cv_engine.services import Services


@dataclass(frozen=True)
class Shared:
    """What all requests share.

    Attributes:
        services: Queue, evidence and taxonomy of the configuration.
        clock: Returns the present time (timezone-aware).
        accounts: Who may log in.
        sessions: Who has logged in.
        tokens: Programs that act for somebody.
        rates: How often somebody may ask.
        packages: The evidence.
        provider: The city's own log-in, if there is one.
    """

    services: Services
    clock: Callable[[], datetime]
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    rates: Rates
    packages: Packages
    provider: Provider | None

    @property
    def config(self) -> Config:
        """The settings."""
        return self.services.config

    def close(self) -> None:
        """Close the queue, and delete what was copied to be served."""
        self.packages.close()
        self.services.close()

    @property
    def queue(self) -> Queue:
        """The cases."""
        return self.services.queue


def share(services: Services, passwords: Passwords | None = None) -> Shared:
    """Open what all requests share, so that no two of them open it at once.

    Args:
        services: Of the configuration.
        passwords: Compares passwords; with the parameters of the library if ``None``.

    Raises:
        EngineError: The queue, or a file of the city, cannot be used.
    """
    _ = services.store, services.city_zone, services.attacher
    store, config, clock = services.queue.store, services.config.service, services.clock
    passwords = passwords or Passwords()
    return Shared(
        services=services,
        clock=clock,
        accounts=Accounts(store, passwords, clock),
        sessions=Sessions(
            *(store, passwords, clock),
            idle=timedelta(seconds=config.session_idle_s),
            longest=timedelta(seconds=config.session_s),
        ),
        tokens=Tokens(store, clock),
        rates=Rates(),
        packages=Packages(services),
        provider=_provider(services),
    )


def _provider(services: Services) -> Provider | None:
    """The city's own log-in.

    Raises:
        ConfigError: The secret cannot be read.
    """
    config = services.config.service
    if config.oidc is None or config.address is None:
        return None
    return Provider(
        config.oidc.issuer,
        config.oidc.client_id,
        config.oidc.secret(os.environ),
        config.address.rstrip("/") + "/login/oidc/callback",
        config.oidc.name_claim,
        services.clock,
    )


def shared_of(request: Request) -> Shared:
    """What a request shares with all others."""
    shared = request.app.state.shared
    assert isinstance(shared, Shared)
    return shared
