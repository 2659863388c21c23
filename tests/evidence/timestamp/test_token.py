"""A timestamp is accepted only if an authority that is trusted gave it for these bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.evidence.errors import AuthorityError, EvidenceError
from cv_engine.evidence.timestamp.authority import Authority
from cv_engine.evidence.timestamp.der import with_sorted_certificates
from cv_engine.evidence.timestamp.token import check_token
from tests.evidence.timestamp.tsa import TimestampServer, make_authority, openssl

MANIFEST = b'{"schema": "cv-engine/evidence/1"}\n'


def test_the_answer_says_when_and_by_whom(tsa: TimestampServer, authority: Authority) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    stamp = check_token(authority.stamp(MANIFEST), authority.certificates, MANIFEST)
    assert before <= stamp.at <= datetime.now(UTC) + timedelta(seconds=2)
    assert (stamp.authority, stamp.accuracy_s) == ("Trial signer", 1.0)
    shown = openssl("x509", "-in", tsa.certificate, "-noout", "-fingerprint", "-sha256").stdout
    assert shown.strip().rpartition("=")[2].replace(":", "").lower() == stamp.root


def test_openssl_accepts_what_is_accepted_here(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(MANIFEST)
    (tmp_path / "manifest.tsr").write_bytes(authority.stamp(MANIFEST))
    (tmp_path / "authority.pem").write_bytes(authority.certificates)
    done = openssl(
        *("ts", "-verify", "-data", tmp_path / "manifest.json"),
        *("-in", tmp_path / "manifest.tsr", "-CAfile", tmp_path / "authority.pem"),
    )
    assert "Verification: OK" in done.stdout


def test_an_authority_with_a_chain_of_certificates(tmp_path: Path) -> None:
    """OpenSSL sends the certificates in the order of the chain, not in that of DER."""
    make_authority(tmp_path / "tsa", chain=True)
    with TimestampServer(tmp_path / "tsa") as tsa:
        authority = Authority.of(tsa.url, tsa.certificate)
        answer = authority.stamp(MANIFEST)
    assert check_token(answer, authority.certificates, MANIFEST).authority == "Trial signer"
    assert len(with_sorted_certificates(answer)) == len(answer)


def test_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    answer = authority.stamp(MANIFEST)
    make_authority(tmp_path / "other")
    other = (tmp_path / "other/ca.pem").read_bytes()
    with pytest.raises(EvidenceError, match="not a valid timestamp"):
        check_token(answer, other, MANIFEST)


def test_a_forged_chain_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    """Certificates that only come with the answer vouch for nothing."""
    make_authority(tmp_path / "forger", chain=True)
    with (
        TimestampServer(tmp_path / "forger") as forger,
        pytest.raises(AuthorityError, match="the authority's answer"),
    ):
        Authority(forger.url, authority.certificates).stamp(MANIFEST)


def test_other_bytes_are_refused(authority: Authority) -> None:
    answer = authority.stamp(MANIFEST)
    with pytest.raises(EvidenceError, match="Mismatch between messages"):
        check_token(answer, authority.certificates, MANIFEST + b" ")


def test_an_answer_to_another_request_is_refused(
    tsa: TimestampServer, authority: Authority
) -> None:
    earlier = authority.stamp(MANIFEST)
    tsa.changed = lambda _: earlier
    with pytest.raises(AuthorityError, match="Nonce mismatch"):
        authority.stamp(MANIFEST)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>busy</html>", b"\x30\x03\x02\x01\x00", b"\x30\x80"]
)
def test_what_is_no_answer_is_refused(
    tsa: TimestampServer, authority: Authority, answer: bytes
) -> None:
    tsa.changed = lambda _: answer
    with pytest.raises(AuthorityError, match="is no timestamp response"):
        authority.stamp(MANIFEST)


def test_a_refusal_of_the_authority_is_reported(tsa: TimestampServer, authority: Authority) -> None:
    # PKIStatusInfo: rejection, "busy"
    tsa.changed = lambda _: bytes.fromhex("300d300b02010230060c0462757379")
    with pytest.raises(AuthorityError, match="grants no timestamp: rejection, busy"):
        authority.stamp(MANIFEST)


def test_a_refusal_of_the_server_is_reported(tsa: TimestampServer, authority: Authority) -> None:
    tsa.status = 503
    with pytest.raises(AuthorityError, match=r"answers 503 .*check evidence\.timestamp\.url"):
        authority.stamp(MANIFEST)


def test_an_endless_answer_is_not_read(tsa: TimestampServer, authority: Authority) -> None:
    tsa.changed = lambda _: bytes(3 << 20)
    with pytest.raises(AuthorityError, match="too long for a timestamp"):
        authority.stamp(MANIFEST)


def test_an_authority_that_is_away_is_reported(tsa: TimestampServer, authority: Authority) -> None:
    with TimestampServer(tsa.folder) as gone:
        url = gone.url
    with pytest.raises(AuthorityError, match="does not answer"):
        Authority(url, authority.certificates).stamp(MANIFEST)


def test_unusable_certificates_are_reported(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"correct evidence\.timestamp\.certificate"):
        Authority.of("http://127.0.0.1", tmp_path / "none.pem")
    (tmp_path / "other.pem").write_text("no certificate")
    with pytest.raises(EvidenceError, match="holds no certificate in PEM form"):
        Authority.of("http://127.0.0.1", tmp_path / "other.pem")


@given(st.binary(max_size=200))
def test_no_bytes_break_the_sorting(data: bytes) -> None:
    assert len(with_sorted_certificates(data)) == len(data)
