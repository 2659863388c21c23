from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from cv_engine.config import (
    Config,
    ConfigError,
    default_config_path,
    load_config,
    read_config,
)
from cv_engine.section import Section


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _problems(folder: Path, text: str | bytes) -> list[str]:
    path = _write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            keys += _keys(field.annotation, f"{prefix}{name}.")
    return keys


def test_config_yaml_is_exactly_the_defaults() -> None:
    assert read_config(default_config_path()) == Config()


def test_config_yaml_writes_out_every_key_and_comments_it() -> None:
    lines = default_config_path().read_text().splitlines()
    written = {
        match[1]: i for i, line in enumerate(lines) if (match := re.match(r" *(\w+):", line))
    }
    for key in _keys(Config):
        name = key.rpartition(".")[2]
        assert name in written, key
    for i in written.values():
        above = "\n".join(lines[max(0, i - 8) : i])
        assert "#" in above, lines[i]


def test_the_commented_camera_is_a_valid_one(tmp_path: Path) -> None:
    text = default_config_path().read_text()
    block = text[text.index("# cameras:") :].replace("\n# ", "\n").removeprefix("# ")
    config = load_config(_write(tmp_path, block.replace("cameras: []\n", "")))
    camera = config.camera("market-street").camera()
    assert camera.locate(640, 480).basis == "homography"
    assert camera.position == (29.86830, 121.54400)
    assert config.cameras[0].zones == tmp_path / "zones/market-street.geojson"
    names = {name for name in type(config.cameras[0]).model_fields if f"{name}:" in block}
    # The password stands in the environment; the comment says that it may stand here too.
    assert names == set(type(config.cameras[0]).model_fields) - {"password"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "evidence:\n", "rules:\n  parking:\n"])
def test_what_is_left_out_is_the_default(tmp_path: Path, text: str) -> None:
    assert read_config(_write(tmp_path, text)) == Config()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "rules:\n  parking:\n    dwell: 3\n",
            "config.yaml:3: rules.parking.dwell: unknown key; did you mean dwell_s?",
        ),
        (
            "rules:\n  parking:\n    dwell_s: 5m\n",
            "config.yaml:3: rules.parking.dwell_s: '5m' is not valid; "
            "expected a number of seconds above 0, such as 300",
        ),
        (
            'video: {sample_s: "2"}\n',
            "config.yaml:1: video.sample_s: '2' is not valid; "
            "expected a number of seconds above 0: remove the quotes",
        ),
        ("video:\n  sample_s: 5:00\n", "config.yaml:2: video.sample_s: '5:00' is not valid"),
        ("video:\n  sample_s: -1\n", "config.yaml:2: video.sample_s: -1 is too small"),
        ("video:\n  sample_s: 0\n", "config.yaml:2: video.sample_s: 0 is too small"),
        ("video:\n  sample_s: .nan\n", "config.yaml:2: video.sample_s: nan is not a finite"),
        ("video:\n  sample_s: .inf\n", "config.yaml:2: video.sample_s: inf is not a finite"),
        ("video:\n  sample_s: true\n", "config.yaml:2: video.sample_s: true is not valid"),
        ("video:\n  sample_s:\n", "config.yaml:2: video.sample_s: an empty value is not valid"),
        ("video:\n  decode: keys\n", "config.yaml:2: video.decode: 'keys' is not one of"),
        (
            "evidence:\n  redact: no\n",
            "config.yaml:2: evidence.redact: 'no' is not valid; expected true",
        ),
        ("detector:\n  threads: 1.5\n", "config.yaml:2: detector.threads: 1.5 is not valid"),
        ("detector:\n  confidence: 25\n", "config.yaml:2: detector.confidence: 25 is too large"),
        (
            "evidence:\n  store: /srv/evidence\n",
            "config.yaml:2: evidence.store: this is no address of evidence in object storage; "
            "write it as s3://bucket/prefix",
        ),
        (
            "evidence:\n  store: s3://me:hunter2@bucket/x\n",
            "config.yaml:2: evidence.store: this is no address",
        ),
        (
            "dwell_s: 3\n",
            "config.yaml:1: dwell_s: unknown key; did you mean rules.clutter.dwell_s or",
        ),
        ("colour: red\n", "config.yaml:1: colour: unknown key; known here: data, store"),
        (
            "rules:\n  parking:\n    min_size_px: 16.0\n",
            "config.yaml:3: rules.parking.min_size_px: sizes are shares of the frame's height now; "
            "write min_size: 16 / height of the frame in pixels (0.028 at 576 lines, 0.015 at 1080",
        ),
        (
            "rules: {heaped: {min_size_px: }}\n",
            "config.yaml:1: rules.heaped.min_size_px: sizes are shares of the frame's height now; "
            "write min_size: pixels / height",
        ),
        (
            "rules:\n  clutter:\n    min_size: 12\n",
            "config.yaml:3: rules.clutter.min_size: 12 is too large; expected a share of the "
            "frame's height, above 0 and below 1, such as 0.025",
        ),
        ("rules: {clutter: {min_size: 0}}\n", "config.yaml:1: rules.clutter.min_size: 0 is too"),
        ("rules: {clutter: {min_size: 1}}\n", "config.yaml:1: rules.clutter.min_size: 1 is too"),
        (
            "rules: {clutter: {min_size_m: -1}}\n",
            "config.yaml:1: rules.clutter.min_size_m: -1 is too small; expected a number of metres",
        ),
        ("video: 3\n", "config.yaml:1: video: 3 is not a group of keys"),
        ("cameras: 3\n", "config.yaml:1: cameras: 3 is not a list"),
        ("cameras:\n  - latitude: 3\n", "config.yaml:2: cameras[0].name: missing; add it, such as"),
        ("- 3\n", "config.yaml:1: the file: [3] is not a group of keys"),
        ("data: a\nvideo: {}\ndata: b\n", "config.yaml:3: data: written twice, first on line 1"),
        ("video:\n\tsample_s: 2\n", "config.yaml:2: the line is indented with a tab"),
        ("video: [1\n", "config.yaml:2: "),
        ("data: a: b\n", "config.yaml:1: a colon is not allowed here"),
        ("data: a\n---\ndata: b\n", "config.yaml:2: the file holds more than one document"),
        ("data: !!python/object:os.system x\n", "config.yaml:1: "),
        ("data: a\nstore: \x00\n", "config.yaml:2: the character"),
        (b"\xff\xfe\x00", "config.yaml:1: this is not UTF-8 text"),
        (b"data: x\nstore: \xe9\n", "config.yaml:2: this is not UTF-8 text"),
        (
            "cameras:\n  - name: a\n    timezone: Asia/Ningbo\n",
            "config.yaml:3: cameras[0].timezone: 'Asia/Ningbo' is no time zone",
        ),
        (
            "cameras:\n  - name: a\n    file_time: cam_%H%M\n",
            "config.yaml:3: cameras[0].file_time: the pattern does not give a full date",
        ),
        (
            "cameras:\n  - name: a\n    file_time: %Y%m%d\n",
            "config.yaml:3: a value cannot start with %; put the value between double quotes",
        ),
        ('cameras:\n  - name: a\n    file_time: "%Q"\n', "config.yaml:3: cameras[0].file_time: %Q"),
        (
            'cameras:\n  - name: a\n    file_time: "%Y%m%d_%s"\n',
            "config.yaml:3: cameras[0].file_time: %s, seconds since 1970, stands once",
        ),
        ("cameras:\n  - name: a\n    latitude: 29\n", "config.yaml:2: cameras[0]: longitude is"),
        (
            "cameras:\n  - name: a\n    latitude: 121.5\n    longitude: 29\n",
            "config.yaml:3: cameras[0].latitude: 121.5 is too large",
        ),
        (
            "cameras:\n  - name: a\n  - name: a\n",
            "config.yaml:1: cameras: two cameras are named 'a'",
        ),
        (
            "cameras:\n  - name: a\n    ground_control_points:\n"
            "      - {x: 1, y: 2, latitude: 29, longitude: 121}\n",
            "config.yaml:2: cameras[0]: camera a: ground_control_points: 1 given, at least 4",
        ),
    ],
)
def test_errors_name_line_key_and_remedy(tmp_path: Path, text: str | bytes, expected: str) -> None:
    problems = _problems(tmp_path, text)
    assert any(problem.startswith(expected) for problem in problems), problems
    assert all(problem.startswith("config.yaml:") for problem in problems)


def test_every_problem_is_reported_in_order(tmp_path: Path) -> None:
    rules = "rules:\n  parking:\n    dwell_s: -1\n"
    text = f"video:\n  sample_s: 5m\n  decod: key\n{rules}data: a\ndata: b\n"
    lines = [int(problem.split(":")[1]) for problem in _problems(tmp_path, text)]
    assert lines == [2, 3, 6, 8]


_POINTS = """
    ground_control_points:
      - {x: 212, y: 640, latitude: 29.868512, longitude: 121.544021}
      - {x: 1105, y: 655, latitude: 29.868431, longitude: 121.544096}
      - {x: 880, y: 310, latitude: 29.868702, longitude: 121.544342}
      - {x: 402, y: 305, latitude: 29.868759, longitude: 121.544246}
"""


@pytest.mark.parametrize(
    ("cameras", "who"),
    [
        ("", "no camera of the configuration has ground control points"),
        (f"cameras:\n  - name: a{_POINTS}  - name: gate\n", "camera gate has no ground control"),
    ],
)
def test_sizes_in_metres_need_ground_control_points(tmp_path: Path, cameras: str, who: str) -> None:
    text = "rules:\n  clutter:\n    dwell_s: 60\n    min_size_m: 0.3\n"
    (problem,) = _problems(tmp_path, text + cameras)
    assert problem.startswith(f"config.yaml:4: rules.clutter.min_size_m: {who}")
    assert "add ground_control_points to every camera, or give min_size_m to zones" in problem
    off = text.replace("    min_size_m", "    enabled: false\n    min_size_m")
    assert (
        load_config(_write(tmp_path, off + cameras)).rules.sections()["clutter"].min_size_m == 0.3
    )


def test_sizes_in_metres_of_cameras_with_ground_control_points(tmp_path: Path) -> None:
    text = f"rules: {{clutter: {{min_size_m: 0.3}}}}\ncameras:\n  - name: a{_POINTS}"
    config = load_config(_write(tmp_path, text))
    assert config.rules.sections()["clutter"].min_size_m == 0.3
    assert config.rules.sections()["parking"].min_size_m is None


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_yaml_bombs_and_loops_end_in_a_message(tmp_path: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{n}: &{n} [*{p},*{p},*{p}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text in (bomb, "data: &a [*a]\n", "cameras: " + "[" * 3000):
        assert _problems(tmp_path, text)


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    config = load_config(
        _write(
            tmp_path,
            "data: here\nstore: q.sqlite\ncameras:\n  - {name: a, zones: z.json}\n"
            "cases: {taxonomy: t.yaml, calendar: /city/c.yaml}\n",
        )
    )
    assert config.cases.taxonomy == tmp_path / "t.yaml"
    assert config.cases.calendar == Path("/city/c.yaml")
    assert config.data == tmp_path / "here"
    assert config.store == str(tmp_path / "q.sqlite")
    assert config.cameras[0].zones == tmp_path / "z.json"


def test_addresses_of_stores_and_absolute_paths_stay(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, "data: /var/x\nstore: postgresql+psycopg://u@h/n\n"))
    assert (config.data, config.store) == (Path("/var/x"), "postgresql+psycopg://u@h/n")


def test_the_built_in_defaults_start_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config().data == tmp_path / "cv-engine-data"


def test_digest_follows_what_changes_results_only(tmp_path: Path) -> None:
    zones = tmp_path / "z.json"
    zones.write_text("1")
    path = _write(tmp_path, "cameras:\n  - {name: a, zones: z.json}\n")
    first = load_config(path).digest
    assert re.fullmatch("[0-9a-f]{64}", first)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "z.json").write_text("1")
    moved = _write(
        elsewhere,
        "data: other\nevidence: {store: s3://bucket/x}\ncases: {taxonomy: t.yaml}\n"
        "cameras:\n  - {name: a, zones: z.json}\n",
    )
    assert load_config(moved).digest == first
    zones.write_text("2")
    assert load_config(path).digest != first
    assert load_config(_write(tmp_path, "video: {sample_s: 3}\n")).digest != Config().digest


def test_unknown_camera_names_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"camera 'b' is not in the configuration \(known: none\)"
    ):
        Config().camera("b")


_SECRET = "hunter2"


@pytest.mark.parametrize(
    "entry",
    [
        "{name: a, password: hunter2, zones: 5}",
        "{name: a, password: [hunter2]}",
        "{name: a, password: {is: hunter2}}",
        "{name: a, password: hunter2, password_env: PW}",
        "{name: a, user: {password: hunter2}}",
        "{name: a, latitude: [hunter2]}",
        '{name: a, url: "rtps://u:hunter2@cam/x"}',
        '{name: a, url: "rtsp://u:hunter2 @cam/x y", timezone: "rtsp://u:hunter2@cam/x"}',
        '{name: a, transport: "rtsp://u:hunter2@cam/x"}',
        '{name: a, "rtsp://u:hunter2@cam/x": 1}',
        "rtsp://u:hunter2@cam/x",
        "rtsp://u:p/@hunter2@cam/x",
        "{name: a, password: *hunter2}",
        "{name: a, password: !hunter2 x}",
        "{name: a, password: @hunter2}",
        '{name: a, password: "hunter2',
        "{name: a, password: hunter2, password: hunter2}",
        "{name: a, password: hunter2}\n  - {name: a}",
    ],
)
def test_no_message_repeats_a_password(entry: str, tmp_path: Path) -> None:
    path = _write(tmp_path, f"cameras:\n  - {entry}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert _SECRET not in str(caught.value)


def test_cameras_without_dashes_are_told_without_their_password(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, "cameras: {name: a, password: hunter2}\n")
    assert problem == (
        "config.yaml:1: cameras: a group of keys is not a list; start each entry with a dash"
    )


@pytest.mark.parametrize("written", ["123456", "true", "[a]"])
def test_a_password_that_is_no_text_is_told_without_it(written: str, tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, f"cameras:\n  - {{name: a, password: {written}}}\n")
    assert problem == (
        "config.yaml:2: cameras[0].password: the value is not a text; put it between double quotes"
    )


def test_nothing_that_shows_a_camera_shows_its_password(tmp_path: Path) -> None:
    text = "cameras:\n  - {name: a, url: 'rtsp://u:hunter2@cam/x', user: b, password: hunter2}\n"
    config = load_config(_write(tmp_path, text))
    camera = config.camera("a")
    assert camera.password is not None
    assert camera.password.get_secret_value() == _SECRET
    for shown in (
        *(repr(config), str(config), repr(camera), f"{camera.url} {camera.password}"),
        *(config.model_dump_json(), str(config.model_dump()), camera.model_dump_json()),
    ):
        assert _SECRET not in shown


@pytest.mark.parametrize(
    "reached",
    [
        "url: rtsp://cam/x",
        "user: b",
        "password: hunter2",
        "password_env: PW",
        "transport: udp",
        "url: 'https://cam/live.m3u8'",
        "allow_hosts: [relay.city]",
        "tls_verify: false",
        "tls_ca: ca.pem",
    ],
)
def test_digest_knows_nothing_of_how_streams_are_reached(reached: str, tmp_path: Path) -> None:
    plain = load_config(_write(tmp_path, "cameras:\n  - {name: a}\n")).digest
    assert load_config(_write(tmp_path, f"cameras:\n  - {{name: a, {reached}}}\n")).digest == plain
    received = "live: {ring_s: 30, workers: 2, gap_s: 60}\ncameras:\n  - {name: a}\n"
    assert load_config(_write(tmp_path, received)).digest == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("live:\n  workers: 0\n", "config.yaml:2: live.workers: 0 is too small"),
        ("live:\n  metrics_port: 70000\n", "config.yaml:2: live.metrics_port: 70000 is too large"),
        ("live:\n  ring_mb: 0\n", "config.yaml:2: live.ring_mb: 0 is too small"),
        ("live:\n  ring: 20\n", "config.yaml:2: live.ring: unknown key; did you mean"),
        (
            "cameras:\n  - {name: a, url: /dev/video0}\n",
            "config.yaml:2: cameras[0].url: this is no stream's address; write one such as rtsp://",
        ),
        (
            "cameras:\n  - {name: a, transport: rtp}\n",
            "config.yaml:2: cameras[0].transport: 'rtp' is not one of tcp, udp, http",
        ),
        (
            "cameras:\n  - {name: a, url: 'rtsp://u:hunter#2@cam/x'}\n",
            "config.yaml:2: cameras[0].url: the password or the user's name holds a #, which ends",
        ),
        (
            "cameras:\n  - {name: a, url: 'rtsp://u:hunter/2@cam/x'}\n",
            "config.yaml:2: cameras[0].url: the password or the user's name holds a /, which ends",
        ),
        (
            "cameras:\n  - {name: a, url: 'rtsp://cam:70000/x'}\n",
            "config.yaml:2: cameras[0].url: the port is no number from 1 to 65535",
        ),
        (
            f"cameras:\n  - {{name: a, tls_fingerprint: 'sha256:{'0' * 63}'}}\n",
            "config.yaml:2: cameras[0].tls_fingerprint: this is no SHA-256 fingerprint; write",
        ),
        (
            f"cameras:\n  - {{name: a, tls_ca: x, tls_fingerprint: 'sha256:{'0' * 64}'}}\n",
            "config.yaml:2: cameras[0]: tls_fingerprint and tls_ca are both there",
        ),
        (
            "cameras:\n  - {name: a, tls_ca: x, tls_verify: false}\n",
            "config.yaml:2: cameras[0]: tls_verify: false trusts any certificate",
        ),
        (
            "cameras:\n  - {name: a, tls_ca: x, url: 'rtsp://cam/x'}\n",
            "config.yaml:2: cameras[0]: tls_fingerprint and tls_ca have no effect on this url",
        ),
    ],
)
def test_wrong_settings_of_streams_are_told(text: str, expected: str, tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, text)
    assert problem.startswith(expected)


def test_live_streams_may_be_left_to_the_machine(tmp_path: Path) -> None:
    live = load_config(_write(tmp_path, "live: {workers: null, metrics_port: null}\n")).live
    assert live.workers is None
    assert live.metrics_port is None


@pytest.mark.parametrize("written", ["sha256:{}", "SHA256: {}", "sha256 {}", "{}"])
def test_fingerprints_are_taken_as_tools_write_them(written: str, tmp_path: Path) -> None:
    pairs = ":".join(f"{byte:02X}" for byte in range(32))
    text = f"cameras:\n  - {{name: a, tls_fingerprint: '{written.format(pairs)}'}}\n"
    if written == "{}":
        assert "this is no SHA-256 fingerprint" in _problems(tmp_path, text)[0]
        return
    entry = load_config(_write(tmp_path, text)).camera("a")
    assert entry.tls_fingerprint == "sha256:" + bytes(range(32)).hex()


def test_a_camera_s_authority_lies_beside_the_file(tmp_path: Path) -> None:
    text = "cameras:\n  - {name: a, url: 'rtsps://cam/x', tls_ca: ca.pem}\n"
    assert load_config(_write(tmp_path, text)).camera("a").tls_ca == tmp_path / "ca.pem"
