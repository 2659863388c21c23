from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cv_engine.commands.exit_codes import describe
from cv_engine.config import ConfigError, load_config
from cv_engine.yaml_file.document import parse_yaml, read_yaml
from cv_engine.yaml_file.errors import YamlError


def _message(folder: Path, text: str | bytes) -> str:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert describe(caught.value)[1] == 2
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ts", "ts.yaml:1: data: a tag (! and a name) is not known here; remove it"),
        ("bigint", "bigint.yaml:3: live.workers: an integer of 5000 digits is larger than any"),
        ("c0", "c0.yaml:157: cameras[0].zones: the value is no float; remove the tag !!float"),
        ("c15", "c15.yaml:58: rules.clutter.enabled: a tag (! and a name) is not known here"),
        ("c22", "c22.yaml:48: rules.parking.enabled: the value is no float; remove the tag"),
        ("c23", "c23.yaml:22: detector.threads: the value is no bool; remove the tag !!bool"),
    ],
)
def test_odd_tags_are_refused_with_file_line_and_key(
    name: str, expected: str, shared_data: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(shared_data / f"odd/11-yaml-tags/{name}.yaml")
    assert describe(caught.value)[1] == 2
    assert any(
        line.rpartition("/")[2].startswith(expected) for line in str(caught.value).split("\n")
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data: !!timestamp 2001-99-99\n", "data: a tag (! and a name) is not known here"),
        ("data: !!binary '***'\n", "data: a tag"),
        ("data: !!python/object/apply:os.system ['id']\n", "data: a tag"),
        ("data: !secret x\n", "data: a tag"),
        ("live: !!set {a, b}\n", "live: a tag"),
        ("live: !!omap 3\n", "live: a tag"),
        ("live: !!seq x\n", "live: a tag"),
        ("live: !!map [x]\n", "live: a tag"),
        ("live:\n workers: !!int {a: 1}\n", "live.workers: a tag"),
        ("live: {workers: !!int maybe}\n", "live.workers: the value is no int; remove the tag"),
        ("live: {stall_s: !!float x}\n", "live.stall_s: the value is no float"),
        ("evidence: {redact: !!bool maybe}\n", "evidence.redact: the value is no bool"),
        ("live: !!null x\n", "live: the value is no null"),
        (f"live: {{workers: {'9' * 5000}}}\n", "live.workers: an integer of 5000 digits"),
        (f"live: {{workers: -{'9' * 20}}}\n", "live.workers: an integer of 20 digits"),
        (f"live: {{workers: 0x{'f' * 900_000}}}\n", "live.workers: an integer of 900000 digits"),
        (f"live: {{stall_s: {'9' * 400}}}\n", "live.stall_s: an integer of 400 digits"),
        ("live: {stall_s: 1e99999}\n", "live.stall_s: inf is not a finite number"),
        ("live: {blind_s: 1e300}\n", "live.blind_s: 1e+300 is too large"),
        ('data: "a\\0b"\n', "data: the text holds a NUL character"),
        ('data: "\\ud800"\n', "found invalid Unicode character escape code"),
        ('data: "\\Uffffffff"\n', "found invalid Unicode character escape code"),
        (f"%YAML {'9' * 5000}.1\n---\ndata: x\n", "found extremely long version number"),
        ("? [a, b]\n: 1\n", "a key is a list or a group of keys; write a text"),
        ("a: &a x\n*a : 1\n", "a key is an alias; write a text"),
        ("1: 2\n", "1: unknown key"),
        ("~: 2\n", "~: unknown key"),
        ("data: &d [*d]\n", "data[0]: a value contains itself"),
        ("live: &l\n  <<: *l\n", "live.<<: a value contains itself"),
        ("<<: 3\n", "the file: << names no group of keys"),
        ("live: {<<: [1]}\n", "live: << names no group of keys"),
        ('cameras: [{name: "a\\e[31m"}]\n', "cameras[0].name: the name holds a control character"),
        (f"cameras: [{{name: {'n' * 201}}}]\n", "cameras[0].name: 'nnnn"),
        ('cameras: [{name: a, file_time: "%\\N%Y"}]\n', r"cameras[0].file_time: %\x85 is no part"),
        ("data: ~no-such-user-here/x\n", "data: ~no-such-user-here is no user's home folder"),
        ("data: \ud7ff\n---\n---\n", "the file holds more than one document"),
    ],
)
def test_what_no_setting_can_be_names_line_and_key(
    text: str, expected: str, tmp_path: Path
) -> None:
    message = _message(tmp_path, text)
    where, _, rest = message.partition(": ")
    assert where.startswith("config.yaml:")
    assert 1 <= int(where.removeprefix("config.yaml:")) <= text.count("\n")
    assert rest.startswith(expected), message
    assert len(message) < 2000


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "[5:00, 010, no, 1e3, 0x1F, ~, '', 1_000, 2001-01-01, +3, .5, -.inf, !!str 3, '3', ! x]\n"
    )
    assert read_yaml(path).value == [
        *("5:00", 10, "no", 1000.0, 31, None, "", "1_000", "2001-01-01", 3, 0.5, -float("inf")),
        *("3", "3", "x"),
    ]


def test_aliases_and_merges_give_what_they_name_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "base: &b {a: 1, b: 2}\nmore: &m\n  b: 3\n  c: 4\nall:\n  <<: [*m, *b]\n  c: 5\nagain: *b\n"
    )
    document = read_yaml(path)
    assert document.value["all"] == {"a": 1, "b": 3, "c": 5}
    assert document.value["again"] == {"a": 1, "b": 2}
    assert not document.duplicates
    assert [document.line(["all", key]) for key in "abc"] == [1, 3, 7]


def _bombs() -> dict[str, str]:
    letters = [chr(97 + i) for i in range(12)]
    pairs = list(pairwise(letters))
    laughs = "a: &a [x]\n" + "".join(f"{b}: &{b} [{f'*{a},' * 10}]\n" for a, b in pairs)
    merges = "a: &a {k: 1}\n" + "".join(f"{b}: &{b} {{<<: [{f'*{a},' * 9}]}}\n" for a, b in pairs)
    groups = "a: &a {k: 1}\n" + "".join(
        f"{b}: &{b} {{{', '.join(f'x{i}: *{a}' for i in range(9))}}}\n" for a, b in pairs
    )
    return {
        "aliases": laughs,
        "merges": merges,
        "groups": groups,
        "one alias": "data: &a x\ncameras: [" + "*a," * 250_000 + "]\n",
        "brackets": "data: " + "[" * 900_000,
        "braces": "data: " + "{a: " * 200_000,
        "dashes": "- " * 200_000,
        "questions": "? " * 200_000,
        "indentation": "".join(" " * i + "a:\n" for i in range(1300)),
        "commas": "data: [" + "a," * 300_000 + "]\n",
        "keys": "".join(f"k{i}: 1\n" for i in range(40_000)),
        "wrong cameras": "cameras:\n" + "- {nam: x}\n" * 30_000,
        "many points": "cameras: [{name: a, ground_control_points: ["
        + "{x: 1, y: 1, latitude: 1, longitude: 1}," * 8_000
        + "]}]\n",
        "documents": "---\n" * 200_000,
        "long key": "a" * 900_000 + ": 1\n",
        "quoted": 'colour: "' + "\\x41" * 220_000 + '"\n',
    }


@pytest.mark.parametrize("name", _bombs())
def test_no_text_below_1_mb_takes_long_or_much_memory_to_be_refused(
    name: str, tmp_path: Path
) -> None:
    text = _bombs()[name]
    assert len(text) < 1_000_000
    began_s = time.process_time()
    message = _message(tmp_path, text)
    assert time.process_time() - began_s < 10.0  # a second where nothing else runs
    assert len(message) < 20_000
    assert message.startswith("config.yaml:")


_TOKENS = st.sampled_from(
    [
        *(
            "- ",
            ": ",
            "? ",
            "&a ",
            "*a",
            "!!int ",
            "!!binary ",
            "!t ",
            "<<: ",
            "---\n",
            "0x",
            ".inf",
        ),
        *"{}[],\n'\"|>%#1a\t\\\x00\x85\u2028\ufeffé",
        *("\n  ", "live"),
    ]
)


@given(st.lists(_TOKENS, max_size=40).map("".join))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    try:
        parse_yaml(text.encode())
    except YamlError as error:
        assert 0 <= error.line <= len(text.splitlines()) + 1
        assert str(error)
