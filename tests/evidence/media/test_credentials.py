"""Shareable pictures say who made them and from what; a change of the picture is found."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from cv_engine.evidence.certificate import AUTHORITY, given_signer, own_signer, trusted_roots
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.keys import KeyRing
from cv_engine.evidence.media.credentials import Signer, read_credentials
from cv_engine.evidence.media.exif import jpeg
from cv_engine.evidence.media.still import Still
from cv_engine.evidence.package import Style, write
from cv_engine.evidence.signing import SigningKey
from cv_engine.evidence.verify import verify
from tests.evidence.media.scenes import parked

NOW = datetime.now(UTC)  # readers compare certificates with the present time
PICTURE = jpeg(
    np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8), NOW, None, "",
    quality=80,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def signer(data: Path) -> Signer:
    return own_signer(data, KeyRing(data).load_or_create(NOW), NOW, "1.2")


def test_what_was_signed_is_read_back(signer: Signer, data: Path) -> None:
    signed = signer.sign(PICTURE, "overview-end.jpg", {"camera": "市场街-03", "n": 3})
    read = read_credentials(signed, trusted_roots(data, None))
    assert read is not None and read.problems == () and read.is_trusted
    assert read.signer.startswith("station ")
    assert read.facts == {"camera": "市场街-03", "n": 3}
    assert signed.endswith(PICTURE[-1000:]), "the picture itself is not encoded again"


def test_a_signer_is_not_trusted_without_his_certificate(signer: Signer, tmp_path: Path) -> None:
    signed = signer.sign(PICTURE, "a.jpg", {})
    for roots in (None, _other_authority(tmp_path)):
        read = read_credentials(signed, roots)
        assert read is not None and read.problems == () and not read.is_trusted


def _other_authority(folder: Path) -> bytes:
    own_signer(folder, KeyRing(folder).load_or_create(NOW), NOW, "")
    return (folder / AUTHORITY).read_bytes()


def test_pictures_without_credentials_have_none() -> None:
    assert read_credentials(PICTURE) is None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_byte_of_the_picture_is_found(signer: Signer, data: st.DataObject) -> None:
    signed = bytearray(signer.sign(PICTURE, "a.jpg", {"n": 1}))
    start = len(signed) - len(PICTURE) + 2  # behind the marker, the file is the picture's own
    at = data.draw(st.integers(start, len(signed) - 1))
    signed[at] ^= 1 << data.draw(st.integers(0, 7))
    read = read_credentials(bytes(signed))
    assert read is not None and read.problems


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3000))
def test_no_bytes_raise_an_error(signer: Signer, noise: bytes, at: int) -> None:
    signed = signer.sign(PICTURE, "a.jpg", {})
    read_credentials(signed[:at] + noise + signed[at + len(noise) :])
    read_credentials(noise)


def test_each_key_has_its_certificate_and_all_one_authority(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    first = own_signer(tmp_path, ring.load_or_create(NOW), NOW, "").sign(PICTURE, "a.jpg", {})
    second = own_signer(tmp_path, ring.rotate(NOW), NOW, "").sign(PICTURE, "a.jpg", {})
    roots = trusted_roots(tmp_path, None)
    names = set()
    for signed in (first, second):
        read = read_credentials(signed, roots)
        assert read is not None and read.is_trusted
        names.add(read.signer)
    assert len(names) == 2
    assert (tmp_path / "c2pa-authority-key.pem").stat().st_mode & 0o777 == 0o600


def _city(folder: Path) -> tuple[Path, Path]:
    """A certificate as a city's own authority issues it, by OpenSSL."""
    (folder / "ext").write_text(
        "basicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=emailProtection\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\n"
    )
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /O=City/CN=CA",
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout city.key -out c.csr "
        "-subj /O=City/CN=Enforcement",
        "x509 -req -in c.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile ext "
        "-out leaf.pem",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    chain = (folder / "leaf.pem").read_bytes() + (folder / "ca.pem").read_bytes()
    (folder / "city.pem").write_bytes(chain)
    return folder / "city.pem", folder / "city.key"


def test_the_citys_own_certificate_signs(tmp_path: Path) -> None:
    certificate, key = _city(tmp_path)
    signer = given_signer(certificate, key, "1.2")
    assert signer.algorithm == "es384"
    read = read_credentials(signer.sign(PICTURE, "a.jpg", {}), trusted_roots(tmp_path, certificate))
    assert read is not None and (read.problems, read.signer) == ((), "Enforcement")
    assert read.is_trusted


def test_unusable_certificates_are_reported(tmp_path: Path) -> None:
    certificate, key = _city(tmp_path)
    other = tmp_path / "other.key"
    other.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(EvidenceError, match="certificate of another key"):
        given_signer(certificate, other, "")
    with pytest.raises(EvidenceError, match=r"none\.pem: cannot be read"):
        given_signer(tmp_path / "none.pem", key, "")
    with pytest.raises(EvidenceError, match=r"see evidence\.credentials"):
        given_signer(key, key, "")
    with pytest.raises(EvidenceError, match="is neither an Ed25519 key nor one of P-256"):
        given_signer(tmp_path / "ca.pem", tmp_path / "ca.key", "")


def test_only_the_copies_of_a_package_are_signed(
    tmp_path: Path, stills: list[Still], key: SigningKey, signer: Signer
) -> None:
    package = write(tmp_path, parked(), stills, key=key, style=Style(credentials=signer))
    assert verify(package) == []
    for path in sorted(package.glob("*/*.jpg")):
        read = read_credentials(path.read_bytes())
        if path.parent.name == "original":
            assert read is None
            continue
        original = (package / "original" / path.name).read_bytes()
        assert read is not None and read.problems == ()
        assert read.facts["package"] == package.name
        assert read.facts["file"] == f"shareable/{path.name}"
        assert read.facts["original_sha256"] == hashlib.sha256(original).hexdigest()


def test_pictures_in_which_nothing_is_hidden_are_not_signed(
    tmp_path: Path, stills: list[Still], key: SigningKey, signer: Signer
) -> None:
    style = Style(redacted=False, credentials=signer)
    package = write(tmp_path, parked(), stills, key=key, style=style)
    assert all(read_credentials(path.read_bytes()) is None for path in package.glob("*/*.jpg"))
