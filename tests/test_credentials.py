"""No password appears in any message: every error path that has an address in it."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import av
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

import cli
from cv_engine.cases import QueueError, open_queue
from cv_engine.commands.exit_codes import describe, run
from cv_engine.config import ConfigError, load_config
from cv_engine.credentials import hide_credentials, without_credentials
from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.storage.opening import open_store
from cv_engine.live.stream.address import Address
from cv_engine.live.stream.connection import Connection, _reason
from cv_engine.live.stream.errors import AddressError, StreamError

# Around each password, so that a part of it is recognised in any message.
_FIRST, _LAST = "Zq9", "9qZ"
_CLOSED = "127.0.0.1:9"  # no server listens there
_PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x3FF), max_size=60).map(
    lambda odd: f"{_FIRST}{odd}{_LAST}"
)
_WRITTEN = st.sampled_from(
    [lambda text: text, lambda text: quote(text, safe=""), lambda text: quote(text)]
)
_IN_BASE64 = base64.b64encode(f"viewer:{_FIRST}".encode()).decode()[:12]


def _assert_hidden(text: str) -> None:
    for part in (_FIRST, _LAST, _IN_BASE64):
        assert part not in text, text


def _error_of_connection(address: Address) -> str:
    try:
        connection = Connection(address, stall_s=5.0)
    except StreamError as error:
        return str(error)
    try:
        for _ in connection:
            pass
    except StreamError as error:
        return str(error)
    finally:
        connection.close()
    raise AssertionError("there is no stream")


@given(_PASSWORDS, _WRITTEN, st.sampled_from(["zones: 5", "port", "timezone: X/Y", "fps: no"]))
@settings(max_examples=40)
def test_settings(password: str, written: object, fault: str) -> None:
    url = f"rtsp://viewer:{written(password)}@cam:554/x"  # type: ignore[operator]
    if fault == "port":
        url, fault = url.replace(":554", ":99999"), ""
    entry = {"name": "a", "url": url, "pasword": password, "user": url, "transport": url}
    lines = "".join(f"    {key}: {_quoted(value)}\n" for key, value in entry.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_text(f"cameras:\n  -\n{lines}    {fault}\nstore: {_quoted(url)}\n")
        with pytest.raises(ConfigError) as caught:
            load_config(path)
    _assert_hidden(str(caught.value))
    _assert_hidden(describe(caught.value)[0])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(_PASSWORDS, _WRITTEN)
def test_addresses_and_ffmpeg_s_messages(password: str, written: object) -> None:
    url = f"rtsp://viewer:{written(password)}@127.0.0.1:9/x"  # type: ignore[operator]
    address = Address.of("rtsp://127.0.0.1:9/x", "viewer", password)
    _assert_hidden(repr(address))
    for error in (
        av.error.ConnectionRefusedError(111, "Connection refused", address.with_credentials),
        av.error.ArgumentError(22, "Invalid argument", address.with_credentials),
        OSError(5, f"failed: {url}"),
        ValueError(f"{url}: {password!r} {address.with_credentials} {quote(password)}"),
    ):
        _assert_hidden(_reason(error, address))
    try:
        _assert_hidden(repr(Address.of(url)))
    except AddressError as error:
        _assert_hidden(str(error))


@given(_PASSWORDS, st.sampled_from(["rtsp", "rtsps", "http", "https"]), st.booleans())
@settings(max_examples=40)
def test_cameras_that_cannot_be_reached(password: str, scheme: str, is_udp: bool) -> None:
    address = Address.of(
        f"{scheme}://{_CLOSED}/x.m3u8", "viewer", password, transport="udp" if is_udp else "tcp"
    )
    _assert_hidden(_error_of_connection(address))


@contextlib.contextmanager
def _echoing_camera() -> Iterator[int]:
    """A camera that asks for a password, and repeats whatever it is sent; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line, contextlib.suppress(OSError):
                    for code in (b"401 Who", b"400 Bad request: "):
                        request = line.recv(1 << 16)
                        protocol = request.split(b"\r\n")[0].rpartition(b" ")[2]
                        said = request.replace(b"\r\n", b" ") if code.startswith(b"400") else b""
                        number = [each for each in request.split(b"\r\n") if b"CSeq" in each]
                        line.sendall(
                            protocol + b" " + code + said + b"\r\n" + b"".join(number) + b"\r\n"
                            b'WWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
                        )

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("password", [f"{_FIRST}#/@: %{_LAST}", f"{_FIRST}'\"\\é{_LAST}"])
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_repeats_what_it_is_sent(scheme: str, password: str) -> None:
    with _echoing_camera() as port:
        address = Address.of(f"{scheme}://127.0.0.1:{port}/x.m3u8", "viewer", password)
        _assert_hidden(_error_of_connection(address))


@given(_PASSWORDS, _WRITTEN, st.sampled_from(["{u}@{c}/n", "{u}@h:x/n", "{c}/n?password={p}"]))
@settings(max_examples=30)
def test_databases(password: str, written: object, form: str) -> None:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    shown = written(password)  # type: ignore[operator]
    url = "postgresql://" + form.format(u=f"viewer:{shown}", c=_CLOSED, p=shown)
    with pytest.raises(QueueError) as caught:
        open_queue(url)
    # Of a password in the query, what follows an & is another parameter by any reading.
    if form.endswith("{p}") and "&" in shown:
        return
    _assert_hidden(str(caught.value))


@given(_PASSWORDS, _WRITTEN)
@settings(max_examples=20)
def test_object_storage(password: str, written: object) -> None:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    user = f"viewer:{written(password)}"  # type: ignore[operator]
    keys = {"AWS_ACCESS_KEY_ID": "viewer", "AWS_SECRET_ACCESS_KEY": password}
    for address, endpoint in (
        (f"s3://{user}@bucket/x", ""),
        ("s3://bucket/x", f"https://{user}@127.0.0.1:9"),
    ):
        environment = {**keys, "AWS_ENDPOINT_URL": endpoint}
        with mock.patch.dict(os.environ, environment), pytest.raises(EvidenceError) as caught:
            open_store(address, patience_s=0.2)
        _assert_hidden(str(caught.value))


@given(_PASSWORDS, _WRITTEN, st.sampled_from(["http://", "http:", "", "socks5://"]))
@settings(max_examples=30)
def test_proxies(password: str, written: object, scheme: str) -> None:
    proxy = f"{scheme}viewer:{written(password)}@{_CLOSED}"  # type: ignore[operator]
    address = Address.of("http://camera.invalid/x.m3u8")
    with mock.patch.dict(os.environ, {"http_proxy": proxy, "no_proxy": ""}):
        _assert_hidden(_error_of_connection(address))
        _assert_hidden(describe(ValueError(f"proxy URL with no authority: {proxy!r}"))[0])


@given(_PASSWORDS, _WRITTEN)
def test_unexpected_errors_and_logs(password: str, written: object) -> None:
    url = f"rtsp://viewer:{written(password)}@cam:554/x"  # type: ignore[operator]
    _assert_hidden(describe(RuntimeError(f"unexpected answer of {url}"))[0])
    _assert_hidden(describe(OSError(5, "failed", url))[0])
    out = StringIO()
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            hide_credentials,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    try:
        raise RuntimeError(url)
    except RuntimeError:
        structlog.get_logger().exception("stream failed", reason=f"no answer of {url}", url=url)
    assert "stream failed" in out.getvalue()
    _assert_hidden(out.getvalue())


def test_what_is_no_secret_stays() -> None:
    plain = "cam.yaml:3: rtsp://10.0.0.5:554/x?channel=1 is not reached (code=5), see http://x/y"
    assert without_credentials(plain, {}) == plain
    assert without_credentials("a://u:p@h/x ftp://v@i", {}) == "a://h/x ftp://i"
    assert without_credentials("https://h/x?sig=abc&y=1", {}) == "https://h/x?sig=***&y=1"
    hidden = {"DB_PASSWORD": "hunter22", "PATH": "plain", "API_TOKEN": "ab", "http_proxy": "h:1"}
    assert without_credentials("hunter22 plain ab h:1", hidden) == "*** plain ab h:1"


@pytest.mark.parametrize("command", [["cameras", "check"], ["watch"], ["doctor"]])
def test_a_command_that_fails_shows_no_password(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"cameras: [{{name: a, url: 'rtsp://viewer:{_FIRST}#{_LAST}@cam/x'}}]\n")
    assert run(cli.app, ["--debug", *command, "--config", str(config)]) == 2
    shown = capsys.readouterr()
    assert "write it as %23" in shown.err
    _assert_hidden(shown.out + shown.err)
