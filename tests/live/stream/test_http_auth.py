"""HTTP authentication, compared with the examples of the standards."""

from __future__ import annotations

import re

import pytest

from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.http_auth import HttpAuth

_REALM = "http-auth@example.org"
_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
_OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
_CLIENT = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def _digest(algorithm: str) -> str:
    return (
        f'Digest realm="{_REALM}", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{_NONCE}", opaque="{_OPAQUE}"'
    )


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_matches_rfc_7616(algorithm: str, response: str) -> None:
    auth = HttpAuth.of([_digest(algorithm)])
    assert auth is not None
    answer = auth.authorization(
        "GET", "/dir/index.html", "Mufasa", "Circle of Life", random=lambda _: _CLIENT
    )
    assert f'response="{response}"' in answer
    assert f'opaque="{_OPAQUE}"' in answer
    assert "nc=00000001" in answer
    assert "nc=00000002" in auth.authorization("GET", "/", "Mufasa", "Circle of Life")


def test_digest_without_qop_matches_rfc_2069() -> None:
    auth = HttpAuth.of(
        [
            'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )
    assert auth is not None
    answer = auth.authorization("GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    # Computed with openssl: the example in the standard is known to be wrong.
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer
    assert "cnonce" not in answer


def test_basic_matches_rfc_7617() -> None:
    auth = HttpAuth.of(['Basic realm="WallyWorld"'])
    assert auth is not None
    assert auth.authorization("DESCRIBE", "rtsp://a/b", "Aladdin", "open sesame") == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )


def test_the_safest_scheme_is_chosen() -> None:
    offered = [
        'Basic realm="a"',
        _digest("MD5"),
        _digest("SHA-256"),
        _digest("MD4"),
        "Bearer x",
        "",
    ]
    chosen = HttpAuth.of(offered)
    assert chosen is not None
    assert chosen.algorithm == "SHA-256"
    assert HttpAuth.of([]) is None


@pytest.mark.parametrize(
    ("offered", "name"),
    [
        (_digest("MD4"), "Digest MD4"),
        (_digest("SHA-512-256-sess"), "Digest SHA-512-256-sess"),
        ('Digest realm="a", nonce="b", qop="auth-int"', "Digest qop=auth-int"),
        ('Digest realm="no nonce"', "Digest"),
        ("Bearer x", "Bearer"),
        ("Digest ,,,=", "Digest"),
    ],
)
def test_an_unknown_scheme_is_named_and_no_wrong_password(offered: str, name: str) -> None:
    with pytest.raises(StreamError, match=rf"unknown authentication \({re.escape(name)}\)"):
        HttpAuth.of([offered])
    assert HttpAuth.of([offered, 'Basic realm="a"']) is not None


def test_the_reason_why_there_is_no_login_is_told() -> None:
    with pytest.raises(StreamError, match="asks for a user"):
        HttpAuth.required([_digest("MD5")], "", is_retry=False)
    with pytest.raises(StreamError, match="refuses user or password"):
        HttpAuth.required([_digest("MD5")], "viewer", is_retry=True)
    with pytest.raises(StreamError, match="refuses user or password"):
        HttpAuth.required([], "viewer", is_retry=False)


def test_a_session_digest_hashes_both_nonces() -> None:
    auth = HttpAuth.of([_digest("MD5-sess")])
    assert auth is not None
    answer = auth.authorization(
        "GET", "/dir/index.html", "Mufasa", "Circle of Life", random=lambda _: _CLIENT
    )
    # The formula of RFC 7616, 3.4.2, computed with md5sum.
    assert 'response="e783283f46242139c486a698fec7211d"' in answer
    assert "algorithm=MD5-sess" in answer


def test_quotes_in_a_user_name_are_escaped() -> None:
    auth = HttpAuth.of([_digest("MD5")])
    assert auth is not None
    answer = auth.authorization("GET", "/", 'a"b\\', "secret")
    assert re.search(r'username="a\\"b\\\\"', answer)
    assert "secret" not in answer
