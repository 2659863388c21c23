"""The group ``cv-engine privacy``: looks, originals, retention, and what a person may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.cases.report import remove_reports
from cv_engine.commands.errors import InputError
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ByOption, ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session
from cv_engine.commands.tables import empty_table

if TYPE_CHECKING:
    from cv_engine.cases import Actor
    from cv_engine.privacy.disclosure import CopyClip
    from cv_engine.privacy.holder import Holder, Kept
    from cv_engine.privacy.purge import Deleter, Progress, PurgeReport
    from cv_engine.services import Services

group = typer.Typer(
    name="privacy",
    help="Who has seen what, how long it is kept, and what a person may ask for.",
    no_args_is_help=True,
)

_REQUEST = "request of the person"

CaseArgument = Annotated[int, typer.Argument(metavar="ID", help="The case's number.")]
PlateArgument = Annotated[str, typer.Argument(metavar="PLATE", help="The plate, as 浙B12345.")]
ClipsOption = Annotated[
    bool,
    typer.Option(
        "--clips/--no-clips", help="Copy the clips, too: that takes some times their length."
    ),
]
WhyOption = Annotated[
    str, typer.Option("--why", metavar="TEXT", help="The reason, which the log keeps.")
]


@group.command()
def looks(
    case: Annotated[
        int | None, typer.Option("--case", metavar="ID", help="Only looks at this case.")
    ] = None,
    plate: Annotated[
        str | None, typer.Option("--plate", help="Only looks at this vehicle's data.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """List who looked at originals, contact data and disclosures, when and why."""
    from cv_engine.cases.looks import each_look

    session = Session(config, data, format)
    wanted = None if plate is None else _plate(plate)
    table = empty_table(("look", "at", "who", "role", "what", "case", "plate", "why"))
    with session.open_queue() as queue, queue.store.reading() as connection:
        for logged in each_look(connection, case_id=case, plate=wanted):
            look = logged.look
            if format is Format.JSONL:
                erased = {"plate": "erased"} if logged.erased else {}
                session.line({"look": logged.seq, **asdict(look), **erased, "hash": logged.hash})
                continue
            shown = "erased" if logged.erased else look.plate or "-"
            number = "-" if look.case_id is None else str(look.case_id)
            at = look.at.isoformat(" ", "seconds")
            texts = (look.who, look.role.value, look.what, number, shown, look.why)
            table.add_row(str(logged.seq), at, *map(escaped, texts))
    if format is Format.TABLE:
        session.print_table(table)


@group.command()
def originals(
    case: CaseArgument,
    why: WhyOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for the packages.")],
    by: ByOption,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Hand out the originals of a case to an officer; the access is logged first."""
    from cv_engine.privacy.originals import log_look_at_originals

    session = Session(config, data, format)
    with _services(session) as services:
        actor = _actor(services, by)
        names = log_look_at_originals(services.queue, case, actor, why, datetime.now(UTC))
        for name in names:
            folder = _fetched(services, name, out)
            if format is Format.JSONL:
                session.line({"package": name, "folder": str(folder)})
            else:
                session.out.print(escaped(str(folder)), soft_wrap=True)
    if not names:
        session.err.print(f"case {case} has no evidence, or it was deleted")


def _fetched(services: Services, name: str, out: Path) -> Path:
    """A copy of a package, from where it is."""
    from cv_engine.evidence.storage.store import LocalStore

    spool = services.config.evidence_root
    store = LocalStore(spool) if (spool / name).is_dir() else services.store
    return store.fetch(name, out)


@group.command()
def share(
    case: CaseArgument,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for the copies.")],
    clips: ClipsOption = True,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Write the copies of a case's evidence that may be handed out: pictures, and clips."""
    import shutil
    from tempfile import TemporaryDirectory

    from cv_engine.privacy.disclosure import copies_of
    from cv_engine.privacy.originals import package_folder

    session = Session(config, data, format)
    with _services(session) as services, TemporaryDirectory(prefix="cv-engine-") as scratch:
        spool, copy_clip = services.config.evidence_root, _copier(services) if clips else None
        for name in services.queue.evidence(case):
            folder = package_folder(
                services.queue, services.store, spool, name, Path(scratch) / "packages"
            )
            (out / name).mkdir(parents=True, exist_ok=True)
            for path in copies_of(folder, Path(scratch), copy_clip):
                copy = Path(shutil.copy(path, out / name))
                if format is Format.JSONL:
                    session.line({"package": name, "file": str(copy)})
                else:
                    session.out.print(escaped(str(copy)), soft_wrap=True)


@group.command()
def purge(
    by: ByOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be deleted.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Delete the evidence that the retention rules keep no longer; proof of it stays."""
    from cv_engine.privacy.purge import due
    from cv_engine.privacy.purge import purge as delete_what_is_over

    session, now = Session(config, data, format), datetime.now(UTC)
    with _services(session) as services:
        rules = services.retention
        if dry_run:
            counts = due(services.queue, rules, now)
            _print_counts(session, counts, "would be deleted")
            return
        with _counting(session) as progress:
            report = delete_what_is_over(
                services.queue, _deleter(services), rules, _actor(services, by), now, progress
            )
    remove_reports(session.config.data)
    _print_counts(session, report.cases, "deleted")
    _print_left(session, report)


@group.command()
def export(
    plate: PlateArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The ZIP file to write.")],
    by: ByOption,
    why: WhyOption = _REQUEST,
    clips: ClipsOption = True,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Write all that is held about a vehicle to a ZIP file, for the person who asks for it."""
    from cv_engine.privacy.disclosure import Disclosing

    session, now = Session(config, data, format), datetime.now(UTC)
    with _services(session) as services:
        actor, wanted = _actor(services, by), _plate(plate)
        disclosing = Disclosing(
            services.queue,
            services.store,
            services.config.evidence_root,
            _holders(services),
            _copier(services) if clips else None,
        )
        found = disclosing.write(wanted, out, actor, why, now)
    if format is Format.JSONL:
        session.line({"file": str(out), **asdict(found)})
    else:
        session.out.print(
            f"{escaped(str(out))}: {len(found.cases)} cases, {found.pictures} pictures"
            f"{_records(found.records)}",
            soft_wrap=True,
        )
    for name, reason in found.missing.items():
        session.err.print(f"[yellow]missing:[/] {escaped(name)}: {escaped(reason)}")


@group.command()
def erase(
    plate: PlateArgument,
    why: WhyOption,
    by: ByOption,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Erase what is held about a vehicle, with proof; says what must be kept, and why."""
    from cv_engine.privacy.erasure import Erasing

    session, now = Session(config, data, format), datetime.now(UTC)
    with _services(session) as services:
        actor, wanted = _actor(services, by), _plate(plate)
        erasing = Erasing(
            services.queue, _deleter(services), services.retention, _holders(services)
        )
        report = erasing.erase(wanted, actor, why, now)
        remove_reports(session.config.data)
        outlets = services.config.outlets.names
    if format is Format.JSONL:
        session.line(asdict(report))
    else:
        session.out.print(
            f"erased: the plate in {len(report.cases)} cases and {report.looks} looks, "
            f"{len(report.evidence.deleted)} evidence packages{_records(report.records)}"
        )
        _print_left_over(session, "kept", report.kept)
        _print_left_over(session, "not erased", report.beyond)
    session.err.print(
        "not reached from here: backups, and reports and exports kept elsewhere, made before now"
        + "".join(f", the outlet {escaped(name)}" for name in outlets)
    )
    _print_left(session, report.evidence)


def _records(found: Mapping[str, int]) -> str:
    """How many records of other parts were concerned, for the end of a sentence."""
    return "".join(f", {count} of the {name}" for name, count in found.items())


def _print_left_over(session: Session, label: str, found: list[Kept]) -> None:
    for each in found:
        session.out.print(f"[yellow]{label}:[/] {escaped(each.what)}: {escaped(each.why)}")


def _print_counts(session: Session, counts: dict[str, int], what: str) -> None:
    if session.format is Format.JSONL:
        for rule, count in counts.items():
            session.line({"rule": rule, "cases": count})
        return
    for rule, count in counts.items():
        session.out.print(f"{what}: the evidence of {count} cases: {escaped(rule)}")
    if not counts:
        session.err.print("no rule asks for the evidence of any case")


def _print_left(session: Session, report: PurgeReport) -> None:
    """Name the packages whose files could not be deleted now, and end with a failure.

    Raises:
        Exit: There are such packages.
    """
    for name, reason in report.left.items():
        session.err.print(f"[bold red]not deleted yet:[/] {escaped(name)}: {escaped(reason)}")
    if report.left:
        session.err.print("the next `cv-engine privacy purge` tries again")
        raise typer.Exit(ExitCode.FAILED)


def _plate(typed: str) -> str:
    from cv_engine.plate import normal_plate
    from zones.errors import WrongValue

    try:
        return normal_plate(typed)
    except WrongValue as error:
        raise InputError(str(error)) from None


@contextmanager
def _services(session: Session) -> Iterator[Services]:
    from cv_engine.services import Services

    with Services(session.config) as services:
        yield services


def _actor(services: Services, name: str) -> Actor:
    from cv_engine.cases.dispatch import actor_named

    return actor_named(services.organisation, name)


def _deleter(services: Services) -> Deleter:
    from cv_engine.privacy.purge import Deleter

    return Deleter(services.queue, services.store, services.config.evidence_root)


def _copier(services: Services) -> CopyClip:
    """Makes the copies of clips; the detector is opened with the first one."""

    def copy_clip(source: Path, target: Path, manifest: Mapping[str, Any]) -> None:
        from cv_engine.privacy.clips import box_in, redact_clip
        from cv_engine.privacy.finders import CLIP_PARTS, finders_of

        finders = finders_of(services.detector, parts=CLIP_PARTS)
        redact_clip(source, target, box_in(manifest), finders)

    return copy_clip


def _holders(services: Services) -> list[Holder]:
    """The parts that hold data about vehicles beside the cases."""
    from cv_engine.privacy.notices import NoticesHolder
    from cv_engine.privacy.registry import RegistryHolder

    return [NoticesHolder(services.queue), RegistryHolder(services.registry)]


@contextmanager
def _counting(session: Session) -> Iterator[Progress]:
    """Show the number of cases that are done, where stderr is a terminal."""
    with session.err.status("deleting evidence") as status:
        yield lambda done: status.update(f"evidence of {done} cases deleted")
