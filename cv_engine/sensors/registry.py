"""Registry: the devices, their places, and what is remembered about each, in the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from cv_engine.cases.database.store import Store
from cv_engine.cases.database.tables import devices
from cv_engine.sensors.device import Device, DeviceState
from cv_engine.sensors.errors import SensorError
from cv_engine.sensors.report import Position

_ROWS_AT_ONCE = 1000
_SILENT_S = "silent_s"  # the one setting that a device may have of its own

#: Changes a device; returns the device after, and when to look at the device again.
Step = Callable[[Device], tuple[Device, datetime | None]]


def open_registry(where: str | Path) -> Registry:
    """Open the devices beside a queue, whose database is created if missing.

    Args:
        where: Path of a SQLite file, or a ``postgresql://`` URL.

    Raises:
        QueueError: The database cannot be opened.
    """
    return Registry(Store(where))


class Registry:
    """The registered devices; made by :func:`open_registry`.

    Every method is one transaction. All methods raise ``QueueError`` if the database fails.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def register(self, entries: Iterable[Device], now: datetime) -> tuple[int, int]:
        """Register devices, all or none; known ones get the new place, kind, zone and settings.

        Args:
            entries: The devices.
            now: When the devices are registered.

        Returns:
            The numbers of new and of known devices.
        """
        new = known = 0
        with self._store.writing() as connection:
            for device in entries:
                place = _place_columns(device)
                changed = connection.execute(
                    devices.update().where(devices.c.id == device.id).values(**place)
                )
                if changed.rowcount:
                    known += 1
                    continue
                row = {"id": device.id, **place, **_state_columns(device)}
                connection.execute(devices.insert().values(registered_at=now, wake_at=now, **row))
                new += 1
        return new, known

    def remove(self, ids: Collection[str]) -> None:
        """Remove devices, all or none; the cases about them stay in the queue.

        Args:
            ids: Ids of the devices.

        Raises:
            SensorError: A device is not registered, or has changes that are not in the queue yet.
        """
        chosen = devices.c.id.in_(ids)
        with self._store.writing() as connection:
            locked = devices.select().where(chosen).order_by(devices.c.id).with_for_update()
            known = [_device(row) for row in connection.execute(locked)]
            problems = [
                f"there is no device {each!r}; `cv-engine sensors list` lists the devices"
                for each in sorted(set(ids) - {device.id for device in known})
            ] + [
                f"{len(device.state.effects)} changes of device {device.id!r} are not in the queue "
                "yet: run `cv-engine sensors watch` until they are, then remove it"
                for device in known
                if device.state.effects
            ]
            if problems:
                raise SensorError("\n".join(problems))
            connection.execute(devices.delete().where(chosen))

    def update(self, device_id: str, step: Step) -> Device | None:
        """Change one device; no other process changes the device meanwhile.

        Args:
            device_id: The device's id.
            step: Returns the device after the change; must have no effect of its own.

        Returns:
            The device after the change; ``None`` if no such device is registered.
        """
        one = devices.c.id == device_id
        with self._store.writing() as connection:
            row = connection.execute(devices.select().where(one).with_for_update()).one_or_none()
            if row is None:
                return None
            device, wake_at = step(_device(row))
            changed = devices.update().where(one)
            connection.execute(changed.values(wake_at=wake_at, **_state_columns(device)))
            return device

    def due(self, now: datetime, most: int) -> list[str]:
        """Ids of the devices to look at by a time, the longest due first.

        Args:
            now: The time.
            most: Largest number of ids.
        """
        statement = (
            sa.select(devices.c.id)
            .where(devices.c.wake_at <= now)
            .order_by(devices.c.wake_at, devices.c.id)
            .limit(most)
        )
        with self._store.reading() as connection:
            return list(connection.execute(statement).scalars())

    def wake_all(self, now: datetime) -> None:
        """Have every device looked at: settings may have changed while no program watched."""
        with self._store.writing() as connection:
            connection.execute(devices.update().values(wake_at=now))

    def listen_from(self, at: datetime) -> None:
        """Count the silence of every device from a time: messages before may have been missed."""
        with self._store.writing() as connection:
            connection.execute(devices.update().values(listened_from=at))

    def get(self, device_id: str) -> Device | None:
        """The device of an id; ``None`` if no such device is registered."""
        statement = devices.select().where(devices.c.id == device_id)
        with self._store.reading() as connection:
            row = connection.execute(statement).one_or_none()
            return None if row is None else _device(row)

    def each(self) -> Iterator[Device]:
        """All devices in the order of their ids, read one at a time."""
        with self._store.reading() as connection:
            streaming = connection.execution_options(yield_per=_ROWS_AT_ONCE)
            for row in streaming.execute(devices.select().order_by(devices.c.id)):
                yield _device(row)


def _device(row: Row[Any]) -> Device:
    return Device(
        id=row.id,
        kind=row.kind,
        zone=row.zone,
        place=Position(row.longitude, row.latitude, row.accuracy_m),
        registered_at=row.registered_at,
        silent_s=row.settings.get(_SILENT_S),
        seen_at=row.seen_at,
        listened_from=row.listened_from,
        state=msgspec.convert(row.condition, DeviceState),
    )


def _place_columns(device: Device) -> dict[str, Any]:
    place = device.place
    return {
        "kind": device.kind,
        "zone": device.zone,
        "longitude": place.longitude,
        "latitude": place.latitude,
        "accuracy_m": place.accuracy_m,
        "settings": {} if device.silent_s is None else {_SILENT_S: device.silent_s},
    }


def _state_columns(device: Device) -> dict[str, Any]:
    return {"seen_at": device.seen_at, "condition": msgspec.to_builtins(device.state)}
