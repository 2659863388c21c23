"""The group ``cv-engine sensors``: register, list, check and remove devices, and watch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.signals import stop_signals
from cv_engine.commands.tables import rows_table

if TYPE_CHECKING:
    from cv_engine.config.sensors import SensorsConfig
    from cv_engine.sensors.device import Device
    from cv_engine.sensors.registry import Registry
    from cv_engine.sensors.subscriber import Broker
    from zones.errors import Problem

_LOW_BATTERY_PCT = 15.0  # lithium cells of sensors last some months from here

group = typer.Typer(
    name="sensors", help="Sensors on manhole covers and the like, by MQTT.", no_args_is_help=True
)


@group.command("import")
def import_devices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or GeoJSON file of devices.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Register the devices of a file, all or none; known devices get their new place."""
    session = Session(config, data)
    new, known = _import(session, file)
    session.err.print(f"{new} devices registered, {known} brought up to date")


@group.command("list")
def list_devices(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """List the devices with condition, last message, battery and place."""
    session = Session(config, data, format)
    with _open_registry(session) as registry:
        if session.format is Format.JSONL:
            for device in registry.each():
                session.line(device_row(device))
            return
        rows = [_shown(device_row(device)) for device in registry.each()]
    if rows:
        session.print_table(rows_table(rows))
    else:
        session.err.print("no devices; register some with `cv-engine sensors import FILE`")


@group.command()
def remove(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of the devices.")],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Remove devices that were taken down, all or none; their cases stay in the queue."""
    session = Session(config, data)
    with _open_registry(session) as registry:
        registry.remove(ids)
    session.err.print(f"{len(set(ids))} devices removed")


@group.command()
def check(
    config: ConfigOption = None, data: DataOption = None, format: FormatOption = Format.TABLE
) -> None:
    """Check the settings of the broker, and report devices that need care."""
    session = Session(config, data, format)
    problems = [*_settings_problems(session.config.sensors), *_device_problems(session)]
    if session.format is Format.JSONL:
        for each in problems:
            row = {"where": each.where, "what": each.what, "advice": each.advice}
            session.line({**row, "severity": each.severity})
    else:
        for each in problems:
            session.out.print(escaped(f"{each.severity}: {each}"), soft_wrap=True)
    if not problems:
        session.err.print("nothing to report")
    wrong = any(each.severity == "error" for each in problems)
    raise typer.Exit(ExitCode.WRONG_INPUT if wrong else ExitCode.DONE)


@group.command()
def watch(config: ConfigOption = None, data: DataOption = None) -> None:
    """Receive the sensors' messages and file cases, until stopped."""
    watch_sensors(Session(config, data))


def watch_sensors(session: Session) -> None:
    """Receive messages until SIGINT or SIGTERM.

    Args:
        session: Configuration and output.

    Raises:
        InputError: No broker or topic is configured, or the password is missing.
        SensorError: The certificates cannot be read.
        QueueError: The queue cannot be opened.
    """
    from cv_engine.sensors.subscriber import Subscriber, Subscription
    from cv_engine.sensors.watcher import Watcher

    settings = session.config.sensors
    broker = broker_of(settings)
    if not settings.topics:
        raise InputError("sensors.topics: no topic is configured; add one such as city/manhole/+")
    topics = [Subscription(each.topic, each.payload) for each in settings.topics]
    with session.open_queue() as queue, _open_registry(session) as registry:
        watcher = Watcher(registry, queue, settings.watching, settings.clock_bounds, _now)
        subscriber = Subscriber(broker, topics, watcher, time.monotonic, time.sleep)
        watcher.start()
        session.err.print(escaped(f"receiving from {broker.name}; Ctrl-C stops"))
        with stop_signals() as received:
            subscriber.run(lambda: bool(received))
    counts = ", ".join(f"{name} {count}" for name, count in sorted(watcher.counts.items()))
    session.err.print(escaped(f"stopped; messages: {counts or 'none'}"))


def broker_of(settings: SensorsConfig) -> Broker:
    """The broker of a configuration, with its password.

    Raises:
        InputError: No broker is configured, or its password is missing.
    """
    from cv_engine.sensors.subscriber import Broker

    if settings.host is None:
        raise InputError(
            "sensors.host: no broker is configured; name one such as mqtt.city.example"
        )
    return Broker(
        host=settings.host,
        port=settings.port,
        client_id=settings.client_id,
        user=settings.user,
        password=_password(settings),
        tls=settings.tls,
        tls_ca=settings.tls_ca,
        session_s=settings.session_s,
    )


def device_row(device: Device) -> dict[str, Any]:
    """A device as a JSON object."""
    last = device.state.last_position
    return {
        "id": device.id,
        "kind": device.kind,
        "zone": device.zone,
        "condition": device.condition.value,
        "last_seen": None if device.seen_at is None else device.seen_at.isoformat(),
        "battery_pct": device.state.battery_pct,
        "longitude": device.place.longitude,
        "latitude": device.place.latitude,
        "accuracy_m": device.place.accuracy_m,
        "last_position": None
        if last is None
        else {
            "longitude": last.position.longitude,
            "latitude": last.position.latitude,
            "at": last.at.isoformat(),
        },
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: the places in one cell each, latitude first."""
    last = row["last_position"]
    kept = ("id", "kind", "zone", "condition", "last_seen", "battery_pct")
    return {
        **{name: row[name] for name in kept},
        "place": _place(row),
        "last_position": None if last is None else _place(last),
    }


def _place(row: dict[str, Any]) -> str:
    return f"{row['latitude']:.5f},{row['longitude']:.5f}"


def _import(session: Session, file: Path) -> tuple[int, int]:
    from cv_engine.cases.taxonomy import load_taxonomy
    from cv_engine.sensors.device_file import read_devices

    now = _now()
    devices = read_devices(file, load_taxonomy(session.config.cases.taxonomy).kinds, now)
    with _open_registry(session) as registry:
        return registry.register(devices, now)


def _open_registry(session: Session) -> Registry:
    from cv_engine.sensors.registry import open_registry

    return open_registry(session.config.queue)


def _now() -> datetime:
    return datetime.now(UTC)


def _password(settings: SensorsConfig) -> str | None:
    if settings.password_env is not None:
        password = os.environ.get(settings.password_env)
        if password is None:
            raise InputError(
                f"sensors.password_env: the environment variable {settings.password_env} is not set"
            )
        return password
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise InputError(
            f"sensors.password_file: {settings.password_file} cannot be read ({reason})"
        ) from None


def _settings_problems(settings: SensorsConfig) -> Iterator[Problem]:
    from cv_engine.sensors.errors import SensorError
    from cv_engine.sensors.subscriber import tls_context
    from zones.errors import Problem

    try:
        if broker_of(settings).tls:
            tls_context(settings.tls_ca)
    except (InputError, SensorError) as error:
        yield Problem("configuration", str(error), "watch cannot start", "error")
    if not settings.topics:
        yield Problem("configuration", "sensors.topics: there is no topic", "add one", "error")
    if not settings.tls and settings.password_env is not None:
        what = "sensors.tls: false sends the password in the clear"
        yield Problem("configuration", what, "use TLS outside of a closed network", "warning")


def _device_problems(session: Session) -> Iterator[Problem]:
    from cv_engine.sensors.condition import Condition
    from zones.errors import Problem

    with _open_registry(session) as registry:
        for device in registry.each():
            where, battery = f"device {device.id}", device.state.battery_pct
            if device.seen_at is None:
                what = f"no message since it was registered at {device.registered_at.isoformat()}"
                yield Problem(where, what, "check its id, its topic and its network", "warning")
            elif device.condition is Condition.SILENT:
                what = f"silent since {device.seen_at.isoformat()}"
                yield Problem(where, what, "see the maintenance case", "warning")
            if battery is not None and battery < _LOW_BATTERY_PCT:
                yield Problem(where, f"battery at {battery:.0f} %", "change it", "warning")
            if device.state.effects:
                what = f"{len(device.state.effects)} changes are not in the queue yet"
                yield Problem(where, what, "run `cv-engine sensors watch`", "warning")
