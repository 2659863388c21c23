"""The queue's tables for SQLAlchemy Core; the migrations create them."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from cv_engine.cases.database.column_types import ExactJson, Json, UtcTime

metadata = sa.MetaData()


def _index_of_some(name: str, first: str, *more: str) -> sa.Index:
    """An index of the rows that have a value in its first column: filing writes the others less."""
    some = sa.text(f"{first} IS NOT NULL")
    return sa.Index(name, first, *more, sqlite_where=some, postgresql_where=some)


cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("standard", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("began", UtcTime, nullable=False),
    sa.Column("observed", UtcTime, nullable=False),
    sa.Column("gone_at", UtcTime),
    sa.Column("filed_at", UtcTime, nullable=False),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("geometry", Json),
    sa.Column("min_lon", sa.Double),
    sa.Column("min_lat", sa.Double),
    sa.Column("max_lon", sa.Double),
    sa.Column("max_lat", sa.Double),
    sa.Column("accuracy_m", sa.Double),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("box_x1", sa.Double),
    sa.Column("box_y1", sa.Double),
    sa.Column("box_x2", sa.Double),
    sa.Column("box_y2", sa.Double),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("evidence", sa.Text),
    sa.Column("place_id", sa.Integer),
    # The case's part in its history: number of entries, and the hash of the last one.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    # Who has to act, and by when.
    sa.Column("priority", sa.Text, nullable=False, default="normal"),
    sa.Column("department", sa.Text),
    sa.Column("team", sa.Text),
    sa.Column("officer", sa.Text),
    sa.Column("area", sa.Text),
    sa.Column("due_at", UtcTime),
    sa.Column("close_due_at", UtcTime),
    sa.Column("attention_at", UtcTime),
    sa.Column("alert", sa.Text),
    # What became of it.
    sa.Column("reason", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("merged_into", sa.Integer),
    sa.Column("confirmed_at", UtcTime),
    sa.Column("dispatched_at", UtcTime),
    sa.Column("handled_at", UtcTime),
    sa.Column("verified_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("deferred_until", UtcTime),
    sa.Column("deferrals", sa.Integer, nullable=False, default=0),
    sa.Column("extensions", sa.Integer, nullable=False, default=0),
    sa.Column("returns", sa.Integer, nullable=False, default=0),
    sa.Column("reopenings", sa.Integer, nullable=False, default=0),
    # When its evidence was deleted, and nothing has come to it since.
    sa.Column("purged_at", UtcTime),
    sa.Index("cases_by_time", "began", "id"),
    sa.Index("cases_by_kind", "kind", "began", "id"),
    sa.Index("cases_by_zone", "zone", "began", "id"),
    sa.Index("cases_by_source", "source", "began", "id"),
    sa.Index("cases_by_state", "state", "began", "id"),
    _index_of_some("cases_by_department", "department", "due_at", "id"),
    _index_of_some("cases_by_attention", "attention_at", "id"),
    sa.Index("cases_by_place", "place_id", "began", "id"),
    # For the statistics: each reads a range of one of these times, and for classes and all cases
    # together no more than the index has.
    sa.Index("cases_by_filing", "filed_at", "kind", "state"),
    _index_of_some("cases_by_confirmation", "confirmed_at", "kind", "state", "filed_at"),
    _index_of_some(
        *("cases_by_closing_deadline", "close_due_at", "kind", "state"),
        *("confirmed_at", "ended_at"),
    ),
    _index_of_some(
        *("cases_by_end", "ended_at", "kind", "state"),
        *("filed_at", "dispatched_at", "handled_at", "returns"),
    ),
    sqlite_autoincrement=True,
)

#: What the retention rules may delete evidence of.
sa.Index(
    "cases_to_purge",
    *(cases.c.ended_at, cases.c.kind, cases.c.state, cases.c.outcome, cases.c.id),
    sqlite_where=sa.text("ended_at IS NOT NULL AND purged_at IS NULL"),
    postgresql_where=sa.text("ended_at IS NOT NULL AND purged_at IS NULL"),
)

#: The texts of all places, for searching (see :mod:`cv_engine.cases.place_text`).
places = sa.Table(
    "places",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False, unique=True),
)

#: Every finding that was ever filed, so that filing a finding again changes nothing, and with what
#: tells whether another finding is of the same thing. Who changes a row has locked its case.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    # From when the thing may have been there unwatched.
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("began", UtcTime, nullable=False),
    sa.Column("observed", UtcTime, nullable=False),
    sa.Column("gone_at", UtcTime),
    sa.Column("confidence", sa.Double, nullable=False),
    sa.Column("geometry", Json),
    sa.Column("accuracy_m", sa.Double),
    sa.Column("basis", sa.Text, nullable=False),
    # Of a place that locates the thing: see `cv_engine.cases.filing.cells`.
    sa.Column("cell", sa.BigInteger),
    sa.Column("box_x1", sa.Double),
    sa.Column("box_y1", sa.Double),
    sa.Column("box_x2", sa.Double),
    sa.Column("box_y2", sa.Double),
    sa.Column("attributes", Json, nullable=False),
    sa.Column("evidence", sa.Text),
    sa.Column("evidence_sha256", sa.Text),
    sa.Index("findings_by_zone", "source", "zone", "kind", "observed"),
    sa.Index("findings_by_cell", "kind", "cell", "observed"),
)

#: Counts for the statistics, kept by triggers (see :mod:`cv_engine.cases.database.tallies`);
#: ``bucket`` is the start of the time that they cover, in hours since 1970 (UTC).
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("dimension", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    *(
        sa.Column(name, sa.Integer, nullable=False)
        for name in (
            *("received", "filed", "rejected", "withdrawn", "closed", "reworked"),
            *("due", "deferred", "settled", "on_time"),
        )
    ),
    sqlite_with_rowid=False,
)

#: Evidence packages that people added to cases, such as an officer's photos.
case_evidence = sa.Table(
    "case_evidence",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

#: Evidence packages that were deleted by a rule, or at a person's request: what is left of each.
#: ``deleted_at`` is empty until the files are gone.
purged_evidence = sa.Table(
    "purged_evidence",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, index=True),
    sa.Column("sha256", sa.Text),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("deleted_at", UtcTime),
    sa.Index(
        "purged_evidence_to_delete",
        "at",
        "name",
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    ),
)

#: Append-only: triggers refuse UPDATE and DELETE. Every entry carries a hash (see
#: :mod:`cv_engine.cases.chain`); ``seq`` counts the entries of one case from 1.
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text),
    sa.Column("data", ExactJson, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("history_by_case", "case_id", "seq", unique=True),
    sqlite_autoincrement=True,
)

#: Cases whose personal data the present transaction erases: the one exception of the triggers of
#: table ``history``. The transaction removes its rows again.
erasing = sa.Table(
    "erasing", metadata, sa.Column("case_id", sa.Integer, primary_key=True, autoincrement=False)
)

#: Append-only, except for the plate, which a person's request erases: who looked at an original, at
#: contact data or at all that is held about a plate (see :mod:`cv_engine.cases.looks`).
looks = sa.Table(
    "looks",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("case_id", sa.Integer),
    sa.Column("plate", sa.Text),
    sa.Column("salt", sa.Text),
    # Digest of salt and plate: the hash covers it in place of both.
    sa.Column("plate_sha256", sa.Text),
    sa.Column("hash", sa.Text, nullable=False),
    _index_of_some("looks_by_case", "case_id", "seq"),
    _index_of_some("looks_by_plate", "plate", "seq"),
)

#: The last link of every chain that is not a case's: its number, and its hash.
chain_heads = sa.Table(
    "chain_heads",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

#: The pairs of states that the process has; a trigger refuses every other change of state.
case_transitions = sa.Table(
    "case_transitions",
    metadata,
    sa.Column("from_state", sa.Text, primary_key=True),
    sa.Column("to_state", sa.Text, primary_key=True),
)

#: The programs and people that receive every entry of the history, each with the relay that sends
#: to it at present, and how long it rests after a failure.
outlets = sa.Table(
    "outlets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", UtcTime),
    sa.Column("error", sa.Text),
    sa.Column("lease_by", sa.Text),
    sa.Column("lease_until", UtcTime),
)

#: The outbox: what an outlet has not received yet. A trigger adds a row per outlet to the
#: transaction that adds the entry; the row goes when the outlet has acknowledged it.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("outlet", sa.Text, nullable=False),
    sa.Column("case_id", sa.Integer, nullable=False),
    sa.Column("entry_id", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcTime, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("dead_at", UtcTime),
    sa.Index("deliveries_by_outlet", "outlet", "case_id", "entry_id", unique=True),
    sa.Index("deliveries_due", "outlet", "next_at", "id"),
    sqlite_autoincrement=True,
)

#: The drivers' notices: one row per decided case and dwell (``round`` counts the reopenings), also
#: where no notice is sent. The outbox of the notices: what is to be sent next, and when.
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    # The idempotency key that the gateway gets.
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("plate", sa.Text),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("decided_at", UtcTime, nullable=False),
    # The notice of the same vehicle and dwell that was sent for another case.
    sa.Column("asked_by", sa.Integer),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("first_tried_at", UtcTime),
    # When it is sent, counts as interrupted, or its delivery report is asked for next.
    sa.Column("next_at", UtcTime),
    # Whether an attempt was interrupted, so that the gateway may have the message.
    sa.Column("in_doubt", sa.Boolean, nullable=False, default=False),
    sa.Column("error", sa.Text),
    sa.Column("message_id", sa.Text),
    sa.Column("sent_at", UtcTime),
    sa.Column("leave_by", UtcTime),
    sa.Column("escalated_at", UtcTime),
    sa.Index("notices_by_case", "case_id", "round", unique=True),
    sa.Index("notices_by_plate", "plate", "decided_at"),
    sa.Index("notices_due", "state", "next_at", "id"),
    sqlite_autoincrement=True,
)

#: The zones of cameras, as far as their notices are concerned: whether people's verdicts have shown
#: that they work, and whether their notices are stopped.
notice_zones = sa.Table(
    "notice_zones",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("zone", sa.Text, primary_key=True),
    sa.Column("proven_at", UtcTime),
    sa.Column("stopped_at", UtcTime),
    sa.Column("stopped_by", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("released_at", UtcTime),
    sa.Column("released_by", sa.Text),
    # Number of cases in the surge that a supervisor has found right.
    sa.Column("allowed", sa.Integer, nullable=False, default=0),
)

#: Sensors: where each is, what it said last, and when.
devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("longitude", sa.Double),
    sa.Column("latitude", sa.Double),
    sa.Column("accuracy_m", sa.Double),
    sa.Column("settings", Json, nullable=False),
    sa.Column("condition", Json, nullable=False),
    sa.Column("registered_at", UtcTime, nullable=False),
    sa.Column("seen_at", UtcTime),
    # Since when silence counts, and when time alone may change the condition.
    sa.Column("listened_from", UtcTime),
    sa.Column("wake_at", UtcTime),
    sa.Index("devices_by_wake", "wake_at"),
)

#: SQLite only: an R*Tree over the cases' spans of time, in seconds since ``SPANS_SINCE``, filled by
#: triggers. Its numbers are 32-bit and rounded outward: they preselect, and `cases` decides.
case_spans = sa.table("case_spans", *(sa.column(name) for name in ("id", "began_s", "observed_s")))
SPANS_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
