"""The digest of the evidence is filed with the finding, and names the package that was filed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cv_engine.cases import Event, FiledEvidence, Queue
from cv_engine.evidence.filing import CaseFiler
from cv_engine.evidence.naming import key_in, name_in, package_name
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import manifest_sha256, verify
from tests.evidence.media.scenes import parked
from tests.evidence.packages import CLIP, package


@pytest.fixture
def cases(queue: Queue, key: SigningKey, spool: Path) -> CaseFiler:
    return CaseFiler(queue, key, spool)


def test_the_digest_of_the_package_is_filed(
    cases: CaseFiler, queue: Queue, key: SigningKey, spool: Path
) -> None:
    finding = parked("east")
    filed = cases.file(finding, lambda: package(spool, key, "east"))
    folder = spool / package_name(finding)
    evidence = queue.filed_evidence(finding.key)
    assert evidence is not None
    assert (evidence.case_id, evidence.name) == (filed.case_id, folder.name)
    assert evidence.sha256 == manifest_sha256(folder)
    assert verify(folder, sha256=evidence.sha256) == []
    cases.file(finding, lambda: pytest.fail("the package is whole"))
    assert [entry.event for entry in queue.history(filed.case_id)] == [Event.FILED]


def test_a_package_that_is_written_again_has_its_new_digest_in_the_history(
    cases: CaseFiler, queue: Queue, key: SigningKey, spool: Path
) -> None:
    finding = parked("east")
    filed = cases.file(finding, lambda: package(spool, key, "east"))
    folder = spool / package_name(finding)
    (folder / CLIP).write_bytes(b"damaged")

    def write_again() -> None:
        shutil.rmtree(folder)
        package(spool, key, "east", clip=b"cut again")

    assert cases.file(finding, write_again).outcome == "known"
    evidence = queue.filed_evidence(finding.key)
    assert evidence is not None
    assert verify(folder, sha256=evidence.sha256) == []
    first, again = queue.history(filed.case_id)
    assert (first.event, again.event) == (Event.FILED, Event.EVIDENCE)
    assert first.data["evidence_sha256"] != again.data["evidence_sha256"] == evidence.sha256


def test_a_foreign_package_under_a_finding_s_name_is_not_taken_for_its_evidence(
    cases: CaseFiler, key: SigningKey, spool: Path
) -> None:
    finding = parked("east")
    folder = spool / package_name(finding)
    shutil.copytree(package(spool, key, "west"), folder)

    def write() -> None:
        shutil.rmtree(folder)
        package(spool, key, "east")

    cases.file(finding, write)
    assert verify(folder) == []


def test_a_finding_that_joins_a_case_keeps_the_digest_of_its_own_package(queue: Queue) -> None:
    first = parked("east")
    second = replace(first, began=first.began + timedelta(seconds=2))
    for finding, digest in ((first, "1" * 64), (second, "2" * 64)):
        named = replace(finding, evidence=package_name(finding))
        filed = queue.file(named, evidence_sha256=digest)
    assert filed.outcome == "joined"
    for finding, digest in ((first, "1" * 64), (second, "2" * 64)):
        assert queue.filed_evidence(finding.key) == FiledEvidence(
            filed.case_id, package_name(finding), digest
        )
    assert queue.filed_evidence("0" * 16) is None


def test_names_and_manifests_name_the_same_finding() -> None:
    finding = parked("市场街 03/é")
    name = package_name(finding)
    described = {
        "kind": finding.kind,
        "source": finding.source,
        "began": finding.began.isoformat(),
        "key": finding.key,
    }
    assert name_in({"finding": described}) == name
    assert key_in(name) == finding.key
    for wrong in ({"key": "../x"}, {"key": 5}, {"began": "soon"}, {"began": "0001-01-01"}):
        assert name_in({"finding": described | wrong}) != name
    contents: list[dict[str, object]] = [
        {},
        {"finding": None},
        {"finding": []},
        {"finding": {"key": finding.key}},
    ]
    assert all(name_in(content) is None for content in contents)
    assert all(key_in(other) is None for other in ("exhibit-7", f"{name}.damaged-1", ""))
