"""What FFmpeg's reader trusts of RTSP over TLS, against a real TLS server."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.ffmpeg_tls import ffmpeg_options
from cv_engine.live.stream.tls import Trust
from tests.live.stream.certificates import HOST, Identity, identity, tls_server

_WAIT_S = 20.0


def _is_trusted(port: int, options: dict[str, str]) -> bool:
    """Whether FFmpeg talks to a server, which then does not answer in RTSP."""
    with pytest.raises((av.FFmpegError, OSError)) as caught:
        av.open(f"rtsps://{HOST}:{port}/x", options=options, timeout=(_WAIT_S, _WAIT_S))
    return isinstance(caught.value, av.error.InvalidDataError)


def _address(port: int, trust: Trust) -> Address:
    return Address.of(f"rtsps://{HOST}:{port}/x", trust=trust)


@pytest.mark.parametrize("host", [HOST, "camera.city", "10.9.8.7"])
def test_ffmpeg_trusts_the_pinned_certificate_alone(host: str, tmp_path: Path) -> None:
    pinned, other = identity(host), identity(host)
    trust = Trust(fingerprint=pinned.fingerprint)
    with (
        tls_server(pinned, tmp_path) as port,
        tls_server(other, tmp_path) as elsewhere,
        ffmpeg_options(_address(port, trust)) as options,
    ):
        assert _is_trusted(port, dict(options))
        assert not _is_trusted(elsewhere, dict(options))


def test_ffmpeg_trusts_what_an_authority_signed(tmp_path: Path) -> None:
    authority = identity("City cameras", is_ca=True)
    shown: Identity = identity(issuer=authority)
    trust = Trust(ca=authority.write(tmp_path / "ca.pem"))
    with tls_server(shown, tmp_path) as port, ffmpeg_options(_address(port, trust)) as options:
        assert _is_trusted(port, dict(options))
    with (
        tls_server(identity(), tmp_path) as port,
        pytest.raises(StreamError, match="signed by itself"),
        ffmpeg_options(_address(port, trust)),
    ):
        pass


def test_ffmpeg_trusts_anyone_only_where_that_is_said(tmp_path: Path) -> None:
    with tls_server(identity(), tmp_path) as port:
        with ffmpeg_options(_address(port, Trust(verify=False))) as options:
            assert _is_trusted(port, dict(options))
        with (
            pytest.raises(StreamError, match="signed by itself"),
            ffmpeg_options(_address(port, Trust())),
        ):
            pass
