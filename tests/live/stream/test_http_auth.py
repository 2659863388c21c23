"""HTTP authentication, compared with the examples of the standards."""

from __future__ import annotations

import re

import pytest

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
    assert HttpAuth.of(["Bearer x", 'Digest realm="no nonce"', "Digest ,,,="]) is None


def test_quotes_in_a_user_name_are_escaped() -> None:
    auth = HttpAuth.of([_digest("MD5")])
    assert auth is not None
    answer = auth.authorization("GET", "/", 'a"b\\', "secret")
    assert re.search(r'username="a\\"b\\\\"', answer)
    assert "secret" not in answer
