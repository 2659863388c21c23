"""Which certificates of cameras are trusted, against a real TLS server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.network import connect
from cv_engine.live.stream.tls import Trust
from tests.live.stream.certificates import HOST, Identity, identity, tls_server

_WAIT_S = 20.0


def _echoed(port: int, trust: Trust, host: str = HOST) -> bytes:
    address = Address.of(f"rtsps://{host}:{port}/x", "viewer", "s3cret", trust=trust)
    with connect(address, port, _WAIT_S, secure=True) as line:
        line.sendall(b"OPTIONS")
        return line.recv(64)


@pytest.fixture(scope="module")
def authority() -> Identity:
    return identity("City cameras", is_ca=True)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda ca: identity(), "it is signed by itself"),
        (lambda ca: identity(issuer=ca), "signed by an authority that is not known here"),
    ],
)
def test_a_certificate_of_no_known_authority_is_refused_with_the_fingerprint_to_pin(
    make: Callable[[Identity], Identity], reason: str, authority: Identity, tmp_path: Path
) -> None:
    shown = make(authority)
    with tls_server(shown, tmp_path) as port:
        with pytest.raises(StreamError, match=reason) as caught:
            _echoed(port, Trust())
        pin = re.search(r"tls_fingerprint: sha256:([0-9a-f]{64})", str(caught.value))
        assert pin is not None
        assert pin[1] == shown.fingerprint
        assert "tls_ca" in str(caught.value)
        assert _echoed(port, Trust(fingerprint=pin[1])) == b"OPTIONS", "as the message advises"


@pytest.mark.parametrize(
    ("host", "days", "reason"),
    [
        (HOST, (-3, -1), "it has expired"),
        (HOST, (1, 3), "it is not valid yet"),
        ("10.9.8.7", (-1, 1), "it is for another address"),
        ("other.city", (-1, 1), "it is for another"),
    ],
)
def test_wrong_dates_and_names_are_refused_whoever_signed(
    host: str, days: tuple[float, float], reason: str, authority: Identity, tmp_path: Path
) -> None:
    trust = Trust(ca=authority.write(tmp_path / "ca.pem"))
    shown = identity(host, issuer=authority, days=days)
    with tls_server(shown, tmp_path) as port:
        with pytest.raises(StreamError, match=reason):
            _echoed(port, trust)
        assert _echoed(port, Trust(fingerprint=shown.fingerprint)) == b"OPTIONS"
        assert _echoed(port, Trust(verify=False)) == b"OPTIONS"


def test_the_name_of_the_address_counts(authority: Identity, tmp_path: Path) -> None:
    trust = Trust(ca=authority.write(tmp_path / "ca.pem"))
    with tls_server(identity("localhost", issuer=authority), tmp_path) as port:
        assert _echoed(port, trust, "localhost") == b"OPTIONS"
        with pytest.raises(StreamError, match="it is for another address"):
            _echoed(port, trust)


def test_an_authority_or_the_camera_s_own_certificate_may_be_given(
    authority: Identity, tmp_path: Path
) -> None:
    shown = identity(issuer=authority)
    own = Trust(ca=shown.write(tmp_path / "own.pem"))
    with tls_server(shown, tmp_path) as port:
        assert _echoed(port, Trust(ca=authority.write(tmp_path / "ca.pem"))) == b"OPTIONS"
        assert _echoed(port, own) == b"OPTIONS"
    with tls_server(identity(), tmp_path) as port, pytest.raises(StreamError, match="by itself"):
        _echoed(port, own)


def test_another_certificate_than_the_pinned_one_is_refused_whoever_signed(
    authority: Identity, tmp_path: Path
) -> None:
    pinned, shown = identity(issuer=authority), identity(issuer=authority)
    with (
        tls_server(shown, tmp_path) as port,
        pytest.raises(StreamError, match="another fingerprint than tls_fingerprint") as caught,
    ):
        _echoed(port, Trust(fingerprint=pinned.fingerprint))
    assert f"sha256:{shown.fingerprint}" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_file_of_authorities_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with tls_server(identity(), tmp_path) as port:
        with pytest.raises(StreamError, match=r"tls_ca .*none\.pem: cannot be read"):
            _echoed(port, Trust(ca=tmp_path / "none.pem"))
        with pytest.raises(StreamError, match=r"tls_ca .*empty\.pem: holds no certificate"):
            _echoed(port, Trust(ca=empty))
