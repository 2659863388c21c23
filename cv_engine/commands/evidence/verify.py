"""``cv-engine evidence verify``: finds every change made to packages, and says what they prove."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cv_engine.commands.errors import InputError
from cv_engine.commands.evidence.package import Queues, named_package
from cv_engine.commands.evidence.purged import purged_since
from cv_engine.commands.evidence.verdict import Means, Verdict, verdict_on
from cv_engine.commands.exit_codes import ExitCode, escaped
from cv_engine.commands.options import ConfigOption, DataOption, Format, FormatOption
from cv_engine.commands.session import Session

if TYPE_CHECKING:
    from cv_engine.cases.removal.purging import Purged
    from cv_engine.evidence.profiles import Judged

KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", help="Register of the station's keys, if not the data folder's."
    ),
]
TrustedOption = Annotated[
    str | None,
    typer.Option("--trusted", metavar="FINGERPRINT", help="The key that must have signed them."),
]


def verify(
    packages: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR...", help="Packages; also s3://bucket/prefix/NAME, and shareable pictures."
        ),
    ],
    trusted: TrustedOption = None,
    keys: KeysOption = None,
    config: ConfigOption = None,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
) -> None:
    """Find all changes made to evidence packages since they were filed with their cases."""
    raise typer.Exit(verify_packages(Session(config, data, format), packages, trusted, keys))


def verify_packages(
    session: Session, packages: Sequence[str], trusted: str | None, keys: Path | None = None
) -> ExitCode:
    """Verify packages and print the problems of each, what each proves, and what was not checked.

    A package is compared with the queue that ``--data`` or ``--config`` names, else with the one of
    the data folder in which the package lies.

    Args:
        session: Configuration and data folder, if given, and where output goes.
        packages: Folders, addresses in object storage (``s3://bucket/prefix/NAME``), and single
            pictures, whose content credentials are verified.
        trusted: Fingerprint of the key that must have signed them.
        keys: Register of the station's keys; that of the data folder if left out.

    Returns:
        0 where all packages are intact or were deleted by a rule, 2 where a folder does not exist,
        1 otherwise.

    Raises:
        EvidenceError: An address is malformed, its store cannot be used here, or a register or
            file of profiles cannot be read.
        QueueError: The queue that was named cannot be read.
        InputError: There is no queue where one was named.
    """
    from cv_engine.evidence.errors import StoreError

    means = means_of(session, trusted, keys)
    codes = {ExitCode.DONE}
    with ExitStack() as stack:
        queues = Queues(session, stack)
        chosen = [where if _is_picture(where) else named_package(where) for where in packages]
        for package in chosen:
            if isinstance(package, str):
                codes.add(_verify_picture(session, Path(package), means))
                continue
            if (purged := purged_since(package, queues)) is not None:
                _print_purged(session, package.where, purged)
                continue
            try:
                verdict = verdict_on(package, queues, means)
            except StoreError as error:
                codes.add(ExitCode.FAILED)
                _print_unread(session, package.where, str(error))
                continue
            if verdict.problems:
                missing = package.folder is not None and not package.folder.is_dir()
                codes.add(ExitCode.WRONG_INPUT if missing else ExitCode.FAILED)
            _print_verdict(session, package.where, verdict)
    return max(codes)


def means_of(session: Session, trusted: str | None, keys: Path | None) -> Means:
    """By what the packages of a call are verified.

    Raises:
        EvidenceError: The file of profiles cannot be read.
    """
    if session.config_path is None and session.data is None:
        return Means(trusted, keys)
    from cv_engine.evidence.profiles import load_profiles

    evidence = session.config.evidence
    return Means(trusted, keys, load_profiles(evidence.profiles), evidence.credentials.certificate)


def _is_picture(where: str) -> bool:
    return where.lower().endswith((".jpg", ".jpeg")) and Path(where).is_file()


def _verify_picture(session: Session, path: Path, means: Means) -> ExitCode:
    """Verify the content credentials of a picture that was handed out by itself."""
    from cv_engine.evidence.certificate import trusted_roots
    from cv_engine.evidence.media.credentials import Credentials, read_credentials

    named = session.config_path is not None or session.data is not None
    roots = trusted_roots(session.config.data, means.city) if named else None
    try:
        found = read_credentials(path.read_bytes(), roots)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    credentials = found or Credentials(problems=("has no content credentials",))
    _print_picture(session, str(path), credentials.problems, _signed_by(credentials))
    return ExitCode.FAILED if credentials.problems else ExitCode.DONE


def _signed_by(credentials: Any) -> str:
    trust = "trusted" if credentials.is_trusted else "not known here: name its data with --data"
    return f"content credentials of {credentials.signer or 'an unknown signer'} ({trust})"


def _print_picture(session: Session, path: str, problems: Sequence[str], said: str) -> None:
    if session.format is Format.JSONL:
        found = [{"where": path, "what": problem} for problem in problems]
        session.line({"picture": path, "intact": not problems, "problems": found, "by": said})
        return
    state = "[bold red]CHANGED[/]" if problems else "[green]intact[/]"
    session.out.print(f"{state} {escaped(path)}", soft_wrap=True)
    for line in problems or [said]:
        session.out.print(f"  {escaped(line)}", soft_wrap=True)


def _print_verdict(session: Session, package: str, verdict: Verdict) -> None:
    if session.format is Format.JSONL:
        session.line(verdict_row(package, verdict))
        return
    state = "[bold red]CHANGED[/]" if verdict.problems else "[green]intact[/]"
    case = "" if verdict.case is None else f" (case {verdict.case})"
    session.out.print(f"{state} {escaped(package)}{case}", soft_wrap=True)
    lines = list(map(str, verdict.problems))
    if not lines:
        lines = [*proof_lines(verdict), *map(profile_line, verdict.profiles), *verdict.unchecked]
    for line in lines:
        session.out.print(f"  {escaped(line)}", soft_wrap=True)


def _print_purged(session: Session, package: str, purged: Purged) -> None:
    """Print that a package was deleted by a rule, with what is left of it."""
    if session.format is Format.JSONL:
        row: dict[str, Any] = {
            "package": package,
            "intact": None,
            "case": purged.case_id,
            "problems": [],
        }
        left = {"rule": purged.rule, "at": purged.at.isoformat(), "sha256": purged.sha256}
        session.line({**row, "purged": left})
        return
    session.out.print(
        f"[yellow]purged[/] {escaped(package)} (case {purged.case_id})", soft_wrap=True
    )
    digest = f"the digest of its manifest is {purged.sha256 or 'not known'}"
    told = f"deleted {_time(purged.at)}: {purged.rule}; {digest}"
    session.out.print(f"  {escaped(told)}", soft_wrap=True)


def verdict_row(package: str, verdict: Verdict) -> dict[str, Any]:
    """What was found as a JSON object."""
    shown = verdict.shown
    sealed, stamp = None if shown.manifest is None else shown.manifest.sealed, shown.timestamp
    return {
        "package": package,
        "intact": not verdict.problems,
        "case": verdict.case,
        "problems": [{"where": each.where, "what": each.what} for each in verdict.problems],
        "unchecked": [] if verdict.problems else list(verdict.unchecked),
        "sealed": None if sealed is None else sealed.at.isoformat(),
        "timestamp": None
        if stamp is None
        else {"at": stamp.at.isoformat(), "authority": stamp.authority, "root": stamp.root},
        "notes": list(shown.notes),
        "credentials": len(verdict.credentials),
        "profiles": [
            {
                "id": judged.profile.id,
                "outcome": judged.outcome.value,
                "provisional": judged.profile.provisional,
                "points": [
                    {"asked": point.asked, "outcome": point.outcome.value, "found": point.found}
                    for point in judged.points
                ],
            }
            for judged in verdict.profiles
        ],
    }


def proof_lines(verdict: Verdict) -> Iterator[str]:
    """Says when an intact package was sealed, by whom, and who confirms it."""
    shown = verdict.shown
    sealed = None if shown.manifest is None else shown.manifest.sealed
    stamp = shown.timestamp
    if sealed is not None:
        yield f"sealed {_time(sealed.at)}"
    if stamp is not None:
        within = "" if stamp.accuracy_s is None else f" ± {stamp.accuracy_s:g} s"
        yield (
            f"timestamp {_time(stamp.at)}{within} by {stamp.authority}; compare the fingerprint of "
            f"its certificate with the one that the authority publishes: {stamp.root}"
        )
    elif sealed is not None and sealed.authority is not None:
        yield f"still without the timestamp of {sealed.authority}: `cv-engine evidence stamp`"
    yield from shown.notes
    signed = [credentials for _, credentials in verdict.credentials]
    if signed:
        trusted = sum(1 for each in signed if each.is_trusted)
        who = ", ".join(sorted({each.signer for each in signed}))
        trust = "trusted" if trusted == len(signed) else "whose certificate is not known here"
        yield f"content credentials in {len(signed)} pictures by {who}, {trust}"


def profile_line(judged: Judged) -> str:
    """Says what a package comes to in a profile, with the points that fall short."""
    profile = judged.profile
    origin = f", {profile.provenance}" if profile.provisional else ""
    points = "; ".join(f"{point.asked} ({point.found})" for point in judged.lacking)
    return f"{profile.name}{origin}: {judged.outcome.value}{points and f': {points}'}"


def _time(at: Any) -> str:
    return str(at.isoformat(sep=" ", timespec="seconds"))


def _print_unread(session: Session, package: str, reason: str) -> None:
    """Print that a package cannot be read: whether it is intact is unknown."""
    if session.format is Format.JSONL:
        session.line({"package": package, "intact": None, "problems": [], "unread": reason})
        return
    session.out.print(f"[bold red]unread[/] {escaped(package)}")
    session.out.print(f"  {escaped(reason)}")
