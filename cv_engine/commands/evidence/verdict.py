"""What is found when a package is verified: whether it is whole, and what it proves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.commands.evidence.package import NamedPackage, Queues

if TYPE_CHECKING:
    from cv_engine.cases import Queue
    from cv_engine.cases.filing.filed import FiledEvidence
    from cv_engine.evidence.keys import KeyRecord
    from cv_engine.evidence.media.credentials import Credentials
    from cv_engine.evidence.profiles import Judged, Profile
    from cv_engine.evidence.verify import Examination, Problem

_NO_SIGNER = (
    "who signed the package is not checked: give the station's fingerprint with --trusted, its "
    "register of keys with --keys, or the queue with --data or --config"
)
_NO_NAME = (
    "the folder is not named like a package: whether it is the package of the finding that is "
    "meant is not checked"
)
_NO_DIGEST = (
    "whether this package was filed with its case is not checked: the queue recorded no digest "
    "when the case was filed"
)


@dataclass(frozen=True, slots=True)
class Means:
    """By what packages are verified.

    Attributes:
        trusted: Fingerprint of the key that must have signed them.
        keys: Register of the station's keys; ``None``: that of the data folder.
        profiles: What courts ask; ``None``: those of the configuration.
        city: The city's certificate of content credentials, if there is one.
    """

    trusted: str | None = None
    keys: Path | None = None
    profiles: Sequence[Profile] | None = None
    city: Path | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        shown: What the package shows; its problems are all that is wrong with it.
        unchecked: What could not be checked, and how it can be.
        case: Number of the package's case; ``None`` where that is not known.
        credentials: Content credentials of its shareable pictures, by path.
        profiles: What courts ask, and what the package comes to; of an intact package only.
    """

    shown: Examination
    unchecked: Sequence[str] = ()
    case: int | None = None
    credentials: Sequence[tuple[str, Credentials]] = ()
    profiles: Sequence[Judged] = ()

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the package; nothing where it is intact."""
        return self.shown.problems


def verdict_on(package: NamedPackage, queues: Queues, means: Means) -> Verdict:
    """Verifies a package, and compares it with what was filed.

    Raises:
        StoreError: The package cannot be read.
        QueueError, InputError: The queue that was named cannot be used.
        EvidenceError: The register of keys cannot be read.
    """
    from cv_engine.evidence.naming import is_note, key_in

    queue, data = queues.of(package), queues.data_of(package)
    keys = _keys(means.keys, data)
    key, of_note = key_in(package.name), is_note(package.name)
    is_signer_known = means.trusted is not None or bool(keys)
    if isinstance(queue, str) or (key is None and not of_note):
        unchecked = [queue] if isinstance(queue, str) else []
        unchecked = unchecked if key is not None or of_note else [_NO_NAME]
        unchecked = [*unchecked, *([] if is_signer_known else [_NO_SIGNER])]
        return _examined(package, means, keys, data, None, unchecked)
    filed = queue.attachment(package.name) if key is None else queue.filed_evidence(key)
    if filed is None or filed.name != package.name:
        verdict = _examined(package, means, keys, data, None, ())
        verdict.shown.problems.insert(0, _foreign(filed, of_note=of_note))
        return verdict
    unchecked = [] if filed.sha256 else [_NO_DIGEST, *([] if is_signer_known else [_NO_SIGNER])]
    return _examined(package, means, keys, data, (queue, filed), unchecked)


def _foreign(filed: FiledEvidence | None, *, of_note: bool) -> Problem:
    from cv_engine.evidence.verify import Problem

    what = "note" if of_note else "finding"
    named = f"names no such {what}" if filed is None else f"has {filed.name or 'no evidence'}"
    return Problem(".", f"the queue {named}: the package belongs to no case")


def _examined(
    package: NamedPackage,
    means: Means,
    keys: Sequence[KeyRecord],
    data: Path | None,
    filed: tuple[Queue, FiledEvidence] | None,
    unchecked: Sequence[str],
) -> Verdict:
    """Examines a package, with what the queue recorded of it, if anything."""
    from cv_engine.commands.evidence.case_facts import case_facts, recorded_at
    from cv_engine.evidence.certificate import trusted_roots
    from cv_engine.evidence.profiles import facts_of, judge, load_profiles
    from cv_engine.evidence.verify import examine

    sha256, at, case, known = None, None, None, None
    if filed is not None:
        queue, evidence = filed
        sha256, case = evidence.sha256, evidence.case_id
        at = recorded_at(queue, evidence)
        known = case_facts(queue, evidence.case_id)
    with package.opened() as (folder, found):
        shown = examine(
            *(folder, means.trusted),
            name=package.name,
            sha256=sha256,
            keys=keys,
            only_these_keys=means.keys is not None,
            filed=at,
        )
        shown.problems[:0] = found
        if shown.problems or shown.manifest is None:
            return Verdict(shown, unchecked, case)
        content = shown.manifest.content
        roots = None if data is None else trusted_roots(data, means.city)
        credentials = _credentials(folder, content, roots)
        profiles = load_profiles() if means.profiles is None else means.profiles
        facts = facts_of(folder, content, known)
        judged = [] if facts is None else judge(facts, profiles)
    return Verdict(shown, unchecked, case, credentials, judged)


def _keys(given: Path | None, data: Path | None) -> list[KeyRecord]:
    from cv_engine.evidence.keys import KeyRing, read_register

    if given is not None:
        return read_register(given)
    return [] if data is None else KeyRing(data).records()


def _credentials(
    folder: Path, content: object, roots: bytes | None
) -> list[tuple[str, Credentials]]:
    """The content credentials of a package's shareable pictures."""
    from cv_engine.evidence.media.credentials import read_credentials
    from cv_engine.evidence.package import SHAREABLE

    assert isinstance(content, dict)
    found = []
    for file in content["files"]:
        path = file["path"]
        if path.startswith(f"{SHAREABLE}/") and path.endswith(".jpg"):
            read = read_credentials((folder / path).read_bytes(), roots)
            if read is not None:
                found.append((path, read))
    return found
