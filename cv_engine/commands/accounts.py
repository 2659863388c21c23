"""The group ``cv-engine accounts``: who may log in to the service, and tokens of programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import escaped
from cv_engine.commands.options import ByOption, ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    from cv_engine.service.accounts.account import Account
    from cv_engine.service.accounts.accounts import Accounts
    from cv_engine.service.accounts.tokens import Tokens

group = typer.Typer(name="accounts", help="Who may log in to the service.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")]


@group.command("list")
def list_accounts(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the accounts."""
    session = Session(config, data, format)
    with _opened(session) as (accounts, _):
        rows = [_row(account) for account in accounts.all()]
    session.show(rows_table([{key: _shown(row[key]) for key in row} for row in rows]), rows)


@group.command()
def add(
    name: NameArgument,
    by: ByOption,
    role: Annotated[
        str, typer.Option("--role", help="viewer, officer, supervisor or administrator.")
    ] = "officer",
    area: Annotated[
        list[str] | None,
        typer.Option("--area", help="Only cases of this area; repeat it for more."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Add an account, and print the one-time link by which the person sets a password."""
    from cv_engine.service.accounts.account import role_named

    session = Session(config, data)
    with _opened(session) as (accounts, _):
        account = accounts.add(name, role_named(role), by, area or None)
        _print_link(session, accounts.link(account.name, by))


@group.command()
def link(
    name: NameArgument, by: ByOption, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Print a one-time link by which the person sets a new password."""
    session = Session(config, data)
    with _opened(session) as (accounts, _):
        _print_link(session, accounts.link(name, by))


@group.command()
def disable(
    name: NameArgument, by: ByOption, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Disable an account: its sessions end, and its tokens do not count."""
    with _opened(Session(config, data)) as (accounts, _):
        accounts.change(name, by, disabled=True)


@group.command()
def enable(
    name: NameArgument, by: ByOption, config: ConfigOption = None, data: DataOption = None
) -> None:
    """Let a disabled account be used again."""
    with _opened(Session(config, data)) as (accounts, _):
        accounts.change(name, by, disabled=False)


@group.command()
def token(
    name: NameArgument,
    by: ByOption,
    purpose: Annotated[str, typer.Option("--for", metavar="TEXT", help="What the token is for.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="Such as cases:read; repeat it for more.")
    ],
    days: Annotated[int, typer.Option("--days", min=1, help="How long it lasts.")] = 90,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a token by which a program acts for an account; it is printed once."""
    session = Session(config, data)
    with _opened(session) as (accounts, tokens):
        lasts = timedelta(days=days)
        secret, made = tokens.add(accounts.get(name), purpose, scope, lasts, by)
    session.out.print(secret, soft_wrap=True)
    session.err.print(f"token {made.id} ends at {made.ends_at.isoformat(' ', 'seconds')}")


@contextmanager
def _opened(session: Session) -> Iterator[tuple[Accounts, Tokens]]:
    """The accounts of the session's queue.

    Raises:
        InputError: The extra is not installed.
        QueueError: The queue cannot be opened.
    """
    try:
        from cv_engine.service.accounts.accounts import Accounts
        from cv_engine.service.accounts.passwords import Passwords
    except ModuleNotFoundError as error:
        raise needs_extra(error) from error
    from cv_engine.service.accounts.tokens import Tokens

    with session.open_queue() as queue:
        store = queue.store
        yield Accounts(store, Passwords(), _now), Tokens(store, _now)


def needs_extra(error: ModuleNotFoundError) -> InputError:
    """The error of a command whose packages are not installed."""
    return InputError(
        f"the service needs the package {error.name}: install cv-engine with its extra `serve` "
        "(pip install 'cv-engine[serve]')"
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _print_link(session: Session, secret: str) -> None:
    address = session.config.service.address or "http://127.0.0.1:8080"
    session.out.print(f"{address.rstrip('/')}/password/{secret}", soft_wrap=True)
    if session.config.service.address is None:
        session.err.print("the link begins with the address of your service (service.address)")


def _row(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "role": account.role.value,
        "areas": None if account.areas is None else sorted(account.areas),
        "password": account.has_password,
        "disabled": account.disabled_at is not None,
    }


def _shown(value: object) -> str:
    if isinstance(value, list):
        return escaped(", ".join(value))
    if value is None:
        return "all"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escaped(str(value))
