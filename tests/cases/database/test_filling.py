"""A queue of the first schema: its findings are compared with new ones as if filed today."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from cv_engine.cases import Filed, open_queue
from cv_engine.cases.database.store import VERSION_TABLE
from tests.cases.made import CAR_BOX, CORNER, at, finding

_OTHER_BOX = (110.0, 100.0, 210.0, 180.0)


def _old_queue(where: str) -> None:
    """One case of the first schema, with two findings, seen longer than either."""
    if "://" in where:
        engine = sa.create_engine(where.replace("://", "+psycopg://", 1))
    else:
        Path(where).parent.mkdir()
        engine = sa.create_engine(f"sqlite:///{where}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "cv_engine.cases.database:migrations")
        config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
        command.upgrade(config, "0001")
        tables = sa.MetaData()
        tables.reflect(connection, only=["cases", "findings", "history"])
        _fill(connection, tables)
    engine.dispose()


def _fill(connection: sa.Connection, tables: sa.MetaData) -> None:
    box = dict(zip(("box_x1", "box_y1", "box_x2", "box_y2"), CAR_BOX, strict=True))
    first, second = finding(), finding(10, 400, box=_OTHER_BOX)
    case = {
        **{"key": first.key, "kind": first.kind, "standard": "s", "code": "c"},
        **{"source": first.source, "zone": first.zone, "state": "reported", **box},
        **{"began": at(0), "observed": at(700), "filed_at": at(900), "confidence": 0.9},
        **{"geometry": CORNER, "accuracy_m": 2.0, "basis": "homography", "attributes": {"a": 1}},
    }
    number = connection.execute(
        tables.tables["cases"].insert().values(case).returning(tables.tables["cases"].c.id)
    ).scalar_one()
    for event, each, confidence in (("filed", first, 0.6), ("joined", second, 0.9)):
        row: dict[str, Any] = {"key": each.key, "case_id": number}
        times: dict[str, datetime] = {"began": each.began, "observed": each.observed}
        connection.execute(tables.tables["findings"].insert().values(**row, **times))
        data = {
            **{"key": each.key, "confidence": confidence, "evidence": None, "attributes": {}},
            **{"image_box": each.place.image_box, "geometry": CORNER},
        }
        entry = {"case_id": number, "at": at(900), "event": event, "by": "cv-engine", "note": ""}
        connection.execute(tables.tables["history"].insert().values(**entry, data=data))


def test_findings_get_what_their_history_says(where: str) -> None:
    _old_queue(where)
    with open_queue(where) as queue:
        first, second = queue.findings(1)
        assert (first.place.image_box, second.place.image_box) == (CAR_BOX, _OTHER_BOX)
        assert (first.confidence, second.confidence) == (0.6, 0.9)
        assert first.place.geometry == CORNER
        assert (first.observed, second.observed) == (at(300), at(700)), "as the case was seen"
        located: dict[str, Any] = {"geometry": CORNER, "accuracy_m": 2.0, "basis": "homography"}
        assert queue.file(finding(650, 900)) == Filed(1, "joined")
        assert queue.file(finding(650, 900, source="west", **located)) == Filed(1, "joined")
