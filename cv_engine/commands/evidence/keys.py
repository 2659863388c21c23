"""``cv-engine evidence keys``: the keys that sign evidence packages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption, read_time
from cv_engine.commands.session import Session
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    from cv_engine.evidence.keys import KeyRecord, KeyRing

group = typer.Typer(name="keys", help="The keys that sign evidence.", no_args_is_help=True)


@group.command("list")
def list_keys(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Show the station's keys: which one signs now, and which are trusted no more."""
    session = Session(config, data, format)
    _show(session, _ring(session).records())


@group.command()
def create(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Make the first key; the first analysis does so too."""
    session = Session(config, data, format)
    ring = _ring(session)
    ring.create(_now())
    _show(session, ring.records())


@group.command()
def rotate(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Replace the key that signs now; programs that run use the new one from their next package."""
    session = Session(config, data, format)
    ring = _ring(session)
    ring.rotate(_now())
    _show(session, ring.records())


@group.command()
def revoke(
    key: Annotated[
        str, typer.Argument(metavar="FINGERPRINT", help="The key; its beginning will do.")
    ],
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, kept for ever.")],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="From when on its signatures prove nothing; now if left out.",
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Revoke a key that was copied or lost; the one that signs now is replaced first."""
    session, now = Session(config, data, format), _now()
    ring = _ring(session)
    ring.revoke(key, why, read_time(since, "--since") or now, now)
    _show(session, ring.records())


def _ring(session: Session) -> KeyRing:
    from cv_engine.evidence.keys import KeyRing

    return KeyRing(session.config.data)


def _now() -> datetime:
    return datetime.now(UTC)


def _show(session: Session, records: Sequence[KeyRecord]) -> None:
    rows = [_row(record) for record in records]
    if session.format is Format.TABLE and not rows:
        session.err.print("there is no key yet; `cv-engine evidence keys create` makes one")
        return
    session.show(rows_table(rows), rows)


def _row(record: KeyRecord) -> dict[str, Any]:
    revoked = record.revoked
    state = "revoked" if revoked else "signs" if record.retired is None else "replaced"
    return {
        "fingerprint": record.fingerprint,
        "state": state,
        "created": _time(record.created),
        "replaced": _time(record.retired),
        "revoked_since": None if revoked is None else _time(revoked.since),
        "why": None if revoked is None else revoked.why,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(sep=" ", timespec="seconds")
